"""benchmarks/inference.py and breakdown.py say what they claim to say; no speed is tested."""

import ast
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import spacy
from handmade import TOK2VEC, xner_pipeline
from test_benchmarks import RUNNER, load
from tiny_checkpoint import save_tiny_checkpoint

from spacy_xner.pipeline.export import export_pipeline

TEXTS = ["Ana met Bob in Lagos", "Lagos is big", "Bob left"]
GLINER = os.environ.get("XNER_GLINER_PYTHON")
TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


@pytest.fixture(scope="module")
def inference():
    return load("inference")


@pytest.fixture(scope="module")
def models():
    return load("made_models")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Texts, a student on a transformer, one without, and a config for spaCy's `ner`."""
    pytest.importorskip("spacy_transformers")
    folder = tmp_path_factory.mktemp("world")
    (folder / "encoder").mkdir()
    tok2vec = {
        "@architectures": "spacy-xner.TransformerEncoder.v1",
        "name": str(save_tiny_checkpoint(folder / "encoder")),
        "get_spans": {
            "@span_getters": "spacy-transformers.strided_spans.v1",
            "window": 128,
            "stride": 96,
        },
        "pooling": {"@layers": "reduce_first.v1"},
    }
    xner_pipeline(tok2vec=tok2vec).to_disk(folder / "trf")
    pytest.importorskip("onnx")
    export_pipeline(spacy.load(folder / "trf")).to_disk(folder / "int8")
    nlp = spacy.blank("xx")
    model = {"@architectures": "spacy-xner.SoftTagger.v1", "scale": 5.0, "tok2vec": TOK2VEC}
    nlp.add_pipe("xner", config={"model": model})
    nlp.config.to_disk(folder / "small.cfg")
    xner_pipeline().to_disk(folder / "small")
    (folder / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    return folder


def test_all_contenders_are_measured(inference, world, tmp_path):
    output = tmp_path / "out.json"
    arguments = ["compare", world / "texts.txt", f"trf={world / 'trf'}", "--transformers", "trf"]
    arguments += ["--ner", world / "small.cfg", "--rounds", 1, "--threads", 1, "--latency", 2]
    done = RUNNER.invoke(inference.app, [*map(str, arguments), "--output", str(output)])
    assert done.exit_code == 0, done.output
    assert "GLiNER is not measured" in done.output and "--gliner-python" in done.output
    result = json.loads(output.read_text("utf8"))
    names = ["trf", "spacy-ner", "transformers", "transformers-8"]
    assert list(result["contenders"]) == [run["name"] for run in result["runs"]] == names
    assert (result["texts"], result["words"]) == (3, 10)
    for run in result["runs"]:
        assert run["words_per_second"] == pytest.approx(10 / run["seconds"])
        assert 0 < run["latency_ms"] <= run["latency_p95_ms"]
        assert 50 < run["loaded_mb"] <= run["peak_mb"]
        assert run["load"] > 0
    found = result["contenders"]
    assert found["transformers"]["threads"]["1"]["ratio"] == 1.0
    assert found["trf"]["environment"]["mb"] > found["spacy-ner"]["environment"]["mb"] > 50
    assert all(row["model_mb"] > 0 for row in found.values())
    assert set(result["provenance"]["data"]) == {"texts", "ner", "trf"}
    done = RUNNER.invoke(inference.app, ["table", str(output)])
    lines = done.output.strip().splitlines()
    assert [line.split("|")[1].strip() for line in lines] == ["contender", "---", *names]


def test_the_checkpoint_gives_the_logits_of_the_student(models, world, tmp_path):
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    nlp = spacy.load(world / "trf")
    models.save_checkpoint(nlp, tmp_path)
    model = AutoModelForTokenClassification.from_pretrained(tmp_path)
    width = model.config.hidden_size
    norm = torch.nn.LayerNorm(width, eps=1e-8, elementwise_affine=False)
    model.classifier = torch.nn.Sequential(norm, model.classifier)
    model.eval()
    encoded = AutoTokenizer.from_pretrained(tmp_path)("lagos", return_tensors="pt")
    with torch.no_grad():
        theirs = model(**encoded).logits[0, 1].numpy()  # the first letter of the only word
    pipe = nlp.get_pipe("xner")
    (ours,) = pipe.logits([nlp.make_doc("lagos")])
    assert theirs == pytest.approx(ours[0], abs=1e-4)
    assert list(model.config.id2label.values()) == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


def test_what_pipelines_need(models, world, tmp_path):
    assert models.requirements(str(world / "trf")) == ["spacy-xner[train]"]
    assert models.requirements(str(world / "small")) == ["spacy-xner"]
    models.save_ner(world / "small.cfg", tmp_path / "ner")
    assert models.requirements(str(tmp_path / "ner")) == ["spacy"]
    assert spacy.load(tmp_path / "ner")("Ana met Bob") is not None
    (tmp_path / "config.cfg").write_text('[a]\n@architectures = "x.OnnxEncoder.v1"\n')
    assert "onnxruntime" in models.requirements(str(tmp_path))


def test_medians_and_ratios_are_those_of_rounds(inference):
    def run(name, number, speed):
        figures = dict.fromkeys(inference.FIGURES, float(number))
        return {"name": name, "threads": 1, "round": number, **figures, "words_per_second": speed}

    speeds = {"a": (30.0, 10.0, 80.0), "transformers": (10.0, 10.0, 10.0)}
    runs = [run(name, i, x) for name, found in speeds.items() for i, x in enumerate(found)]
    found = inference.summary(runs, "a", [1])["1"]
    assert (found["words_per_second"], found["ratio"], found["load"]) == (30.0, 3.0, 1.0)
    assert "ratio" not in inference.summary(runs[:3], "a", [1])["1"]


def test_mistakes_are_named(inference, world, tmp_path):
    def invoke(*arguments):
        done = RUNNER.invoke(inference.app, ["compare", *map(str, arguments)])
        assert done.exit_code
        return " ".join(done.output.split())

    texts, small = world / "texts.txt", f"small={world / 'small'}"
    assert "X601" in invoke(tmp_path / "none.txt", small)
    assert "X412" in invoke(texts, world / "small")
    assert "X612" in invoke(texts, small, "--transformers", "small")
    assert "--threads" in invoke(texts, small, "--threads", 10_000)
    one = ("--threads", 1)
    assert "X611" in invoke(texts, small, "--python", f"small={tmp_path / 'python'}", *one)
    assert "X611" in invoke(texts, small, "--gliner-python", tmp_path / "python", *one)


@pytest.mark.skipif(not GLINER, reason="XNER_GLINER_PYTHON names no environment with gliner")
def test_gliner(inference, world, tmp_path):
    settings = {"python": GLINER, "tokenizer": str(world / "encoder"), "encoder": TINY}
    how = {"transformers": None, "batch_sizes": (), "ner": None, "gliner": settings}
    jobs = inference.prepare({}, tmp_path, **how)
    given = {"pythons": {"gliner": GLINER}, "threads": [1], "rounds": 1, "latency": 2}
    found = inference.compare(jobs, TEXTS, **given)["contenders"]["gliner"]
    assert found["versions"]["gliner"] and found["threads"]["1"]["words_per_second"] > 0
    assert found["environment"]["missing"] == []


def test_sizes_follow_requirements():
    size = load("install_size")
    core, train = (size.installed_size([x]) for x in ("spacy-xner", "spacy-xner[train]"))
    assert "torch" in train["packages"] and "seqeval" in train["packages"]
    assert {"spacy", "numpy", "spacy-xner"} <= set(core["packages"])
    assert "pytest" not in train["packages"]
    assert train["mb"] > core["mb"] == pytest.approx(sum(core["packages"].values()))
    assert size.installed_size(["no-such-package-xner"])["missing"] == ["no-such-package-xner"]


def test_sizes_of_folders(tmp_path):
    size = load("install_size")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/a.pyc").write_bytes(b"123")
    (tmp_path / "a").write_bytes(b"12")
    assert size.folder_size(tmp_path) == size.folder_size(tmp_path / "a") == 2


@pytest.mark.parametrize("name", ["small", "trf", "int8"])
def test_shares_of_a_student(world, tmp_path, name):
    breakdown = load("breakdown")
    output = tmp_path / "out.json"
    arguments = [str(world / name), str(world / "texts.txt"), "--rounds", "2"]
    done = RUNNER.invoke(breakdown.app, [*arguments, "--output", str(output)])
    assert done.exit_code == 0, done.output
    result = json.loads(output.read_text("utf8"))
    for spent, whole in zip(result["rounds"], result["seconds"], strict=True):
        assert sum(spent.values()) == pytest.approx(whole)
        assert min(spent.values()) >= 0
        called = [part for part, seconds in spent.items() if seconds > 0]
        subwords = [breakdown.SUBWORDS, breakdown.ALIGNMENT]
        expected = [p for p in breakdown.PARTS if name != "small" or p not in subwords]
        assert called == expected


def test_inner_functions_count_alone(monkeypatch):
    breakdown = load("breakdown")
    now = iter(np.arange(100.0))
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    clock = breakdown.Clock()
    inner = clock.watch(breakdown.DECODING, lambda: None)
    outer = clock.watch(breakdown.DOCS, lambda: [inner(), inner()])
    outer()  # the clock ticks at 0, 1, 2, 3, 4, 5: each inner call takes 1, the whole takes 5
    assert clock.spent[breakdown.DECODING] == 2.0
    assert clock.spent[breakdown.DOCS] == 3.0


def test_functions_are_given_back():
    breakdown = load("breakdown")
    nlp = xner_pipeline(updates=1)
    before = [getattr(owner, name) for _, owner, name in breakdown.find_hooks(nlp)]
    with breakdown.Clock().hooked(breakdown.find_hooks(nlp)):
        assert nlp("Ana met Bob").has_annotation("ENT_IOB")
    assert [getattr(owner, name) for _, owner, name in breakdown.find_hooks(nlp)] == before
    with pytest.raises(ValueError, match="X506"):
        breakdown.find_hooks(spacy.blank("xx"))


def test_contenders_import_nothing_that_counts_for_others():
    """What is imported before the clock starts is Python's own."""
    found = ast.parse(Path(load("inference").RUNNER).read_text("utf8")).body
    top = {alias.name for node in found if isinstance(node, ast.Import) for alias in node.names}
    top |= {node.module for node in found if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in top} <= sys.stdlib_module_names | {"resident"}
