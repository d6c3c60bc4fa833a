"""The second task's formulas: values by hand, numerical gradients, properties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from spacy_xner.errors import XnerError
from spacy_xner.ml.pairs import (
    alpha_weights,
    beta_weights,
    check_kind,
    gamma_weights,
    mean_per_token,
    pair_cosines,
    pair_loss,
    similarity,
)

KINDS = ["published", "rescaled"]
PAIRS = np.array([[0, 1], [0, 2], [1, 2], [2, 3], [0, 1]])
cosine_arrays = arrays(np.float64, 6, elements=st.floats(-1, 1))


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_similarity_by_hand():
    cosines = np.array([-1.0, 0.0, 1.0])
    assert_allclose(similarity(cosines, "published"), [0.268941, 0.5, 0.731059], atol=1e-6)
    assert_allclose(similarity(cosines, "rescaled"), [0.01, 0.5, 0.99])


@given(cosine_arrays)
def test_similarity_rises_and_is_a_probability(cosines):
    for kind in KINDS:
        found = similarity(np.sort(cosines), kind)
        assert (np.diff(found) >= 0).all()
        assert (found > 0).all() and (found < 1).all()
        assert_allclose(similarity(-cosines, kind), 1 - similarity(cosines, kind))


def test_an_unknown_similarity_is_named():
    assert [check_kind(kind) for kind in KINDS] == KINDS
    with pytest.raises(XnerError, match="X308.*'?similarity.*cosine"):
        check_kind("cosine")


def test_cosines_by_hand():
    vectors = np.array([[3.0, 4.0], [4.0, 3.0], [0.0, 0.0], [-6.0, -8.0]])
    found, _ = pair_cosines(vectors, np.array([[0, 1], [0, 2], [0, 3]]))
    assert_allclose(found, [0.96, 0.0, -1.0])


def test_loss_by_hand():
    vectors = np.array([[1.0, 0.0], [0.0, 2.0], [5.0, 0.0]])
    pairs, target, weights = np.array([[0, 1], [0, 2]]), np.array([0.2, 1.0]), np.array([1.0, 0.5])
    loss, _ = pair_loss(vectors, pairs, target, weights, kind="published")
    right = -0.2 * math.log(0.5) - 0.8 * math.log(0.5), -math.log(sigmoid(1.0))
    assert loss == pytest.approx((right[0] + 0.5 * right[1]) / 2)
    loss, _ = pair_loss(vectors, pairs, target, weights, kind="rescaled")
    assert loss == pytest.approx((-math.log(0.5) - 0.5 * math.log(0.99)) / 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_the_numerical_one(kind, seed):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(5, 3))
    target, weights = random.random(len(PAIRS)), random.random(len(PAIRS))
    _, gradient = pair_loss(vectors, PAIRS, target, weights, kind=kind)
    numerical, step = np.zeros_like(vectors), 1e-6
    for place in np.ndindex(vectors.shape):
        for sign in (1, -1):
            moved = vectors.copy()
            moved[place] += sign * step
            loss, _ = pair_loss(moved, PAIRS, target, weights, kind=kind)
            numerical[place] += sign * loss / (2 * step)
    assert_allclose(gradient, numerical, atol=1e-7)
    assert not gradient[4].any()  # in no pair


@pytest.mark.parametrize("kind", KINDS)
def test_length_does_not_matter_and_gets_no_gradient(kind):
    vectors = np.random.default_rng(0).normal(size=(4, 3))
    target, weights = np.full(5, 0.3), np.ones(5)
    loss, gradient = pair_loss(vectors, PAIRS, target, weights, kind=kind)
    longer, other = pair_loss(7 * vectors, PAIRS, target, weights, kind=kind)
    assert longer == pytest.approx(loss)
    assert_allclose(other, gradient / 7)
    assert_allclose((gradient * vectors).sum(axis=1), 0, atol=1e-12)


def test_the_loss_stays_finite_where_vectors_are_alike_or_nothing():
    vectors = np.array([[1, 0], [1, 0], [-1, 0], [0, 0]], dtype=np.float32)
    for kind in KINDS:
        loss, gradient = pair_loss(vectors, PAIRS, np.zeros(5), np.ones(5), kind=kind)
        assert math.isfinite(loss) and np.isfinite(gradient).all()
        assert gradient.dtype == np.float32
        assert not gradient[3].any()


def test_no_pairs_teach_nothing():
    vectors = np.ones((3, 2), dtype=np.float32)
    none = np.zeros((0, 2), dtype=int)
    loss, gradient = pair_loss(vectors, none, np.zeros(0), np.zeros(0), kind="published")
    assert loss == 0.0 and gradient.shape == (3, 2) and not gradient.any()


def test_weights_by_hand():
    probs = np.array([[0.8, 0.2, 0.0], [0.0, 1.0, 0.0]])
    assert_allclose(alpha_weights(probs), [0.64, 1.0])
    assert_allclose(beta_weights(np.array([0.5, 0.6, 0.0, 0.9])), [0.5, 0.54, 1.0, 1.0])
    pair, sim = np.array([[0, 1]]), np.array([0.4])
    cosine = 0.2 / math.hypot(0.8, 0.2)
    found = gamma_weights(probs, pair, sim, kind="published")
    assert_allclose(found, [1 - abs(sigmoid(cosine) - 0.4)])
    found = gamma_weights(probs, pair, sim, kind="rescaled")
    assert_allclose(found, [1 - abs(0.01 + 0.49 * (1 + cosine) - 0.4)])


def test_the_published_similarity_hardly_moves_beta_and_the_rescaled_one_does():
    cosines = np.linspace(-1, 1, 101)
    published = beta_weights(similarity(cosines, "published"))
    rescaled = beta_weights(similarity(cosines, "rescaled"))
    assert np.ptp(published) == pytest.approx(0.2136, abs=1e-4)
    assert np.ptp(rescaled) == pytest.approx(0.5)


@given(arrays(np.float64, (4, 3), elements=st.floats(0.01, 1)), cosine_arrays)
def test_weights_stay_in_their_range(rows, cosines):
    probs = rows / rows.sum(axis=1, keepdims=True)
    for kind in KINDS:
        sim = similarity(cosines[: len(PAIRS)], kind)
        for weights in (
            alpha_weights(probs),
            beta_weights(sim),
            gamma_weights(probs, PAIRS, sim, kind=kind),
        ):
            assert (weights >= 0).all() and (weights <= 1).all()


def test_mean_per_token_by_hand():
    pairs = np.array([[0, 1], [0, 3]])
    assert_allclose(mean_per_token(np.array([0.2, 0.6]), pairs, 4), [0.4, 0.2, 1.0, 0.6])
    assert_allclose(mean_per_token(np.zeros(0), np.zeros((0, 2), dtype=int), 2), [1, 1])


def test_token_weights_are_the_published_loss_where_each_token_is_in_as_many_pairs():
    """1/2 E[g a_1 L_1] + 1/2 E[g a_2 L_2] = 1/N sum_n w_n L_n, w_n = a_n mean_{p with n} g_p."""
    random = np.random.default_rng(1)
    ring = np.array([[i, (i + 1) % 6] for i in range(6)])
    alpha, loss, gamma = random.random((3, 6))
    first, second = ring.T
    paper = (gamma * alpha[first] * loss[first]).mean() / 2
    paper += (gamma * alpha[second] * loss[second]).mean() / 2
    weights = alpha * mean_per_token(gamma, ring, 6)
    assert (weights * loss).mean() == pytest.approx(paper)
