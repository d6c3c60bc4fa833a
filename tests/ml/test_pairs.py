"""The formulas of METHODS (Li et al. 2022) against numbers worked out by hand, and gradients."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from spacy_xner.ml.losses import softmax, squared_error
from spacy_xner.ml.pairs import (
    certainty,
    consistency,
    cosines,
    decidedness,
    mean_by_token,
    pair_loss,
    similarity,
    unit_rows,
)

KINDS = ["published", "rescaled"]
ENDS = np.array([-1.0, 0.0, 1.0])
# Rows of length 5, 10, 2: cosines 0.6 (0, 1), 0 (1, 2) and 0.8 (0, 2).
VECTORS = np.array([[3.0, 4.0], [10.0, 0.0], [0.0, 2.0]])
PAIRS = (np.array([0, 1, 0]), np.array([1, 2, 2]))
COSINES = np.array([0.6, 0.0, 0.8])


def test_cosines_by_hand():
    assert_allclose(cosines(unit_rows(VECTORS)[0], PAIRS), COSINES, atol=1e-12)


def test_similarity_by_hand():
    assert_allclose(similarity(ENDS, "published"), [0.26894, 0.5, 0.73106], atol=1e-5)
    assert_allclose(similarity(ENDS, "rescaled"), [0.005, 0.5, 0.995])


def test_certainty_by_hand():
    assert_allclose(certainty(np.array([[0.9, 0.1], [0.5, 0.5]])), [0.81, 0.25])
    assert certainty(np.zeros((0, 5))).shape == (0,)


def test_decidedness_by_hand():
    # (2 * 0.9 - 1)^2 + 0.5 = 1.14 is cut at 1; (2 * 0.6 - 1)^2 + 0.5 = 0.54.
    found = decidedness(np.array([0.5, 0.6, 0.9, 0.1, 0.73106]))
    assert_allclose(found, [0.5, 0.54, 1, 1, 0.71355], atol=1e-5)


def test_consistency_by_hand():
    tags, sim = np.array([1.0, 0.0]), np.array([0.4, 0.7])
    # sigmoid(1) = 0.73106, sigmoid(0) = 0.5
    assert_allclose(consistency(tags, sim, kind="published"), [0.66894, 0.8], atol=1e-5)
    assert_allclose(consistency(tags, sim, kind="rescaled"), [0.4, 0.3])


def test_published_weights_hardly_vary_and_rescaled_ones_do():
    """Why there are two kinds: the ranges over all cosines that evaluators can give."""
    cos = np.linspace(-1, 1, 201)
    spread = {kind: np.ptp(decidedness(similarity(cos, kind))) for kind in KINDS}
    assert spread == pytest.approx({"published": 0.21355, "rescaled": 0.5}, abs=1e-4)
    opposite = {kind: similarity(np.array([-1.0]), kind) for kind in KINDS}
    worst = {kind: consistency(np.ones(1), s, kind=kind)[0] for kind, s in opposite.items()}
    assert worst == pytest.approx({"published": 0.53788, "rescaled": 0.005}, abs=1e-4)


def test_loss_by_hand():
    target, weights = np.array([1.0, 0.0, 0.25]), np.array([1.0, 0.5, 2.0])
    s = [1 / (1 + math.exp(-c)) for c in COSINES]
    third = 0.25 * math.log(s[2]) + 0.75 * math.log(1 - s[2])
    expected = -(math.log(s[0]) + 0.5 * math.log(1 - s[1]) + 2 * third) / 3
    loss, gradient = pair_loss(VECTORS, PAIRS, target, weights, kind="published")
    assert loss == pytest.approx(expected)
    # By hand: row 1 = (10, 0), cosine gradients (s - t) w / 3 with rows 0 and 2, whose parts
    # across the row are (0, 0.8) and (0, 1), over its length.
    by_hand = ((s[0] - 1) * 0.8 + 0.5 * s[1] * 1.0) / 3 / 10
    assert_allclose(gradient[1], [0.0, by_hand], atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_is_that_of_the_loss(kind):
    random = np.random.default_rng(0)
    vectors = random.normal(size=(7, 4))
    pairs = (random.integers(0, 7, 20), random.integers(0, 7, 20))
    fixed = (pairs, random.random(20), random.random(20))
    _, gradient = pair_loss(vectors, *fixed, kind=kind)
    for index in np.ndindex(*vectors.shape):
        step = np.zeros_like(vectors)
        step[index] = 1e-6
        above, below = (pair_loss(vectors + x * step, *fixed, kind=kind)[0] for x in (1, -1))
        assert gradient[index] == pytest.approx((above - below) / 2e-6, abs=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_infinite(kind):
    """Equal, opposite and empty vectors, and targets that deny them."""
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]], dtype="f")
    pairs = (np.array([0, 0, 0, 3]), np.array([1, 2, 3, 3]))
    for target in (np.zeros(4), np.ones(4)):
        loss, gradient = pair_loss(vectors, pairs, target, np.ones(4), kind=kind)
        assert math.isfinite(loss) and np.isfinite(gradient).all()
        assert not gradient[3].any()
        assert gradient.dtype == vectors.dtype
    best = pair_loss(vectors, pairs, np.array([1, 0, 0.5, 0.5]), np.ones(4), kind=kind)[0]
    assert best < pair_loss(vectors, pairs, np.array([0, 1, 0.5, 0.5]), np.ones(4), kind=kind)[0]


def test_no_pairs():
    none = (np.zeros(0, int), np.zeros(0, int))
    loss, gradient = pair_loss(VECTORS, none, np.zeros(0), np.zeros(0), kind="published")
    assert loss == 0.0 and not gradient.any()
    assert_array_equal(mean_by_token(np.zeros(0), none, 3), np.ones(3))


def test_mean_by_token():
    values = np.array([0.2, 0.4, 0.9])
    # Token 0 is in the first and third pair, 1 in the first two, 3 in none.
    assert_allclose(mean_by_token(values, PAIRS, 4), [0.55, 0.3, 0.65, 0.5])


@given(
    hnp.arrays(np.float64, (5, 3), elements=st.floats(-3, 3)),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12),
    st.floats(0.01, 100),
    st.sampled_from(KINDS),
)
def test_length_and_order_do_not_matter(vectors, listed, factor, kind):
    pairs = tuple(np.array(listed).T)
    fixed = np.linspace(0, 1, len(listed)), np.linspace(1, 2, len(listed))
    loss, gradient = pair_loss(vectors, pairs, *fixed, kind=kind)
    tiny = 1e-9 * (1 + np.abs(gradient).max())
    scaled, smaller = pair_loss(factor * vectors, pairs, *fixed, kind=kind)
    if (np.linalg.norm(vectors, axis=1) > 1e-3).all():
        assert scaled == pytest.approx(loss)
        assert_allclose(factor * smaller, gradient, atol=1e3 * tiny)
        # A step along a vector changes no angle.
        assert_allclose((gradient * vectors).sum(axis=1), 0.0, atol=1e-9)
    swapped, same = pair_loss(vectors, pairs[::-1], *fixed, kind=kind)
    assert swapped == pytest.approx(loss)
    assert_allclose(same, gradient, atol=tiny)


def test_all_pairs_give_the_published_sum():
    """With every pair once, weights by token give 1/2 E[g a_1 L_1] + 1/2 E[g a_2 L_2] exactly."""
    random = np.random.default_rng(1)
    tokens, tags = 6, 5
    logits, probs = random.normal(size=(tokens, tags)), softmax(random.normal(size=(tokens, tags)))
    pairs = np.triu_indices(tokens, 1)
    gamma, alpha = random.random(len(pairs[0])), certainty(probs)
    squares = ((softmax(logits) - probs) ** 2).sum(axis=1)
    published = np.mean(
        [
            0.5 * g * (alpha[i] * squares[i] + alpha[j] * squares[j])
            for g, i, j in zip(gamma, *pairs, strict=True)
        ]
    )
    loss, _ = squared_error(logits, probs, alpha * mean_by_token(gamma, pairs, tokens))
    assert loss == pytest.approx(published)
