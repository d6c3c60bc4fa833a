import json

import numpy as np
import pytest
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_xner import util
from spacy_xner.cli import evaluate
from spacy_xner.cli._app import app
from spacy_xner.errors import XnerError

NAMES = {"Amina": "PER", "Dar": "LOC", "Juma": "PER"}


def run(*arguments):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def fails(message, *arguments):
    """One clear message, a non-zero exit, no traceback."""
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def model(make_pipeline, tmp_path):
    make_pipeline(NAMES).to_disk(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def data(gold, tmp_path):
    DocBin(docs=gold).to_disk(tmp_path / "swa-test.spacy")
    return tmp_path / "swa-test.spacy"


def test_table_and_json(model, data, tmp_path):
    output = tmp_path / "new" / "scores.json"
    result = run(model, data, f"hau={data}", "--output", output)
    assert result.exit_code == 0, result.output
    table = {line.split()[0]: line.split() for line in result.output.splitlines() if line.strip()}
    assert table["Language"][1:4] == ["P", "R", "F1"]
    # 2 of 3 predicted and of 4 gold entities are right.
    assert table["swa"][1:7] == ["66.67", "50.00", "57.14", "50.00", "100.00", "0.00"]
    assert table["macro"][1:4] == ["66.67", "50.00", "57.14"]
    report = json.loads(output.read_text(encoding="utf8"))
    assert list(report["languages"]) == ["swa", "hau"]
    assert report["languages"]["swa"]["micro"]["f1"] == pytest.approx(4 / 7)
    assert report["curve"]["languages"]["hau"]["recall"][0] == 0.5
    assert report["provenance"]["data"]["swa"]["file"] == "swa-test.spacy"
    assert len(report["provenance"]["models"]["model"]["sha256"]) == 64
    assert [path.name for path in output.parent.iterdir()] == ["scores.json"]


def test_against(model, data, make_pipeline, tmp_path):
    make_pipeline({"Dar": "LOC"}).to_disk(tmp_path / "other")
    output = tmp_path / "scores.json"
    options = ["--against", tmp_path / "other", "--samples", 50, "--seed", 7, "-o", output]
    result = run(model, data, *options)
    assert result.exit_code == 0, result.output
    assert "F1 against" in result.output
    report = json.loads(output.read_text(encoding="utf8"))
    comparison = report["comparison"]
    assert comparison["macro"]["samples"] == 50
    assert comparison["macro"]["f1_b"] == pytest.approx(2 / 5)
    assert report["provenance"]["seed"] == 7
    assert set(report["provenance"]["models"]) == {"model", "against"}
    run(model, data, *options)
    assert json.loads(output.read_text(encoding="utf8"))["comparison"] == comparison


def test_folder_of_files(model, data, tmp_path):
    folder, output = tmp_path / "swa-shards", tmp_path / "scores.json"
    folder.mkdir()
    for name in ("0.spacy", "1.spacy"):
        (folder / name).write_bytes(data.read_bytes())
    result = run(model, folder, "-o", output)
    assert result.exit_code == 0, result.output
    report = json.loads(output.read_text(encoding="utf8"))
    assert report["languages"]["swa"]["sentences"] == 6
    assert report["provenance"]["data"]["swa"]["folder"] == "swa-shards"


def test_labels_and_spans_key(model, data, tmp_path):
    output = tmp_path / "scores.json"
    result = run(model, data, "--labels", "PER, LOC", "--spans-key", "silver", "-o", output)
    assert result.exit_code == 0, result.output
    report = json.loads(output.read_text(encoding="utf8"))
    assert report["labels"] == ["PER", "LOC"]
    assert report["languages"]["swa"]["micro"]["support"] == 3
    assert report["languages"]["swa"]["ece"] is None


def test_missing_pipeline(data, tmp_path):
    fails("X603", tmp_path / "missing", data)
    fails("X603", "xx_not_installed", data)
    (tmp_path / "empty").mkdir()
    fails("X603", tmp_path / "empty", data)


def test_pipeline_that_cannot_be_loaded(model, data):
    config = (model / "config.cfg").read_text()
    (model / "config.cfg").write_text(config.replace('= "entity_ruler"', '= "no_such"'))
    result = fails("X604", model, data)
    assert "Available factories" not in result.output  # spaCy lists everything that it knows


def test_missing_second_pipeline(model, data, tmp_path):
    fails("X603", model, data, "--against", tmp_path / "missing")


def test_unreadable_data(model, data, tmp_path):
    fails("X601", model, tmp_path / "missing.spacy")
    fails("X007", model, tmp_path / "model")
    whole = data.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"Amina O\n"):
        data.write_bytes(content)
        fails("X006", model, data)


def test_bad_data_writes_no_output(model, data, tmp_path):
    output = tmp_path / "scores.json"
    output.write_text("older scores")
    fails("X502", model, data, "--labels", "PERSON", "--output", output)
    assert output.read_text() == "older scores"


def test_bad_options(model, data):
    fails("X606", model, data, "--labels", " , ")
    fails("X605", model, data, data)
    assert run(model, data, "--samples", 0).exit_code == 2


def test_no_gpu(model, data, monkeypatch):
    def refuse(gpu_id):
        raise ValueError("No GPU devices detected")

    monkeypatch.setattr("thinc.api.require_gpu", refuse)
    fails("X602", model, data, "--gpu-id", 0)


def test_gpu_is_left_alone_by_default(monkeypatch):
    asked = []
    monkeypatch.setattr("thinc.api.require_gpu", asked.append)
    util.setup_gpu(-1)
    assert asked == []
    util.setup_gpu(1)
    assert asked == [1]


def test_names_of_data_files(tmp_path):
    strange = tmp_path / "a=b-test.spacy"
    strange.touch()
    files = evaluate.parse_data(["./x/swa-test.spacy", "hausa=y/hau.spacy", str(strange)])
    assert [*files] == ["swa", "hausa", "a=b"]
    assert [path.name for path in files.values()] == [
        "swa-test.spacy",
        "hau.spacy",
        "a=b-test.spacy",
    ]
    with pytest.raises(XnerError, match="X605"):
        evaluate.parse_data(["swa-dev.spacy", "swa-test.spacy"])


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "x.json"
    util.write_json(path, {"a": "é"})
    assert json.loads(path.read_text(encoding="utf8")) == {"a": "é"}
    with pytest.raises(ValueError):
        util.write_json(path, {"a": float(np.nan)})
    assert json.loads(path.read_text(encoding="utf8")) == {"a": "é"}
    assert list(tmp_path.iterdir()) == [path]
