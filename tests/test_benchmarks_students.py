"""The benchmark that compares students over seeds."""

import importlib.util
import json
from pathlib import Path

import pytest
import spacy
from handmade import add_ensemble, span_teacher
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_xner.ensemble.build import save_ensemble
from spacy_xner.shards import write_docs
from spacy_xner.teachers.cached import FILE

ROOT = Path(__file__).parents[1]
NAMES = {"Amina": "PER", "Otieno": "PER", "Kisumu": "LOC"}


def ruler(folder, *names):
    nlp = spacy.blank("xx")
    patterns = [{"label": NAMES[name], "pattern": name} for name in names]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    nlp.to_disk(folder)
    return str(folder)


@pytest.fixture
def world(tmp_path):
    docs = []
    for words in (["Amina", "saw", "Kisumu"], ["Otieno", "slept"]):
        doc = Doc(Vocab(), words=words)
        doc.set_ents([Span(doc, i, i + 1, NAMES[w]) for i, w in enumerate(words) if w in NAMES])
        docs.append(doc)
    write_docs(tmp_path / "sw-test.spacy", docs)
    write_docs(tmp_path / "ha-test.spacy", docs[:1])
    return tmp_path


def run(world, *pipelines, baseline="uniform"):
    spec = importlib.util.spec_from_file_location("students", ROOT / "benchmarks" / "students.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    arguments = [str(world), str(world / "out.json"), *pipelines, "--baseline", baseline]
    arguments += ["--targets", "sw ha", "--cache", str(world / "cache")]
    arguments += ["--answers", str(world / "answers")]
    return CliRunner().invoke(script.app, arguments)


def test_means_deviations_and_the_bootstrap(world):
    one = ruler(world / "one", "Amina")
    two = ruler(world / "two", "Amina", "Kisumu")
    all_three = ruler(world / "three", *NAMES)
    pairs = [("uniform", one), ("uniform", two), ("ranked", all_three), ("ranked", all_three)]
    result = run(world, *(f"{name}={path}" for name, path in pairs))
    assert result.exit_code == 0, result.output
    report = json.loads((world / "out.json").read_text("utf8"))
    uniform, ranked = report["students"]["uniform"], report["students"]["ranked"]
    assert uniform["seeds"] == ranked["seeds"] == 2
    assert ranked["macro"] == {"f1": [1.0, 1.0], "mean": 1.0, "sd": 0.0}
    # One of three and one of two found, then two of three and both.
    assert uniform["languages"]["sw"]["f1"] == pytest.approx([0.5, 0.8])
    assert uniform["languages"]["ha"]["f1"] == pytest.approx([2 / 3, 1.0])
    assert uniform["macro"]["mean"] == pytest.approx((0.5 + 2 / 3 + 0.8 + 1.0) / 4)
    (found,) = report["comparisons"].values()
    # Counts are summed over the seeds before F1 is computed.
    assert found["languages"]["sw"]["f1_b"] == pytest.approx(2 * 3 / (3 + 6))
    assert found["macro"]["difference"] > 0
    assert len(report["provenance"]["models"]) == 4


def test_what_was_scored_is_not_scored_again(world, monkeypatch):
    path = ruler(world / "one", "Amina")
    assert run(world, f"uniform={path}").exit_code == 0
    before = json.loads((world / "out.json").read_text("utf8"))
    calls = []
    monkeypatch.setattr(
        "spacy_xner.evaluation.systems.predict", lambda *args: calls.append(args) or ([], 0.0)
    )
    assert run(world, f"uniform={path}").exit_code == 0
    assert not calls
    after = json.loads((world / "out.json").read_text("utf8"))
    assert after["students"] == before["students"]
    # Another pipeline in the same folder is another matter.
    ruler(world / "one", "Kisumu")
    assert run(world, f"uniform={path}").exit_code == 1
    assert calls


def test_an_ensemble_a_target_with_all_its_entities(world):
    """Its `doc.ents` would lack what half of the teachers say; its teachers are asked once."""
    one, two = ruler(world / "one", "Amina"), ruler(world / "two", "Kisumu")
    for target, teachers in {"sw": {"one": one, "two": two}, "ha": {"two": two}}.items():
        nlp = spacy.blank("xx")
        add_ensemble(
            nlp,
            {
                name: span_teacher(path, certainty=0.6, labels=["PER", "LOC"])
                for name, path in teachers.items()
            },
            threshold=0.9,
            labels=["PER", "LOC"],
        )
        save_ensemble(nlp, world / "ensemble" / target)
    result = run(world, f"both={world}/ensemble/{{target}}", baseline="both")
    assert result.exit_code == 0, result.output
    report = json.loads((world / "out.json").read_text("utf8"))
    assert report["students"]["both"]["languages"]["ha"]["f1"] == pytest.approx([2 / 3])
    assert list((world / "answers").iterdir())
    assert len(report["provenance"]["models"]["0 both"]) == 2
    # Another set of scores, and nobody is asked.
    for file in (world / "cache").iterdir():
        file.unlink()
    before = (world / "answers" / FILE).read_bytes()
    assert run(world, f"both={world}/ensemble/{{target}}", baseline="both").exit_code == 0
    assert (world / "answers" / FILE).read_bytes() == before


def test_one_seed_has_no_deviation(world):
    path = ruler(world / "one", "Amina")
    assert run(world, f"uniform={path}").exit_code == 0
    report = json.loads((world / "out.json").read_text("utf8"))
    assert report["students"]["uniform"]["macro"]["sd"] is None
    assert report["comparisons"] == {}


def test_the_baseline_is_one_of_them(world):
    result = run(world, f"uniform={ruler(world / 'one', 'Amina')}", baseline="best")
    assert result.exit_code == 1
    assert "X510" in result.output
    assert not (world / "out.json").exists()
