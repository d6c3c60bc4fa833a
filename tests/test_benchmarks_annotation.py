"""The benchmark of annotation jobs, on a tiny ensemble."""

import importlib.util
import json
from pathlib import Path

import pytest
import spacy
from handmade import add_ensemble, save_ruler, span_teacher
from typer.testing import CliRunner

from spacy_xner.ensemble.build import save_ensemble

PATH = Path(__file__).parents[1] / "benchmarks" / "annotation.py"


@pytest.fixture
def run(tmp_path):
    spec = importlib.util.spec_from_file_location("annotation", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    nlp = spacy.blank("xx")
    teacher = span_teacher(save_ruler(tmp_path / "names", {"Amina": "PER", "Kisumu": "LOC"}))
    add_ensemble(nlp, {"names": teacher}, labels=["LOC", "PER"])
    save_ensemble(nlp, tmp_path / "ensemble")
    (tmp_path / "raw.txt").write_text("".join(module.sentences(60)))

    def call(command, *arguments):
        output = tmp_path / "out.json"
        given = [command, str(tmp_path / "ensemble"), *map(str, arguments), "--rounds", "2"]
        if command == "memory":
            given = given[:-2]
        result = CliRunner().invoke(module.app, given)
        assert result.exit_code == 0, result.output
        return json.loads(output.read_text())

    call.folder = tmp_path
    return call


def test_overhead(run):
    found = run("overhead", run.folder / "raw.txt", run.folder / "out.json", "--shard-size", 20)
    assert found["texts"] == 60
    assert [len(seconds) for seconds in found["seconds"].values()] == [2, 2]
    assert found["ratio"] > 0


def test_engines_and_memory(run):
    engines = ("--engine", "local:1", "--engine", "local:2", "--limit", 40, "--shard-size", 20)
    found = run("engines", run.folder / "raw.txt", run.folder / "out.json", *engines)
    assert list(found["runs"]) == ["local:1", "local:2"]
    assert all(row["rate"] > 0 and row["peak_mb"] > 10 for row in found["medians"].values())
    found = run("memory", run.folder / "out.json", "--texts", 30, "--texts", 60)
    assert list(found["texts"]) == ["30", "60"]
    assert all(row["seconds"] > 0 for row in found["texts"].values())
