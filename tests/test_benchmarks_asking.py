"""benchmarks/asking.py runs and says what it claims to say; no speed is tested."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from handmade import xner_pipeline
from typer.testing import CliRunner

from spacy_xner.shards import write_docs

pytest.importorskip("torch")
FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location("benchmark_asking", FOLDER / "asking.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(FOLDER))


def test_teachers_are_measured(benchmark, gold_docs, tmp_path):
    write_docs(tmp_path / "text.spacy", gold_docs)
    xner_pipeline().to_disk(tmp_path / "teacher")
    named = [f"{name}={tmp_path / 'teacher'}" for name in ("a", "b")]
    arguments = ["compare", str(tmp_path / "text.spacy"), *named, "--rounds", "2", "--limit", "4"]
    output = tmp_path / "out.json"
    result = CliRunner().invoke(benchmark.app, [*arguments, "--output", str(output)])
    assert result.exit_code == 0, result.output
    found = json.loads(output.read_text("utf8"))
    assert set(found["teachers"]) == {"a", "b"}
    for row in found["teachers"].values():
        first, second = row["seconds"]
        assert row["thousand"] == pytest.approx(1000 * (first + second) / 2 / 4)
        assert row["peak_mb"] > 50.0
    assert set(found["provenance"]["data"]) == {"text", "a", "b"}


def test_bad_input(benchmark, tmp_path, gold_docs):
    result = CliRunner().invoke(benchmark.app, ["compare", str(tmp_path / "none"), "a=b"])
    assert (result.exit_code, "X601" in result.output) == (1, True)
    write_docs(tmp_path / "text.spacy", gold_docs)
    result = CliRunner().invoke(benchmark.app, ["compare", str(tmp_path / "text.spacy"), "a=b"])
    assert (result.exit_code, "X401" in result.output) == (1, True)
