from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_cells import counts

from spacy_xner.errors import XnerError
from spacy_xner.evaluation.bootstrap import f1_from_counts, paired_bootstrap
from spacy_xner.study.statistics import bootstrap_difference, holm, mean_sd, sign_test, verdict

PROBABILITIES = st.lists(st.floats(0, 1), max_size=12)


def test_mean_and_deviation():
    assert mean_sd([]) == (None, None)
    assert mean_sd([0.5]) == (0.5, None)
    assert mean_sd([0.4, 0.6]) == pytest.approx((0.5, 0.1414213562))


def test_sign_test_by_hand():
    assert sign_test(0, 0) == 1.0
    assert sign_test(5, 0) == pytest.approx(2 / 2**5)
    assert sign_test(8, 1) == pytest.approx(2 * (1 + 9) / 2**9)
    assert sign_test(3, 3) == 1.0


@given(st.integers(0, 40), st.integers(0, 40))
def test_sign_test_is_symmetric_and_exact(wins, losses):
    p = sign_test(wins, losses)
    assert 0 < p <= 1
    assert p == sign_test(losses, wins)
    # All outcomes at least as far from the middle, each with its probability.
    n, distance = wins + losses, abs(wins - losses)
    tail = sum(comb(n, i) for i in range(n + 1) if abs(n - 2 * i) >= distance)
    assert p == pytest.approx(tail / 2**n)


def test_holm_by_hand():
    assert holm([]) == []
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]


@given(PROBABILITIES)
def test_holm_lies_between_no_correction_and_bonferroni(p_values):
    adjusted = holm(p_values)
    for raw, found in zip(p_values, adjusted, strict=True):
        assert raw <= found <= min(1.0, len(p_values) * raw) + 1e-12


@given(PROBABILITIES)
def test_holm_keeps_the_order(p_values):
    pairs = sorted(zip(p_values, holm(p_values), strict=True))
    assert [found for _, found in pairs] == sorted(found for _, found in pairs)


@given(PROBABILITIES, st.randoms())
def test_holm_does_not_depend_on_the_order(p_values, random):
    places = list(range(len(p_values)))
    random.shuffle(places)
    shuffled = holm([p_values[i] for i in places])
    assert shuffled == pytest.approx([holm(p_values)[i] for i in places])


def test_a_clear_difference_has_a_small_p_value_in_both_directions():
    good, bad = one_run(counts(0.8, 100)), one_run(counts(0.4, 100, seed=1))
    forth = bootstrap_difference([(good, bad)], samples=200)
    back = bootstrap_difference([(bad, good)], samples=200)
    assert forth["difference"] == pytest.approx(-back["difference"])
    assert forth["p_value"] == back["p_value"] == pytest.approx(2 / 201)
    assert verdict({**forth, "adjusted": forth["p_value"]}) == "better"
    assert verdict({**back, "adjusted": back["p_value"]}) == "worse"
    assert verdict({**forth, "adjusted": 0.05}) == "open"


def test_a_system_is_not_told_apart_from_itself():
    same = one_run(counts(0.5))
    found = bootstrap_difference([(same, same)], samples=50)
    assert (found["difference"], found["p_value"]) == (0.0, 1.0)
    assert verdict({**found, "adjusted": found["p_value"]}) == "open"


def test_other_gold_is_refused():
    with pytest.raises(XnerError, match="X504"):
        bootstrap_difference([(one_run(counts(0.5, 30)), one_run(counts(0.5, 31)))], samples=5)
    other = one_run(counts(0.5))
    other[..., 2] += 1
    with pytest.raises(XnerError, match="X504"):
        bootstrap_difference([(one_run(counts(0.5)), other)], samples=5)


def test_one_run_is_a_bootstrap_over_sentences():
    """The same interval as that of single comparisons, but for chance."""
    a, b = counts(0.7, 300), counts(0.6, 300, seed=1)
    found = bootstrap_difference([(one_run(a), one_run(b))], samples=4000)
    expected = paired_bootstrap(a, b, samples=4000)
    assert found["difference"] == pytest.approx(expected["difference"])
    assert found["by_run"] == pytest.approx([expected["difference"]])
    assert found["interval"] == pytest.approx(expected["interval"], abs=0.005)


def test_runs_that_disagree_widen_the_interval():
    """Three models that are equally good on average, and differ by chance of their training."""
    base = np.stack([one_run(counts(0.5, 400))[0]] * 3)
    calm, wild = base.copy(), base.copy()
    calm[..., :2] = base[..., :2] + (base[..., 2:] > base[..., :1])  # some more are found
    for run, found in enumerate((0, 0, 3)):
        wild[run, ..., :2] += np.minimum(found * (base[run, ..., 2:] - base[run, ..., :1]), 1)
    steady = bootstrap_difference([(calm, base)], samples=500)
    shaky = bootstrap_difference([(wild, base)], samples=500)
    assert min(steady["by_run"]) == max(steady["by_run"]) > 0
    assert steady["interval"][0] > 0
    assert shaky["by_run"][:2] == [0.0, 0.0] and shaky["by_run"][2] > 0
    assert shaky["interval"][0] < 0.0  # in some resamples the third run is not drawn
    assert shaky["difference"] == pytest.approx(np.mean(shaky["by_run"]))


def test_few_runs_vary_as_much_as_their_number_says():
    """Sentences that are all alike leave the runs: their mean has a variance of s^2 / n."""
    rng = np.random.default_rng(0)
    runs = np.tile(np.array([[4, 8, 8]]), (3, 1, 50, 1))
    runs[:, ..., 0] += np.array([0, 1, 3])[:, None, None]
    base = np.tile(np.array([[4, 8, 8]]), (3, 1, 50, 1))
    found = bootstrap_difference([(runs, base)], samples=4000)
    assert found["by_run"] == pytest.approx([0.0, 1 / 8, 3 / 8])
    drawn = rng.choice(found["by_run"], size=(100_000, 3)).mean(axis=1)
    mean = np.mean(found["by_run"])
    stretched = mean + (drawn - mean) * np.std(found["by_run"], ddof=1) / np.sqrt(3) / drawn.std()
    assert found["interval"] == pytest.approx(np.percentile(stretched, [2.5, 97.5]), abs=0.01)


def test_several_models_of_a_run_count_by_their_mean_f1():
    """Not by the F1 of their summed counts, where one that finds little weighs less."""
    good, poor, other = counts(0.9, 200), counts(0.1, 200), counts(0.5, 200)
    two = np.stack([good, poor])[np.newaxis]
    found = bootstrap_difference([(two, one_run(other))], samples=5)
    mean = (f1_from_counts(good) + f1_from_counts(poor)) / 2
    assert found["difference"] == pytest.approx(mean - f1_from_counts(other))


def one_run(table):
    """Counts of the only model of the only run."""
    return np.array(table)[np.newaxis, np.newaxis]


def test_nothing_to_compare():
    assert verdict(None) == "missing"
