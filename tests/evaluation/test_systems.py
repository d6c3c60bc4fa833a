"""Scores of teachers, ensemble and students side by side."""

import json

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_xner.annotate import find_ensemble
from spacy_xner.evaluation.systems import evaluate_systems, markdown_table, systems_from_votes
from spacy_xner.pipeline.teacher_ensemble import TeacherEnsemble

LABELS = ["PER", "LOC"]
SENTENCES = [
    (["Amina", "visited", "Kisumu"], [(0, 1, "PER"), (2, 3, "LOC")]),
    (["Otieno", "stayed", "home"], [(0, 1, "PER")]),
]


def make_ruler(folder, patterns):
    """A pipeline that knows some names, saved to disk."""
    nlp = spacy.blank("xx")
    ruler = nlp.add_pipe("entity_ruler")
    # Every label must be known to each teacher, or it would be unknown instead of outside.
    nothing = [{"label": label, "pattern": f"no-{label}"} for label in LABELS]
    ruler.add_patterns([*nothing, *({"label": a, "pattern": b} for a, b in patterns)])
    nlp.to_disk(folder)
    return nlp


@pytest.fixture
def gold():
    vocab = spacy.blank("xx").vocab
    docs = []
    for words, entities in SENTENCES:
        doc = Doc(vocab, words=words)
        doc.set_ents([Span(doc, *entity) for entity in entities])
        docs.append(doc)
    return docs


@pytest.fixture
def annotator(tmp_path):
    """Two teachers: one knows the persons, one knows the person of one sentence and the place."""
    make_ruler(tmp_path / "a", [("PER", "Amina"), ("PER", "Otieno")])
    make_ruler(tmp_path / "b", [("PER", "Amina"), ("LOC", "Kisumu")])
    nlp = spacy.blank("xx")
    config = {
        "labels": LABELS,
        "threshold": 0.95,
        "teachers": {
            name: {
                "@misc": "spacy-xner.SpanTeacher.v1",
                "path": str(tmp_path / name),
                "tokens": "target",
            }
            for name in "ab"
        },
    }
    nlp.add_pipe("teacher_ensemble", config=config)
    assert isinstance(nlp.get_pipe("teacher_ensemble"), TeacherEnsemble)
    return nlp


def test_each_teacher_is_scored_on_its_own_votes(annotator, gold, tmp_path):
    student = make_ruler(
        tmp_path / "student", [("PER", "Amina"), ("PER", "Otieno"), ("LOC", "Kisumu")]
    )
    report = evaluate_systems(
        {"xx": annotator}, {"student": student}, {"xx": gold}, LABELS, samples=50
    )
    systems = report["systems"]
    assert list(systems) == ["a", "b", "ensemble", "student"]
    rows = {name: system["languages"]["xx"]["micro"] for name, system in systems.items()}
    assert rows["a"]["precision"] == rows["b"]["precision"] == 1.0
    assert rows["a"]["recall"] == rows["b"]["recall"] == pytest.approx(2 / 3)
    assert rows["student"]["f1"] == 1.0
    assert systems["student"]["macro"]["f1"] == 1.0


def test_student_is_compared_with_every_other_system(annotator, gold, tmp_path):
    student = make_ruler(
        tmp_path / "student", [("PER", "Amina"), ("PER", "Otieno"), ("LOC", "Kisumu")]
    )
    report = evaluate_systems(
        {"xx": annotator}, {"student": student}, {"xx": gold}, LABELS, samples=50
    )
    assert set(report["comparisons"]) == {"student - a", "student - b", "student - ensemble"}
    row = report["comparisons"]["student - a"]["macro"]
    assert row["difference"] == pytest.approx(1.0 - 0.8)


def test_a_teacher_left_out_of_a_language_is_compared_with_nobody(annotator, gold, tmp_path):
    student = make_ruler(tmp_path / "student", [("PER", "Amina")])
    other = spacy.util.load_model_from_config(annotator.config)
    del find_ensemble(other).teachers["a"]
    report = evaluate_systems(
        {"xx": annotator, "yy": other}, {"s": student}, {"xx": gold, "yy": gold}, LABELS, samples=9
    )
    assert set(report["comparisons"]) == {"s - b", "s - ensemble"}
    assert list(report["systems"]["a"]["languages"]) == ["xx"]


def test_ensemble_counts_entities_below_the_silver_threshold(annotator, gold):
    """The threshold hides entities from `doc.ents`, which is the training file's business."""
    words = [t.text for t in gold[0]]
    doc = annotator(Doc(annotator.vocab, words=words))
    assert not doc.ents
    systems = systems_from_votes([Example(doc, gold[0])])
    assert [ent.text for ent in systems["ensemble"][0].x.ents] == ["Amina"]
    group = systems["ensemble"][0].x.spans["xner"]
    assert len(group.attrs["scores"]) == len(group) == 1


def test_table_has_a_row_a_system_and_the_average():
    def system(a, b):
        rows = {"sw": {"micro": {"f1": a}}, "ha": {"micro": {"f1": b}}}
        return {"languages": rows, "macro": {"f1": (a + b) / 2}}

    table = markdown_table({"systems": {"en": system(0.5, 0.25), "student": system(1.0, 0.0)}})
    assert table.splitlines() == [
        "| system | sw | ha | average |",
        "| --- | ---: | ---: | ---: |",
        "| en | 50.0 | 25.0 | 37.5 |",
        "| student | 100.0 | 0.0 | 50.0 |",
    ]


def test_only_students_have_curves(annotator, gold, make_xner, tmp_path):
    silent = make_ruler(tmp_path / "silent", [("PER", "Amina")])
    pupil = make_xner()
    for label in LABELS:
        pupil.get_pipe("xner").add_label(label)
    pupil.initialize(lambda: [Example(pupil.make_doc(doc.text), doc) for doc in gold])
    report = evaluate_systems(
        {"xx": annotator}, {"pupil": pupil, "silent": silent}, {"xx": gold}, LABELS, samples=9
    )
    assert list(report["curves"]) == ["pupil", "silent"]
    assert report["curves"]["silent"] is None  # it has no scores
    curve = report["curves"]["pupil"]
    row = report["systems"]["pupil"]["languages"]["xx"]
    assert curve["macro"] == curve["languages"]["xx"]
    assert curve["macro"]["f1"][0] == round(row["micro"]["f1"], 4)
    assert json.loads(json.dumps(report)) == report


def test_table_of_calibration_errors():
    rows = {
        "teacher": {"sw": {"ece": 0.05}, "ha": {"ece": 0.15}},
        "student": {"sw": {"ece": 0.125}, "ha": {"ece": None}},
        "names": {"sw": {"ece": None}},
    }
    systems = {name: {"languages": found} for name, found in rows.items()}
    assert markdown_table({"systems": systems}, "ece").splitlines()[2:] == [
        "| teacher | 5.0 | 15.0 | 10.0 |",
        "| student | 12.5 |  | 12.5 |",
        "| names |  |  |  |",
    ]


def test_a_system_without_a_language_leaves_its_cell_empty():
    """A language's own teacher is no system for it."""
    rows = {
        "en": {"languages": {"de": {"micro": {"f1": 0.5}}}, "macro": {"f1": 0.5}},
        "both": {
            "languages": {x: {"micro": {"f1": 1.0}} for x in ("en", "de")},
            "macro": {"f1": 1.0},
        },
    }
    assert markdown_table({"systems": rows}).splitlines() == [
        "| system | de | en | average |",
        "| --- | ---: | ---: | ---: |",
        "| en | 50.0 |  | 50.0 |",
        "| both | 100.0 | 100.0 | 100.0 |",
    ]
