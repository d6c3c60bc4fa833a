from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_cells import counts

from spacy_xner.errors import XnerError
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
    good, bad = counts(0.8, 100), counts(0.4, 100, seed=1)
    forth = bootstrap_difference([(good, bad)], samples=200)
    back = bootstrap_difference([(bad, good)], samples=200)
    assert forth["difference"] == pytest.approx(-back["difference"])
    assert forth["p_value"] == back["p_value"] == pytest.approx(2 / 201)
    assert verdict(forth) == "better"
    assert verdict(back) == "worse"


def test_a_system_is_not_told_apart_from_itself():
    same = counts(0.5)
    found = bootstrap_difference([(same, same)], samples=50)
    assert (found["difference"], found["p_value"]) == (0.0, 1.0)
    assert verdict(found) == "open"


def test_other_gold_is_refused():
    with pytest.raises(XnerError, match="X504"):
        bootstrap_difference([(counts(0.5, 30), counts(0.5, 31))], samples=5)


def test_nothing_to_compare():
    assert verdict(None) == "missing"
