import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_xner.errors import XnerError
from spacy_xner.evaluation.bootstrap import (
    f1_from_counts,
    paired_bootstrap,
    paired_bootstrap_macro,
    sentence_counts,
)

ROW = st.integers(0, 4).flatmap(
    lambda tp: st.tuples(st.just(tp), st.integers(tp, 6), st.integers(tp, 6))
)


def noisy(rng, sentences, recall):
    """Counts of a system that finds each of two gold entities with some probability."""
    found = rng.binomial(2, recall, size=sentences)
    return np.stack([found, found, np.full(sentences, 2)], axis=1)


def test_counts_by_hand():
    gold = [[(0, 1, "PER"), (2, 3, "LOC")], []]
    predicted = [[(0, 1, "PER"), (2, 4, "LOC"), (5, 6, "ORG")], [(0, 1, "PER")]]
    counts = sentence_counts(gold, predicted)
    assert counts.tolist() == [[1, 3, 2], [0, 1, 0]]
    assert f1_from_counts(counts) == pytest.approx(2 * 1 / (4 + 2))
    assert sentence_counts([], []).shape == (0, 3)
    assert f1_from_counts([[0, 0, 0]]) == 0.0


@settings(max_examples=25)
@given(st.lists(ROW, min_size=1, max_size=20), st.integers(0, 3))
def test_a_system_equals_itself(rows, seed):
    result = paired_bootstrap(rows, rows, samples=20, seed=seed)
    assert result["difference"] == 0
    assert result["interval"] == [0, 0]
    assert result["p_value"] == 1.0
    assert result["f1_a"] == result["f1_b"] == pytest.approx(f1_from_counts(rows))


def test_equal_seeds_give_equal_results():
    rng = np.random.default_rng(1)
    a, b = noisy(rng, 50, 0.6), noisy(rng, 50, 0.5)
    first = paired_bootstrap(a, b, samples=100, seed=3)
    assert first == paired_bootstrap(a, b, samples=100, seed=3)
    assert first["interval"] != paired_bootstrap(a, b, samples=100, seed=4)["interval"]


def test_swapping_the_systems_mirrors_the_result():
    rng = np.random.default_rng(2)
    a, b = noisy(rng, 80, 0.6), noisy(rng, 80, 0.55)
    forth, back = paired_bootstrap(a, b), paired_bootstrap(b, a)
    assert forth["difference"] == pytest.approx(-back["difference"])
    assert forth["interval"] == pytest.approx([-bound for bound in reversed(back["interval"])])
    # The resamples are the same ones; a difference of exactly 0 counts for neither.
    assert forth["p_value"] + back["p_value"] >= 1


def test_a_much_better_system_is_seen():
    rng = np.random.default_rng(0)
    result = paired_bootstrap(noisy(rng, 200, 0.9), noisy(rng, 200, 0.5), samples=200)
    low, high = result["interval"]
    assert 0 < low < result["difference"] < high
    assert result["p_value"] == 0.0
    assert result["samples"] == 200


def test_interval_is_as_wide_as_theory_says():
    """With one gold and one predicted entity a sentence, F1 is a mean of hits."""
    rng = np.random.default_rng(5)
    hits = rng.random((2, 400)) < 0.5
    a, b = (np.stack([h, np.ones(400), np.ones(400)], axis=1).astype(int) for h in hits)
    low, high = paired_bootstrap(a, b, samples=2000)["interval"]
    deviation = (a[:, 0] - b[:, 0]).std() / np.sqrt(400)
    assert high - low == pytest.approx(2 * 1.96 * deviation, rel=0.1)


def test_macro_is_the_mean_over_sets():
    rng = np.random.default_rng(7)
    pairs = [(noisy(rng, n, 0.7), noisy(rng, n, 0.5)) for n in (20, 200)]
    macro = paired_bootstrap_macro(pairs, samples=50)
    singles = [paired_bootstrap(a, b, samples=50) for a, b in pairs]
    assert macro["difference"] == pytest.approx(np.mean([s["difference"] for s in singles]))
    assert macro["f1_a"] == pytest.approx(np.mean([f1_from_counts(a) for a, _ in pairs]))
    assert paired_bootstrap_macro(pairs[:1], samples=50) == singles[0]


@pytest.mark.parametrize(
    "a, b",
    [
        ([], []),
        ([[1, 1, 1]], [[1, 1, 1], [1, 1, 1]]),
        ([[1, 1, 1]], [[1, 1, 2]]),
        ([[1, 1]], [[1, 1]]),
    ],
)
def test_counts_of_other_sentences_are_refused(a, b):
    with pytest.raises(XnerError, match="X504"):
        paired_bootstrap(a, b)
