import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spacy_xner.ensemble.pooling import (
    FLOOR,
    linear_pool,
    log_linear_pool,
    make_linear_pool,
    make_log_linear_pool,
)

POOLS = pytest.mark.parametrize("pool", [linear_pool, log_linear_pool])


def rows(*shape):
    """Arrays whose last axis sums to 1, with zeros in them."""
    positive = arrays(float, shape, elements=st.floats(0.0, 1.0).map(lambda x: round(x, 3)))
    shifted = positive.map(lambda a: a + (a.sum(axis=-1, keepdims=True) == 0))
    return shifted.map(lambda a: a / a.sum(axis=-1, keepdims=True))


@st.composite
def opinions(draw):
    n_teachers, n_tokens = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    return draw(rows(n_teachers, n_tokens, 5)), draw(rows(n_tokens, n_teachers))


def test_linear_pool_is_the_weighted_mean():
    probs = np.array([[[0.8, 0.2, 0.0]], [[0.2, 0.4, 0.4]]])
    assert np.allclose(linear_pool(probs, np.array([[0.75, 0.25]])), [[0.65, 0.25, 0.1]])


def test_weights_are_taken_token_by_token():
    probs = np.array([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])
    weights = np.array([[1.0, 0.0], [0.25, 0.75]])
    assert np.allclose(linear_pool(probs, weights), [[1.0, 0.0], [0.25, 0.75]])


def test_log_linear_pool_is_the_normalised_geometric_mean():
    probs = np.array([[[0.9, 0.1]], [[0.4, 0.6]]])
    found = log_linear_pool(probs, np.array([[0.5, 0.5]]))
    high, low = np.sqrt(0.9 * 0.4), np.sqrt(0.1 * 0.6)
    assert np.allclose(found, [[high / (high + low), low / (high + low)]])


def test_one_teacher_cannot_veto_a_class_for_ever():
    probs = np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 1.0]]])
    found = log_linear_pool(probs, np.full((1, 3), 1 / 3))
    assert np.isfinite(found).all()
    assert found[0, 1] == pytest.approx(1 / (1 + FLOOR ** (1 / 3)))


@POOLS
@given(opinions())
def test_rows_sum_to_one(pool, opinion):
    probs, weights = opinion
    found = pool(probs, weights)
    assert found.shape == probs.shape[1:]
    assert (found >= 0).all()
    assert np.allclose(found.sum(axis=1), 1.0)


@POOLS
@given(opinions(), st.randoms())
def test_order_of_teachers_does_not_matter(pool, opinion, random):
    probs, weights = opinion
    order = random.sample(range(len(probs)), len(probs))
    assert np.allclose(pool(probs[order], weights[:, order]), pool(probs, weights))


@POOLS
@given(rows(1, 3, 5))
def test_one_teacher_alone_is_repeated(pool, probs):
    assert np.allclose(pool(probs, np.ones((3, 1))), probs[0], atol=5 * FLOOR)


@POOLS
@given(rows(2, 3, 5))
def test_a_teacher_without_weight_is_not_heard(pool, probs):
    weights = np.tile([0.0, 1.0], (3, 1))
    assert np.allclose(pool(probs, weights), probs[1], atol=5 * FLOOR)


def test_registered_functions_give_the_pools():
    assert make_linear_pool() is linear_pool
    assert make_log_linear_pool() is log_linear_pool
