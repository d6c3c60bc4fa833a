import json
import sys
from pathlib import Path

import numpy as np
import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_xner.cli import app
from spacy_xner.errors import XnerError
from spacy_xner.shards import write_docs
from spacy_xner.silver import Silver, write_silver
from spacy_xner.weights_report import mean_weights, plot_shares, read_shares

FILE = {
    "version": 1,
    "targets": {
        "sw": {"weights": {"en": 3.0, "de": 1.0}},
        "ha": {"weights": {"en": 0.0, "de": 0.0}},
    },
}


def silver(length, **weights):
    doc = Doc(Vocab(), words=["x"] * length)
    rows = np.full((length, 3), 1 / 3)
    write_silver(doc, Silver(("PER",), rows, np.ones(length), 1.0, weights))
    return doc


@pytest.fixture
def file(tmp_path):
    (tmp_path / "weights.json").write_text(json.dumps(FILE))
    return tmp_path / "weights.json"


@pytest.fixture
def folder(tmp_path):
    for target, share in (("sw", 0.75), ("ha", 0.5)):
        (tmp_path / "silver" / target).mkdir(parents=True)
        docs = [silver(3, en=share, de=1 - share), silver(0, en=0.0, de=0.0)]
        write_docs(tmp_path / "silver" / target / "part-00000.spacy", docs)
    return tmp_path / "silver"


def test_tokens_count_not_documents():
    found = mean_weights([silver(1, en=1.0, de=0.0), silver(3, en=0.2, de=0.8)])
    assert found == pytest.approx({"en": 0.4, "de": 0.6})
    assert mean_weights([]) == {}


def test_a_file_of_weights_is_normalised(file):
    found = read_shares(file)
    assert found["sw"] == {"en": 0.75, "de": 0.25}
    assert found["ha"] == {"en": 0.0, "de": 0.0}


def test_silver_of_several_targets_and_of_one(folder):
    found = read_shares(folder)
    assert list(found) == ["ha", "sw"]
    assert found["sw"] == pytest.approx({"en": 0.75, "de": 0.25})
    assert read_shares(folder / "sw") == {"sw": found["sw"]}
    assert list(read_shares(folder / "sw" / "part-00000.spacy").values()) == [found["sw"]]


def test_gold_has_no_weights(tmp_path):
    write_docs(tmp_path / "gold.spacy", [Doc(Vocab(), words=["x"])])
    with pytest.raises(XnerError, match="X005"):
        read_shares(tmp_path / "gold.spacy")


@pytest.mark.parametrize("name", ["no.json", "no"])
def test_nothing_there(tmp_path, name):
    with pytest.raises(XnerError, match="X601"):
        read_shares(tmp_path / name)


def test_the_command(file, folder, tmp_path):
    pytest.importorskip("matplotlib")
    output, plot = tmp_path / "out" / "w.json", tmp_path / "pictures" / "w.png"
    arguments = ["weights", f"similar={file}", f"silver={folder}"]
    result = CliRunner().invoke(app, [*arguments, "-o", str(output), "--plot", str(plot)])
    assert result.exit_code == 0, result.output
    report = json.loads(output.read_text())
    methods = report["methods"]
    assert set(report["provenance"]["data"]) == {"similar", "silver"}
    assert list(methods) == ["similar", "silver"]
    assert methods["silver"]["sw"]["en"] == pytest.approx(0.75)
    assert "0.75" in result.output
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("argument", ["weights.json", "=x", "a="])
def test_arguments_have_names(argument):
    result = CliRunner().invoke(app, ["weights", argument])
    assert result.exit_code == 1
    assert "X420" in result.output


def test_rows_of_unlike_sources_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    methods = {"a": {"sw": {"en": 1.0}}, "b": {"ha": {"de": 0.5, "fr": 0.5}}}
    plot_shares(methods, tmp_path / "w.svg")
    assert "<svg" in (tmp_path / "w.svg").read_text()
    with pytest.raises(XnerError, match=r"X436.*w\.odd"):
        plot_shares(methods, Path(tmp_path / "w.odd"))


def test_without_matplotlib(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(XnerError, match=r"X435.*spacy-xner\[plot\]"):
        plot_shares({"a": {"sw": {"en": 1.0}}}, tmp_path / "w.png")
