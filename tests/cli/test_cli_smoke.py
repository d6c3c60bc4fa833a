"""`xner smoke`: what is recorded, what packaging keeps, and what is noticed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from handmade import xner_pipeline

from spacy_xner.checksums import check_sums, write_sums
from spacy_xner.smoke import RECORD, SENTENCES, answers, default_texts

TEXTS = '{"text": "Ana met Bob in Lagos"}\n{"tokens": ["Lagos", "is", "big"]}\n'


@pytest.fixture
def texts(tmp_path):
    """Texts of which the pipeline of `world` has learnt the entities."""
    path = tmp_path / "texts.jsonl"
    path.write_text(TEXTS)
    return path


@pytest.fixture
def model(world, xner, texts, tmp_path):
    """A model with checksums and a record."""
    folder = Path(shutil.copytree(world / "tagger", tmp_path / "model"))
    write_sums(folder)
    code, output = xner("smoke", folder, "--record", "--texts", texts)
    assert (code, "4 entities in 2 texts" in output) == (0, True), output
    return folder


def read(model):
    return json.loads((model / RECORD).read_text("utf8"))


def change(model, **entry):
    """Change what was recorded of the first text."""
    record = read(model)
    record["texts"][0].update(entry)
    (model / RECORD).write_text(json.dumps(record), encoding="utf8")  # which may hold NaN


def test_the_record_holds_entities_labels_and_scores(model):
    first, second = read(model)["texts"]
    assert (first["text"], first["entities"]) == (
        "Ana met Bob in Lagos",
        [[0, 3, "PER"], [8, 11, "PER"], [15, 20, "LOC"]],
    )
    assert [row[:3] for row in first["scored"]["xner"]] == first["entities"]
    assert all(0.5 < row[3] <= 1.0 for row in first["scored"]["xner"])
    assert second["tokens"] == ["Lagos", "is", "big"] and "tokens" not in first


def test_an_unchanged_model(model, xner):
    code, output = xner("smoke", model)
    assert (code, "loaded in" in output, "2 texts, 0 differ" in output) == (0, True, True), output


def test_the_record_belongs_to_the_model(model, xner, texts):
    """It is in the list of checksums, and recording again changes no byte."""
    assert check_sums(model) == []
    before = (model / RECORD).read_bytes()
    assert xner("smoke", model, "--record", "--texts", texts)[0] == 0
    assert (model / RECORD).read_bytes() == before
    change(model, entities=[])
    assert "has changed" in check_sums(model)[0]


@pytest.fixture
def packaged(model, tmp_path):
    """What `spacy package` puts into a wheel, on a path of its own."""
    arguments = [model, tmp_path, "--name", "mine", "--version", "1.0.0", "--build", "none"]
    command = [sys.executable, "-m", "spacy", "package", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)
    folder = tmp_path / "xx_mine-1.0.0"
    shutil.copy(folder / "meta.json", folder / "xx_mine")  # its setup.py does this
    (folder / "xx_mine-1.0.0.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: xx_mine\nVersion: 1.0.0\n"
    (folder / "xx_mine-1.0.0.dist-info/METADATA").write_text(metadata)
    return folder


def test_packaging_keeps_the_record(packaged, xner, monkeypatch):
    code, output = xner("smoke", packaged / "xx_mine/xx_mine-1.0.0")
    assert code == 0, output
    monkeypatch.syspath_prepend(packaged)  # as good as installed
    code, output = xner("smoke", "xx_mine")
    assert (code, "xx_mine: loaded in" in output) == (0, True), output
    code, output = xner("smoke", "xx_mine", "--record")
    assert (code, "[X601]" in output) == (1, True), output


def test_other_parameters_are_noticed(model, xner):
    xner_pipeline(seed=1, updates=1).to_disk(model)
    code, output = xner("smoke", model)
    assert (code, "[X610]" in output) == (1, True), output
    assert "Text 1: 'Ana met Bob in Lagos'" in output
    wanted = "Expected entities: 'Ana' PER, 'Bob' PER, 'Lagos' LOC; xner: 'Ana' PER "
    assert wanted in output, output


def test_scores_may_differ_by_the_tolerance(model, xner):
    rows = read(model)["texts"][0]["scored"]["xner"]
    for by, options, code in (
        (0.00008, (), 0),
        (0.0002, (), 1),
        (0.0002, ("--tolerance", 0.001), 0),
        (float("nan"), ("--tolerance", 1), 1),
    ):
        change(model, scored={"xner": [[*row[:3], row[3] - by] for row in rows]})
        found, output = xner("smoke", model, *options)
        assert (found, "[X610]" in output) == (code, bool(code)), (by, output)


@pytest.mark.parametrize(
    "entry",
    [
        {"entities": [[0, 3, "LOC"], [8, 11, "PER"], [15, 20, "LOC"]]},
        {"entities": [[0, 3, "PER"]]},
        {"scored": {}},
        {"scored": {"xner": []}},
        {"text": "Nobody"},
    ],
    ids=["label", "entity", "group", "span", "text"],
)
def test_each_difference_is_noticed(model, xner, entry):
    change(model, **entry)
    code, output = xner("smoke", model)
    assert (code, output.count("[X610]")) == (1, 1), output


def test_without_a_record(world, xner):
    code, output = xner("smoke", world / "tagger")
    assert (code, "[X608]" in output, "--record" in output) == (1, True, True), output


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": 2, "texts": []}',
        '{"version": 1, "texts": []}',
        '{"version": 1, "texts": [{"text": "a", "entities": []}]}',
        '{"version": 1, "texts": [{"text": "a", "entities": [["a"]], "scored": {}}]}',
        '{"version": 1, "texts": [{"text": 1, "entities": [[0, 1, "A"]], "scored": {}}]}',
    ],
)
def test_a_damaged_record(model, xner, text):
    (model / RECORD).write_text(text)
    code, output = xner("smoke", model)
    assert (code, "[X609]" in output) == (1, True), output


def test_our_sentences_and_a_pipeline_without_entities(xner, tmp_path):
    """Any pipeline can be recorded; where it finds nothing the user is told."""
    spacy.blank("xx").to_disk(tmp_path / "blank")
    code, output = xner("smoke", tmp_path / "blank", "--record")
    assert (code, "finds no entity" in output) == (0, True), output
    assert [entry["text"] for entry in read(tmp_path / "blank")["texts"]] == list(SENTENCES)
    assert xner("smoke", tmp_path / "blank")[0] == 0


def test_bad_options(model, xner, tmp_path):
    assert xner("smoke", model, "--texts", tmp_path / "texts.jsonl")[0] == 2
    (tmp_path / "empty.txt").write_text("\n")
    assert xner("smoke", model, "--record", "--texts", tmp_path / "empty.txt")[0] == 2
    code, output = xner("smoke", model, "--record", "--texts", tmp_path / "none.txt")
    assert (code, "[X601]" in output) == (1, True), output
    code, output = xner("smoke", "xx_no_such_package")
    assert (code, "[X603]" in output) == (1, True), output


def test_scores_that_do_not_fit_their_spans(world):
    nlp = spacy.load(world / "tagger")

    @spacy.Language.component("drop_scores")
    def drop(doc):
        doc.spans["xner"].attrs["scores"] = []
        return doc

    nlp.add_pipe("drop_scores")
    texts = [default_texts()[0]._replace(text="Ana met Bob in Lagos")]
    with pytest.raises(ValueError, match="X501"):
        answers(nlp, texts)
