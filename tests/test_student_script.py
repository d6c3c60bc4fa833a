"""scripts/student.py: rounds and denoising, with a tiny student that is really trained."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import spacy
from handmade import shard
from spacy.tokens import Doc, SpanGroup
from spacy.vocab import Vocab
from tiny_checkpoint import save_tiny_checkpoint
from typer.testing import CliRunner

from spacy_xner.checksums import check_sums
from spacy_xner.evaluation.temperature import calibrate
from spacy_xner.shards import read_docs, write_docs
from spacy_xner.silver import read_silver
from spacy_xner.spans import blank_copy

SCRIPT = Path(__file__).parents[1] / "scripts/student.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("student_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def student(script, project, gold_docs, make_silver, monkeypatch):
    """Run the script in a folder with silver of two targets; four updates a student."""
    monkeypatch.chdir(project)
    monkeypatch.setattr("spacy_xner.training.run.MIN_STEPS", 4)
    text = Path("config.cfg").read_text("utf8")
    Path("config.cfg").write_text(f"{text}\n[system]\nseed = 0\n", encoding="utf8")
    for target in ("hau", "swa"):
        docs = [make_silver(doc, sure=sure) for doc, sure in zip(gold_docs, SURE, strict=True)]
        for doc in docs:
            for name in "ab":
                doc.spans[f"silver/{name}"] = SpanGroup(doc, name=name, spans=list(doc.ents))
        Path("silver/demo", target).mkdir(parents=True)
        write_docs(Path("silver/demo", target, "part-00000.spacy"), docs)
    for name in ("source", "test"):
        Path(name).mkdir()
    gold = Doc(Vocab(), words=["Kofi", "sings"], ents=["B-PER", "O"])
    write_docs(Path("source/en-dev.spacy"), [gold])
    save_tiny_checkpoint(Path("encoder"))
    fixed = ["silver/demo", "source", "training/student", "--sources", "en", "--targets", "hau swa"]
    fixed += ["--config", "config.cfg", "--encoder", "offline", "--built", "encoder"]
    fixed += ["--against", "test", "--epochs", "0"]

    def run(*options):
        result = CliRunner().invoke(script.app, [*fixed, *map(str, options)])
        assert isinstance(result.exception, SystemExit | None), result.exception
        return result.exit_code, " ".join(result.output.split())

    return run


SURE = (0.95, 0.9, 0.9, 0.9, 0.9, 0.4)


def made(folder):
    """What a student's meta data and its stamp say."""
    meta = json.loads((folder / "model-last/meta.json").read_text("utf8"))
    return meta["xner"], json.loads((folder / "train.json").read_text("utf8"))["settings"]


def times(*patterns):
    return {p: p.stat().st_mtime_ns for x in patterns for p in sorted(Path().glob(x))}


def test_by_default_nothing_but_a_student(student):
    code, output = student()
    assert code == 0, output
    assert [p.name for p in Path("training").iterdir()] == ["student"]
    assert [p.name for p in Path("silver").iterdir()] == ["demo"]
    meta, settings = made(Path("training/student"))
    assert meta["rounds"] == 1 and meta["sources"] == ["en"] and meta["targets"] == ["hau", "swa"]
    # What a config says of these settings is not overridden by what is off.
    assert {key for key in settings if key.startswith("corpora")} == {"corpora.train.folders"}


def test_settings_reach_the_reader(student):
    code, output = student(
        "--agreement", 0.5, "--min-confidence", 0.6, "--weight-by-confidence", "true"
    )
    assert code == 0, output
    meta, settings = made(Path("training/student"))
    assert settings["corpora.train.agreement"] == meta["agreement"] == 0.5
    assert settings["corpora.train.min_confidence"] == meta["min_confidence"] == 0.6
    assert settings["corpora.train.weight_by_confidence"] is True
    config = spacy.util.load_config("training/student/model-last/config.cfg")
    assert config["corpora"]["train"]["agreement"] == 0.5
    code, output = student("--agreement", -1)
    assert (code, "[X308]" in output) == (1, True), output
    code, output = student("--min-confidence", 0.99)
    assert (code, "[X306]" in output) == (1, True), output


def test_three_rounds(student):
    code, output = student("--rounds", 3, "--share", 0.25)
    assert code == 0, output
    assert output.count("Trained the student") == 3
    students = {p.name: p for p in Path("training").iterdir()}
    assert set(students) == {"student", "student-round1", "student-round2"}
    assert [made(students[name])[0]["rounds"] for name in sorted(students)] == [3, 1, 2]
    assert made(students["student"])[0]["share"] == 0.25
    # Each learns from the mixture of the ensemble's silver and the student before it.
    trained = {name: made(path)[1]["paths.train"] for name, path in students.items()}
    assert trained == {
        "student-round1": "silver/demo",
        "student-round2": "silver/demo-round2",
        "student": "silver/demo-round3",
    }
    for number in (2, 3):
        nlp = spacy.load(f"training/student-round{number - 1}/model-last")
        for target in ("hau", "swa"):
            first = list(read_docs(Path("silver/demo", target), Vocab()))
            mixed = list(read_docs(Path(f"silver/demo-round{number}", target), Vocab()))
            probs = nlp.get_pipe("xner").predict([blank_copy(doc, nlp.vocab) for doc in first])
            for one, other, rows in zip(first, mixed, probs, strict=True):
                expected = 0.75 * read_silver(one).distribution + 0.25 * rows
                assert read_silver(other).distribution == pytest.approx(expected, abs=0.006)


def test_rounds_are_resumed(student):
    files = ("silver/*/*/*.spacy", "training/*/model-last/xner/model")
    student("--rounds", 2)
    before = times(*files)
    code, output = student("--rounds", 2)
    assert (code, output.count("nothing to do")) == (0, 2), output
    assert times(*files) == before
    damaged = shard(Path("silver/demo-round2/swa"), 0)
    damaged.write_bytes(b"")
    Path("training/student/train.json").unlink()
    code, output = student("--rounds", 2)
    assert (code, output.count("nothing to do"), output.count("Trained")) == (0, 1, 1), output
    after = times(*files)
    kept = {p for p in before if before[p] == after[p]}
    changed = set(before) - kept
    assert {p.as_posix() for p in changed} == {
        damaged.as_posix(),
        "training/student/model-last/xner/model",
    }


def test_neighbours_weigh_each_round(student):
    code, output = student("--rounds", 2, "--neighbours", 3)
    assert code == 0, output
    assert {p.name for p in Path("silver").iterdir()} == {
        "demo",
        "demo-neighbours",
        "demo-round2",
        "demo-round2-neighbours",
    }
    for name in ("demo", "demo-round2"):
        plain, weighed = (
            np.concatenate([read_silver(d).token_weights for d in read_docs(Path(p), Vocab())])
            for p in (f"silver/{name}", f"silver/{name}-neighbours")
        )
        assert (plain == 1).all() and weighed.min() < 1 and weighed.max() == 1
    assert made(Path("training/student"))[1]["paths.train"] == "silver/demo-round2-neighbours"
    assert made(Path("training/student"))[0]["neighbours"] == 3


def test_a_target_with_labels_needs_a_student_of_its_own(student):
    code, output = student("--sources", "en hau")
    assert code == 1
    assert "[X224]" in output and "hau" in output
    assert not Path("training").exists()
    Path("source/hau-dev.spacy").write_bytes(Path("source/en-dev.spacy").read_bytes())
    assert student("--sources", "en hau", "--targets", "hau")[0] == 0


# Calibration


LAST = Path("training/student/model-last")


def temperature(folder=LAST):
    return spacy.load(folder).get_pipe("xner").temperature


def write_dev(gold_docs, *languages):
    """Development sets that are large enough, each with tags of its own that are wrong."""
    for number, language in enumerate(languages, start=2):
        wrong = [
            Doc(Vocab(), words=[t.text for t in doc], ents=["O"] * len(doc)) for doc in gold_docs
        ]
        write_docs(Path(f"source/{language}-dev.spacy"), [*gold_docs * number, *wrong])


def test_calibration_on_all_sources_together(student, gold_docs, monkeypatch):
    monkeypatch.setattr("spacy_xner.training.run.MIN_STEPS", 40)
    write_dev(gold_docs, "en", "de")
    options = ("--sources", "en de", "--rounds", 2)
    code, output = student(*options, "--calibrate", "true")
    assert (code, output.count("Temperature on")) == (0, 1), output
    found = temperature()
    assert "Temperature on 42 sentences" in output
    assert f"after {found:.3f}" in output
    # That of the student that is handed over: what the rounds before it teach is as it was.
    assert temperature(Path("training/student-round1/model-last")) == 1.0
    nlp = spacy.load(LAST)
    dev = [d for x in ("en", "de") for d in read_docs(Path(f"source/{x}-dev.spacy"), nlp.vocab)]
    assert found == pytest.approx(calibrate(nlp, dev)[1].temperature) != 1.0
    assert check_sums(LAST) == []
    weights = times("training/*/model-last/xner/model")

    # Without training again: taken back, and given back.
    assert student(*options)[0] == 0
    assert temperature() == 1.0
    code, output = student(*options, "--calibrate", "true")
    assert (code, output.count("nothing to do")) == (0, 2), output
    assert temperature() == pytest.approx(found, rel=1e-3)
    assert check_sums(LAST) == []
    assert times("training/*/model-last/xner/model") == weights


def test_no_label_of_the_target_calibrates(student, script, monkeypatch):
    asked = []
    monkeypatch.setattr(script, "calibrate_command", lambda model, dev: asked.append(dev))
    Path("source/hau-dev.spacy").write_bytes(Path("source/en-dev.spacy").read_bytes())
    options = ("--sources", "en hau", "--targets", "hau", "--calibrate", "true")
    for _ in ("trained", "there already"):
        assert student(*options)[0] == 0
    assert asked == [[Path("source/en-dev.spacy")]] * 2


def test_killed_before_it_is_calibrated_is_not_done(student, script, monkeypatch):
    def killed(model, dev):
        assert (model / "config.cfg").is_file()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(script, "calibrate_command", killed)
        assert student("--calibrate", "true")[0] != 0
    assert not LAST.exists() and not Path("training/student/train.json").exists()


def test_a_student_that_cannot_be_calibrated_is_kept(student):
    """Of two tokens no temperature can be told. The training is not lost, and not repeated."""
    code, output = student("--calibrate", "true")
    assert (code, "[X508]" in output, "Trained" in output) == (1, True, True), output
    assert temperature() == 1.0 and check_sums(LAST) == []
    code, output = student("--calibrate", "true")
    assert (code, "[X508]" in output, "nothing to do" in output) == (1, True, True), output


def test_only_an_xner_is_calibrated(student):
    config = str(SCRIPT.parents[1] / "configs/student_ner.cfg")
    code, output = student("--calibrate", "true", "--config", config)
    assert (code, "[X511]" in output) == (1, True), output
    assert not Path("training").exists()


def test_a_student_follows_the_one_before_it(student):
    """A teacher that has changed is noticed, and one that would be overwritten refused."""
    block = '\n[components.xner.hidden]\n@misc = "spacy-xner.HiddenStates.v1"\n'
    config = Path("config.cfg")
    config.write_text(config.read_text("utf8") + block, encoding="utf8")
    assert student()[0] == 0
    code, output = student("--hidden-from", "training/student/model-last")
    assert (code, "[X325]" in output) == (1, True), output
    Path("training/student").rename("training/bigger")
    follow = ("--hidden-from", "training/bigger/model-last")
    for expected in ("Trained the student", "nothing to do"):
        code, output = student(*follow)
        assert code == 0 and expected in output, output
    settings = made(Path("training/student"))[1]
    assert settings["components.xner.hidden.teacher"] == "training/bigger/model-last"
    meta = Path("training/bigger/model-last/meta.json")
    meta.write_text(meta.read_text("utf8") + "\n", encoding="utf8")
    assert "Trained the student" in student(*follow)[1]
