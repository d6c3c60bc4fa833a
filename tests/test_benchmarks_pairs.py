"""benchmarks/pairs.py runs and says what it claims to say; how fast anything is, is not tested."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from spacy.vocab import Vocab
from tiny_checkpoint import save_tiny_checkpoint
from typer.testing import CliRunner

from spacy_xner.shards import read_docs, write_docs
from spacy_xner.silver import read_silver

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def pairs():
    """The script as a module, with its neighbours on the path as when it is run."""
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location("benchmark_pairs", FOLDER / "pairs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(FOLDER))


def test_annotated_documents_have_what_the_student_needs(pairs, gold_docs):
    error = pairs.annotate(gold_docs, teachers=3, width=8, random=np.random.default_rng(0))
    assert 0.0 < error < 0.05
    for doc in gold_docs:
        silver = read_silver(doc)
        assert silver.similarity.shape == (len(doc), 24)
        assert np.linalg.norm(silver.similarity, axis=1) == pytest.approx(1.0, abs=0.05)
        assert (silver.distribution.argmax(axis=1) > 0).sum() == sum(len(e) for e in doc.ents)


def test_sizes(pairs, gold_docs):
    data = [doc.to_bytes() for doc in gold_docs]
    none, one, four = pairs.sizes(data, width=16, counts=(0, 1, 4), seed=0)
    assert (none["raw"], one["raw"], four["raw"]) == (0.0, 16.0, 64.0)
    assert none["more"] == 0.0 and 0.0 < one["more"] < four["more"]
    assert four["pairs"] == pytest.approx(four["more"] / 5)
    assert none["error"] == 0.0 < one["error"] < 0.05


def test_the_two_students_are_compared(pairs, gold_docs, tmp_path):
    pairs.annotate(gold_docs, teachers=2, width=4, random=np.random.default_rng(0))
    write_docs(tmp_path / "silver.spacy", gold_docs)
    encoder = save_tiny_checkpoint(tmp_path / "encoder")
    output = tmp_path / "out.json"
    arguments = ["training", "--train", tmp_path / "silver.spacy", "--encoder", encoder]
    arguments += ["--updates", 2, "--rounds", 3, "--output", output]
    result = CliRunner().invoke(pairs.app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    found = json.loads(output.read_text("utf8"))
    assert len(found["ratios"]) == len(found["seconds"]["plain"]) == 3
    expected = np.median(np.divide(found["seconds"]["pairs"], found["seconds"]["plain"]))
    assert found["ratio"] == pytest.approx(expected)
    assert set(found["peak_mb"]) == {"plain", "pairs"} and min(found["peak_mb"].values()) > 50
    assert found["provenance"]["data"]


def test_mistakes_are_named(pairs, gold_docs, tmp_path):
    write_docs(tmp_path / "gold.spacy", gold_docs)
    assert len(list(read_docs(tmp_path / "gold.spacy", Vocab()))) == 6
    encoder = save_tiny_checkpoint(tmp_path / "encoder")
    for train, message in ((tmp_path / "none.spacy", "X601"), (tmp_path / "gold.spacy", "X320")):
        arguments = ["training", "--train", train, "--encoder", encoder, "--updates", 1]
        result = CliRunner().invoke(pairs.app, list(map(str, arguments)))
        assert (result.exit_code, message in result.output) == (1, True), result.output


def test_a_process_that_fails_says_why(pairs, tmp_path):
    from spacy_xner.errors import XnerError

    options = ("--train", str(tmp_path / "none"), "--encoder", str(tmp_path))
    with pytest.raises(XnerError, match="X401.*'pairs'"):
        pairs.peak_apart("pairs", *options)
