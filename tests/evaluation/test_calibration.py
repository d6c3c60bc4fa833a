import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from spacy_xner.errors import XnerError
from spacy_xner.evaluation.calibration import (
    expected_calibration_error,
    reliability_bins,
    scored_spans,
)

NLP = spacy.blank("xx")
WORDS = ["a", "b", "c", "d"]


def make_example(gold_iob, predicted, scores, words=WORDS):
    """Gold IOB tags ("-" for missing) against predicted (start, end, label) with scores."""
    y = Doc(NLP.vocab, words=WORDS, ents=["" if t == "-" else t for t in gold_iob])
    x = Doc(NLP.vocab, words=words)
    spans = [Span(x, start, end, label) for start, end, label in predicted]
    x.spans["xner"] = SpanGroup(x, spans=spans, attrs={"scores": scores})
    return Example(x, y)


def test_error_by_hand():
    # Bins of (0.5, 0.6] with mean score 0.55 and accuracy 0.5; (0.9, 1] with 0.95 and 1.
    scores, correct = [0.52, 0.58, 0.94, 0.96], [True, False, True, True]
    assert expected_calibration_error(scores, correct) == pytest.approx(0.5 * 0.05 + 0.5 * 0.05)
    low, high = reliability_bins(scores, correct)
    assert (low.lower, low.upper, low.spans) == (0.5, 0.6, 2)
    assert low.confidence == pytest.approx(0.55)
    assert (low.accuracy, high.accuracy) == (0.5, 1.0)


def test_bin_edges_belong_to_the_lower_bin():
    rows = reliability_bins([0.0, 0.1, 0.11, 1.0], [0, 0, 0, 1])
    assert [(row.lower, row.spans) for row in rows] == [(0.0, 2), (0.1, 1), (0.9, 1)]


def test_no_span_no_error():
    assert expected_calibration_error([], []) is None
    assert reliability_bins([], []) == []


@given(st.integers(1, 20), st.integers(1, 10))
def test_perfect_calibration_is_zero(spans, bins):
    """In each of the bins, the score is exactly the share of correct spans."""
    scores, correct = [], []
    for b in range(1, bins + 1):
        hits = round(spans * b / bins)
        scores += [hits / spans] * spans
        correct += [True] * hits + [False] * (spans - hits)
    # The groups with equal scores are calibrated, so every union of them is.
    assert expected_calibration_error(scores, correct, bins=bins) == pytest.approx(0)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1), st.integers(1, 20))
def test_error_is_bounded(spans, bins):
    scores, correct = zip(*spans, strict=True)
    error = expected_calibration_error(scores, correct, bins=bins)
    assert 0 <= error <= 1 + 1e-9
    # One bin gives the gap of the means, and finer bins cannot hide it.
    assert error >= abs(np.mean(scores) - np.mean(correct)) - 1e-9
    assert sum(row.spans for row in reliability_bins(scores, correct, bins=bins)) == len(scores)


def test_worst_case_is_one():
    assert expected_calibration_error([1.0, 1.0], [False, False]) == 1.0


def test_correct_means_start_end_and_label():
    gold = ["B-PER", "I-PER", "O", "B-LOC"]
    predicted = [(0, 2, "PER"), (0, 1, "PER"), (3, 4, "ORG"), (3, 4, "LOC")]
    eg = make_example(gold, predicted, [0.9, 0.8, 0.7, 0.6])
    assert scored_spans([eg]) == ([0.9, 0.8, 0.7, 0.6], [True, False, False, True])
    assert scored_spans([eg], labels=["LOC"]) == ([0.6], [True])


def test_missing_gold_is_left_out():
    eg = make_example(["-", "B-PER", "O", "-"], [(0, 2, "PER"), (1, 2, "PER")], [0.9, 0.4])
    assert scored_spans([eg]) == ([0.4], [True])
    unannotated = make_example(["-"] * 4, [(1, 2, "PER")], [0.5])
    assert scored_spans([unannotated]) == ([], [])


def test_other_tokens_are_aligned():
    eg = make_example(["O", "B-PER", "I-PER", "O"], [(1, 2, "PER")], [0.5], ["a", "bc", "d"])
    assert scored_spans([eg]) == ([0.5], [True])


def test_docs_without_scores_are_left_out():
    eg = make_example(["O"] * 4, [(1, 2, "PER")], [0.5])
    del eg.x.spans["xner"].attrs["scores"]
    assert scored_spans([eg]) == ([], [])
    assert scored_spans([eg], spans_key="other") == ([], [])


def test_scores_must_match_the_spans():
    eg = make_example(["O"] * 4, [(1, 2, "PER")], [0.5, 0.6])
    with pytest.raises(XnerError, match="X501"):
        scored_spans([eg])
