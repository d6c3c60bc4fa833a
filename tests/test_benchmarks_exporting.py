"""benchmarks/exporting.py and tradeoff.py; no speed is tested."""

import json

import pytest
from handmade import xner_pipeline
from test_benchmarks import RUNNER, load
from tiny_checkpoint import save_tiny_checkpoint


def test_variants_of_an_export(tmp_path):
    pytest.importorskip("spacy_transformers")
    pytest.importorskip("onnx")
    encoder = {
        "@architectures": "spacy-xner.TransformerEncoder.v1",
        "name": str(save_tiny_checkpoint(tmp_path / "encoder")),
        "get_spans": {"@span_getters": "spacy-transformers.doc_spans.v1"},
        "pooling": {"@layers": "reduce_first.v1"},
    }
    xner_pipeline(tok2vec=encoder, updates=30).to_disk(tmp_path / "model")
    (tmp_path / "texts.txt").write_text("Ana met Bob in Lagos\nLagos is big\n")
    arguments = [tmp_path / "model", tmp_path / "texts.txt", tmp_path / "out.json"]
    options = ["--size", 8, "--size", 64, "--rounds", 2]
    done = RUNNER.invoke(load("exporting").app, [str(x) for x in [*arguments, *options]])
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "out.json").read_text("utf8"))
    assert (result["words"], result["texts"]) == (8, 2)
    rows = {(row["variant"], row["max_subwords"]): row for row in result["variants"]}
    assert len(rows) == 1 + 5 * 2
    assert rows["torch", 0]["same"] == rows["float32", 64]["same"] == 1.0
    assert all(len(row["seconds"]) == 2 and row["same"] > 0.5 for row in rows.values())


@pytest.fixture
def results(tmp_path):
    macro = {"f1": [0.5, 0.7], "mean": 0.6, "sd": 0.1}
    accuracy = {"students": {"small": {"macro": macro}, "trf": {"macro": macro}}}
    (tmp_path / "accuracy.json").write_text(json.dumps(accuracy))

    def write(*names):
        rows = {name: {"threads": {"1": {"words_per_second": 100.0}}} for name in names}
        (tmp_path / "speed.json").write_text(json.dumps({"contenders": rows}))
        arguments = [tmp_path / "accuracy.json", tmp_path / "speed.json", tmp_path / "new/out.svg"]
        done = RUNNER.invoke(load("tradeoff").app, [str(path) for path in arguments])
        return done, tmp_path / "new/out.svg"

    return write


def test_picture_of_accuracy_over_speed(results):
    pytest.importorskip("matplotlib")
    done, picture = results("small", "gliner")
    assert done.exit_code == 0, done.output
    assert "<!-- small -->" in picture.read_text("utf8")
    assert "<!-- trf -->" not in picture.read_text("utf8")


def test_no_common_name(results):
    done, picture = results("gliner")
    assert done.exit_code == 1 and "X613" in done.output and not picture.exists()
