import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xner.ensemble.confidence import make_confidence_weights
from spacy_xner.ensemble.guest_weights import make_guest_weights
from spacy_xner.ensemble.votes import Votes, choose
from spacy_xner.ensemble.weights import make_fixed_weights, make_uniform_weights
from spacy_xner.errors import XnerError

NAMES = ("en", "llm", "de", "sw")


def votes(names=NAMES, tokens=6, seed=0):
    random = np.random.default_rng(seed)
    probs = random.dirichlet(np.ones(3), size=(len(names), tokens))
    return Votes(tuple(names), ("PER",), probs, np.ones((len(names), 3), dtype=bool), (tokens,))


def test_hosts_keep_their_proportions():
    weigh = make_guest_weights(["llm"], make_fixed_weights({"en": 3, "de": 1, "sw": 0}), share=0.2)
    rows = weigh([], votes())
    assert rows == pytest.approx(np.tile([0.6, 0.2, 0.2, 0.0], (6, 1)))


def test_without_a_share_a_guest_is_as_loud_as_the_average():
    everyone = make_uniform_weights()([], votes())
    assert make_guest_weights(["llm"], make_uniform_weights())([], votes()) == pytest.approx(
        everyone
    )
    two = make_guest_weights(["llm", "sw"], make_fixed_weights({"en": 1, "de": 0}))([], votes())
    assert two == pytest.approx(np.tile([0.5, 0.25, 0.0, 0.25], (6, 1)))


@given(share=st.floats(0, 1), seed=st.integers(0, 99))
def test_rows_sum_to_one_and_hosts_do_not_hear_the_guest(share, seed):
    inner = make_confidence_weights()
    found = make_guest_weights(["llm"], inner, share=share)([], votes(seed=seed))
    assert found.sum(axis=1) == pytest.approx(np.ones(6))
    assert found[:, 1] == pytest.approx(np.full(6, share))
    alone = inner([], choose(votes(seed=seed), ("en", "de", "sw")))
    assert found[:, [0, 2, 3]] == pytest.approx((1 - share) * alone)


def test_share_zero_mutes():
    found = make_guest_weights(["llm"], make_uniform_weights(), share=0.0)([], votes())
    assert not found[:, 1].any()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range(share):
    with pytest.raises(XnerError, match="X308"):
        make_guest_weights(["llm"], make_uniform_weights(), share=share)


@pytest.mark.parametrize("guests", [[], ["llm", "llm"]])
def test_guests_are_named_once(guests):
    with pytest.raises(XnerError, match="X308"):
        make_guest_weights(guests, make_uniform_weights())


@pytest.mark.parametrize("guests", [["nobody"], list(NAMES)])
def test_wrong_guests(guests):
    with pytest.raises(XnerError, match="X403"):
        make_guest_weights(guests, make_uniform_weights())([], votes())
