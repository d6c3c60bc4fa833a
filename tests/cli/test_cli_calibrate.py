import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_xner.checksums import check_sums
from spacy_xner.cli import app
from spacy_xner.shards import write_docs
from spacy_xner.silver import has_silver

WORDS = ["Ana", "met", "Bob", "in", "Lagos"]
RIGHT, WRONG = ["B-PER", "O", "B-PER", "O", "B-LOC"], ["O", "O", "B-PER", "O", "B-PER"]


def gold(right, wrong):
    return [Doc(Vocab(), words=WORDS, ents=tags) for tags in [RIGHT] * right + [WRONG] * wrong]


@pytest.fixture
def model(world, tmp_path):
    return Path(shutil.copytree(world / "tagger", tmp_path / "model"))


@pytest.fixture
def dev(tmp_path):
    write_docs(tmp_path / "dev.spacy", gold(17, 5))
    return tmp_path / "dev.spacy"


def files(folder):
    """Contents of all files, and of each when it was written."""
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def temperature(folder):
    return spacy.load(folder).get_pipe("xner").temperature


def test_in_place_once(xner, model, dev):
    before = files(model)
    code, output = xner("calibrate", model, dev)
    assert code == 0, output
    after = files(model)
    assert {path.name for path in after if after[path] != before.get(path)} == {"config.cfg"}
    found = temperature(model)
    assert found > 1.5
    row = output.split("after ")[1].split()
    assert row[0] == f"{found:.3f}"
    first = output.split("before ")[1].split()
    assert (first[0], float(row[1]) < float(first[1])) == ("1.000", True)
    assert float(row[2]) < float(first[2])
    # Again, from logits: the same temperature, and not a byte is written.
    code, output = xner("calibrate", model, dev)
    assert (code, "Nothing to do" in output) == (0, True), output
    assert (
        output.split("before ")[1].split()[:3] == output.split("after ")[1].split()[:3] == row[:3]
    )
    assert files(model) == after


def test_another_development_set_takes_the_place_of_the_first(xner, model, dev):
    assert xner("calibrate", model, dev)[0] == 0
    first = temperature(model)
    write_docs(dev, gold(30, 1))
    assert xner("calibrate", model, dev)[0] == 0
    second = temperature(model)
    write_docs(dev, gold(17, 5))
    assert xner("calibrate", model, dev)[0] == 0
    assert second < first == pytest.approx(temperature(model), rel=1e-3)


def test_development_sets_are_taken_together(xner, model, dev, tmp_path):
    write_docs(tmp_path / "more.spacy", gold(30, 1))
    code, output = xner("calibrate", model, dev, tmp_path / "more.spacy")
    assert (code, "on 53 sentences" in output) == (0, True), output
    both = temperature(model)
    write_docs(dev, gold(17, 5) + gold(30, 1))
    assert xner("calibrate", model, dev)[0] == 0
    assert temperature(model) == pytest.approx(both, rel=1e-3)


def test_output(xner, model, dev, tmp_path):
    before = files(model)
    code, output = xner("calibrate", model, dev, "--output", tmp_path / "new" / "model")
    assert code == 0, output
    assert files(model) == before
    assert temperature(model) == 1.0 < temperature(tmp_path / "new" / "model")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["model"]
    written = files(tmp_path / "new")
    code, output = xner("calibrate", model, dev, "-o", tmp_path / "new" / "model")
    assert (code, "[X106]" in output) == (1, True), output
    assert files(tmp_path / "new") == written


def test_an_ensemble_hears_the_temperature(xner, model, dev, tmp_path):
    """Softer votes in the silver; an ensemble that was saved before notices the change."""
    options = ("ensemble.cfg", tmp_path / "ensemble", "-t", f"only={model}")
    assert xner("ensemble", *options)[0] == 0

    def score():
        doc = spacy.load(tmp_path / "ensemble")("Ana met Bob in Lagos")
        assert has_silver(doc)
        assert [ent.text for ent in doc.ents] == ["Ana", "Bob", "Lagos"]
        return doc.spans["silver"].attrs["scores"]

    sure = score()
    assert xner("calibrate", model, dev)[0] == 0
    code, output = xner("annotate", tmp_path / "ensemble", "raw.txt", tmp_path / "silver")
    assert (code, "[X406]" in output) == (1, True), output
    assert xner("ensemble", *options)[0] == 0
    assert all(soft < hard for soft, hard in zip(score(), sure, strict=True))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("none", "{dev}"), "[X603]"),
        (("{model}", "none.spacy"), "[X601]"),
        (("{model}", "raw.txt"), "[X006]"),
        (("names", "{dev}"), "[X506]"),
        (("{model}", "{silver}"), "[X507]"),
        (("{model}", "{few}"), "[X508]"),
        (("{model}", "{nobody}"), "[X508]"),
        (("{model}", "{perfect}"), "[X509]"),
        (("{model}", "{dev}", "--gpu-id", "97"), "[X602]"),
    ],
)
def test_what_is_refused_changes_nothing(
    arguments, expected, xner, model, dev, make_silver, tmp_path
):
    sets = {
        "silver": [make_silver(doc) for doc in gold(17, 5)],
        "few": gold(2, 1),
        "nobody": [Doc(Vocab(), words=["nobody", "came"], ents=["O", "O"])] * 60,
        "perfect": gold(25, 0),
    }
    for name, docs in sets.items():
        write_docs(tmp_path / f"{name}.spacy", docs)
    paths = {name: tmp_path / f"{name}.spacy" for name in sets}
    before = files(tmp_path)
    code, output = xner(
        "calibrate", *(str(a).format(model=model, dev=dev, **paths) for a in arguments)
    )
    assert (code, expected in output) == (1, True), output
    assert files(tmp_path) == before


def test_a_full_disk_leaves_the_pipeline_as_it_was(xner, model, dev, tmp_path, monkeypatch):
    before = files(tmp_path)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, output = xner("calibrate", model, dev)
    assert (code, "No space left" in output) == (1, True), output
    assert files(tmp_path) == before
    code, output = xner("calibrate", model, dev, "-o", tmp_path / "new")
    assert (code, "No space left" in output) == (1, True), output
    assert files(tmp_path) == before


# The project's step, with commands that run in this process


@pytest.fixture
def teachers(project, gold_docs, monkeypatch):
    """scripts/teachers.py on a tiny corpus: exit code, output and log."""
    path = Path(__file__).parents[2] / "scripts" / "teachers.py"
    spec = importlib.util.spec_from_file_location("script_teachers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = project / "config.cfg"
    text = config.read_text("utf8").replace("[paths]\n", "[paths]\nencoder = null\n\n[system]\n")
    config.write_text(text.replace("[system]\n", "[system]\nseed = 0\n"), encoding="utf8")
    write_docs(project / "aa-train.spacy", gold_docs)
    wrong = [Doc(Vocab(), words=[t.text for t in doc], ents=["O"] * len(doc)) for doc in gold_docs]
    write_docs(project / "aa-dev.spacy", [*gold_docs * 4, *wrong])

    def run(command, *, stdout, **settings):
        assert command[1:4] == ["-m", "spacy", "xner"]
        result = CliRunner().invoke(app, command[4:])
        stdout.write(result.output)
        return subprocess.CompletedProcess(command, result.exit_code)

    monkeypatch.setattr(module.subprocess, "run", run)
    monkeypatch.chdir(project)

    def call(*options):
        arguments = [".", "out", "--sources", "aa", "--config", "config.cfg", "--encoder", "none"]
        result = CliRunner().invoke(module.app, [*arguments, "--built", "none", *options])
        log = (project / "out" / "aa.log").read_text("utf8")
        return result.exit_code, result.output, log

    return call


def test_teachers_are_calibrated_after_training_and_once(teachers, project):
    model, stamp = project / "out/aa/model-last", project / "out/aa/train.json"
    code, output, log = teachers()
    assert (code, "Trained" in log, "emperature" in log) == (0, True, False), output + log
    assert temperature(model) == 1.0
    trained, key = files(model), json.loads(stamp.read_text())["key"]

    code, output, log = teachers("--calibrate", "true")
    assert (code, "Nothing to do" in log, "Set the temperature" in log) == (0, True, True), log
    calibrated = files(model)
    assert {p.name for p in trained if trained[p] != calibrated[p]} == {"config.cfg", "SHA256SUMS"}
    assert check_sums(model) == []
    assert temperature(model) > 1.0
    assert json.loads(stamp.read_text())["key"] == key

    assert teachers("--calibrate", "true")[0] == 0
    assert files(model) == calibrated

    assert teachers("--calibrate", "false")[0] == 0
    assert temperature(model) == 1.0
    assert {p: data for p, (data, _) in files(model).items()} == {
        p: data for p, (data, _) in trained.items()
    }


def test_a_teacher_that_cannot_be_calibrated_is_named(teachers, project, gold_docs):
    write_docs(project / "aa-dev.spacy", gold_docs)
    code, output, log = teachers("--calibrate", "true")
    assert (code, "[X508]" in log, "[X508]" in output, "'aa'" in output) == (1, True, True, True)
    assert temperature(project / "out/aa/model-last") == 1.0
