"""Precision and recall by threshold, from one run of a pipeline."""

import json

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example

from spacy_xner.evaluation.report import entity_sets, evaluate
from spacy_xner.evaluation.thresholds import (
    THRESHOLDS,
    Curve,
    curve_of,
    curve_report,
    curve_table,
    macro_curve,
    threshold_curve,
)
from spacy_xner.labels import iob2_tags

LABELS = ["LOC", "PER"]
NLP = spacy.blank("xx")
NLP.add_pipe("xner")
for label in LABELS:
    NLP.get_pipe("xner").add_label(label)
SPANS = st.lists(st.tuples(st.floats(0, 1), st.booleans()))


def test_by_hand():
    curve = threshold_curve(
        [0.9, 0.3, 0.6, 0.6], [True, False, True, False], 4, [0.0, 0.6, 0.61, 1]
    )
    assert curve.entities.tolist() == [4, 3, 1, 0]
    assert curve.precision == pytest.approx([2 / 4, 2 / 3, 1 / 1, 0])
    assert curve.recall == pytest.approx([2 / 4, 2 / 4, 1 / 4, 0])
    assert curve.f1 == pytest.approx([4 / 8, 4 / 7, 2 / 5, 0])


def test_the_grid_holds_the_numbers_that_one_would_write():
    assert THRESHOLDS[0] == 0.0 and THRESHOLDS[3] == 0.15 and THRESHOLDS[-1] == 0.95
    assert len(THRESHOLDS) == 20


def test_nothing_found_and_nothing_to_find():
    for curve in (threshold_curve([], [], 3), threshold_curve([], [], 0)):
        assert all(row.tolist() == [0] * 20 for row in curve)


@given(SPANS, st.integers(0, 5), st.lists(st.floats(0, 1), max_size=5))
def test_exact_counts(spans, missed, thresholds):
    scores, correct = [s for s, _ in spans], [c for _, c in spans]
    gold = sum(correct) + missed
    curve = threshold_curve(scores, correct, gold, thresholds)
    for number, threshold in enumerate(thresholds):
        kept = [c for s, c in spans if s >= threshold]
        assert curve.entities[number] == len(kept)
        assert curve.precision[number] == (sum(kept) / len(kept) if kept else 0)
        assert curve.recall[number] == (sum(kept) / gold if gold else 0)
        assert curve.f1[number] == (2 * sum(kept) / (len(kept) + gold) if kept or gold else 0)


@given(SPANS, st.integers(0, 5))
def test_a_higher_threshold_finds_no_more(spans, missed):
    scores, correct = [s for s, _ in spans], [c for _, c in spans]
    curve = threshold_curve(scores, correct, sum(correct) + missed)
    assert (np.diff(curve.recall) <= 0).all() and (np.diff(curve.entities) <= 0).all()
    assert curve.entities[0] == len(spans)
    for ratio in (curve.precision, curve.recall, curve.f1):
        assert ((ratio >= 0) & (ratio <= 1)).all()


@st.composite
def corpora(draw):
    """Distributions for some documents, and gold tags of which some are missing."""
    docs = []
    for length in draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)):
        row = st.lists(st.floats(0.01, 1.0), min_size=5, max_size=5)
        rows = np.array(draw(st.lists(row, min_size=length, max_size=length)))
        tags = st.sampled_from([*iob2_tags(["LOC", "PER"]), ""])
        gold = draw(st.lists(tags, min_size=length, max_size=length))
        docs.append((rows / rows.sum(axis=1, keepdims=True), gold))
    return docs


def gold_doc(tags):
    """An I- that nothing opens is a B-."""
    fixed = []
    for before, tag in zip(["O", *tags], tags, strict=False):
        opens = tag.startswith("I-") and before[2:] != tag[2:]
        fixed.append(f"B-{tag[2:]}" if opens else tag)
    return Doc(NLP.vocab, words=["a"] * len(tags), ents=fixed)


@given(corpora(), st.sampled_from(range(20)), st.sampled_from([["PER"], ["LOC", "PER"]]))
def test_as_if_the_component_ran_with_each_threshold(corpus, number, labels):
    pipe = NLP.get_pipe("xner")

    def run(threshold):
        pipe.threshold = threshold
        docs = [Doc(NLP.vocab, words=["a"] * len(tags)) for _, tags in corpus]
        pipe.set_annotations(docs, [rows for rows, _ in corpus])
        return [Example(x, gold_doc(tags)) for x, (_, tags) in zip(docs, corpus, strict=True)]

    curve, again = curve_of(run(0.0), labels), run(THRESHOLDS[number])
    gold, predicted = entity_sets(again, labels)
    hits = sum(len(g & p) for g, p in zip(gold, predicted, strict=True))
    n_gold, n_predicted = sum(map(len, gold)), sum(map(len, predicted))
    assert curve.entities[number] == n_predicted
    assert curve.precision[number] == (hits / n_predicted if n_predicted else 0)
    assert curve.recall[number] == (hits / n_gold if n_gold else 0)
    # Flat up to a threshold that the pipeline has of its own, and the same from there.
    other = curve_of(again, labels)
    for row, own in zip(curve, other, strict=True):
        assert (own[: number + 1] == row[number]).all()
        assert (own[number:] == row[number:]).all()


def test_the_macro_average():
    ones, halves = np.ones(2), np.full(2, 0.5)
    curve = macro_curve(
        [Curve(np.array([4, 2]), ones, ones, ones)]
        + [Curve(np.array([1, 0]), halves, halves, halves)]
    )
    assert curve.entities.tolist() == [5, 2]
    assert curve.precision.tolist() == curve.recall.tolist() == curve.f1.tolist() == [0.75, 0.75]


def test_report_of_a_pipeline(make_pipeline, gold):
    """Every score of this pipeline is 0.75; its third entity is wrong, its fourth a date."""
    nlp = make_pipeline({"Amina": "PER", "Dar": "LOC", "Juma": "PER", "today": "DATE"})
    report = evaluate(nlp, {"swa": gold, "hau": gold[:1]}, ["PER", "LOC", "ORG"])
    curve = report["curve"]
    assert curve["thresholds"] == list(THRESHOLDS)
    row = curve["languages"]["swa"]
    assert row["entities"] == [3] * 16 + [0] * 4
    assert row["precision"] == [0.6667] * 16 + [0] * 4
    for key in ("precision", "recall", "f1"):
        micro = report["languages"]["swa"]["micro"][key]
        assert row[key][0] == round(micro, 4)
        assert curve["macro"][key][0] == round(report["macro"][key], 4)
    assert curve["macro"]["entities"][0] == 5
    assert json.loads(json.dumps(curve)) == curve
    lines = curve_table(curve).splitlines()
    assert lines[0] == "| threshold | P | R | F1 | entities |"
    assert [line.split("|")[1].strip() for line in lines[2:]] == [f"0.{i}" for i in range(10)]
    assert lines[2] == "| 0.0 | 83.3 | 75.0 | 78.6 | 5 |"
    assert lines[-1] == "| 0.9 | 0.0 | 0.0 | 0.0 | 0 |"


def test_a_language_in_which_nothing_is_found_counts(make_pipeline, gold):
    curve = evaluate(make_pipeline({"x": "PER"}), {"swa": gold}, ["PER"])["curve"]
    assert curve["macro"]["recall"] == curve["macro"]["entities"] == [0] * 20


def test_without_scores_there_is_no_curve(make_pipeline, gold):
    nlp = make_pipeline({"Amina": "PER"}, scores=False)
    assert evaluate(nlp, {"swa": gold}, ["PER"])["curve"] is None
    assert curve_report({}) is None
