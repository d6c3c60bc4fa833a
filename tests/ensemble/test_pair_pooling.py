import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from spacy_xner.ensemble.pair_pooling import pool_vectors
from spacy_xner.ml.pairs import similarity

NAMES = ("a", "b", "c")


def random_units(random, tokens, width):
    rows = random.normal(size=(tokens, width))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_pooled_cosines_by_hand():
    vectors = {"a": np.array([[1.0, 0.0], [0.6, 0.8]]), "b": np.array([[1.0], [-1.0]])}
    rows = pool_vectors(vectors, ("a", "b"), np.array([[0.75, 0.25], [0.75, 0.25]]))
    assert rows.shape == (2, 3)
    # 0.75 * 0.6 + 0.25 * -1
    assert rows[0] @ rows[1] == pytest.approx(0.2)
    # Other weights at the second token: sqrt(0.75 * 0.25) * 0.6 - sqrt(0.25 * 0.75)
    rows = pool_vectors(vectors, ("a", "b"), np.array([[0.75, 0.25], [0.25, 0.75]]))
    assert rows[0] @ rows[1] == pytest.approx(np.sqrt(0.1875) * (0.6 - 1.0))


def test_a_teacher_without_an_evaluator_is_left_out():
    random = np.random.default_rng(0)
    vectors = {name: random_units(random, 4, 3) for name in "ac"}
    weights = np.tile([0.2, 0.5, 0.3], (4, 1))
    rows = pool_vectors(vectors, NAMES, weights)
    expected = 0.4 * vectors["a"] @ vectors["a"].T + 0.6 * vectors["c"] @ vectors["c"].T
    assert_allclose(rows @ rows.T, expected, atol=1e-12)
    # Where only it is heard, the others are, alike.
    rows = pool_vectors(vectors, NAMES, np.tile([0.0, 1.0, 0.0], (4, 1)))
    expected = 0.5 * (vectors["a"] @ vectors["a"].T + vectors["c"] @ vectors["c"].T)
    assert_allclose(rows @ rows.T, expected, atol=1e-12)


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 5))
def test_pooled_vectors_stay_in_the_unit_ball(seed, teachers, width):
    random = np.random.default_rng(seed)
    names = tuple("abcd"[:teachers])
    vectors = {name: random_units(random, 6, width) for name in names}
    rows = pool_vectors(vectors, names, random.dirichlet(np.ones(teachers), size=6))
    assert_allclose(np.linalg.norm(rows, axis=1), 1.0)
    assert np.abs(rows @ rows.T).max() <= 1.0 + 1e-12


def test_the_sigmoid_of_the_pool_is_nearly_the_pool_of_sigmoids():
    """docs/methods.md gives the bound, 0.0093: any weights, any cosines, any number of teachers.

    The pool of sigmoids lies between the convex and the concave envelope of the curve on [-1, 1].
    The concave one is the line from the left end that touches the curve, and then the curve.
    """
    random = np.random.default_rng(0)
    cos = random.uniform(-1, 1, size=(20_000, 5))
    cos[:5000] = np.sign(cos[:5000])
    weights = random.dirichlet(np.ones(5), size=20_000)
    one = similarity((weights * cos).sum(axis=1), "published")
    other = (weights * similarity(cos, "published")).sum(axis=1)
    grid = np.linspace(-1, 1, 20_001)
    curve = similarity(grid, "published")
    slopes = (curve[1:] - curve[0]) / (grid[1:] + 1.0)
    touching = slopes.argmax()
    line = curve[0] + slopes[touching] * (grid + 1.0)
    bound = np.where(grid < grid[1 + touching], line - curve, 0.0).max()
    assert bound == pytest.approx(0.00925, abs=1e-5)
    assert 0.003 < np.abs(one - other).max() <= bound
    # The rescaled one is linear.
    one = similarity((weights * cos).sum(axis=1), "rescaled")
    assert_allclose(one, (weights * similarity(cos, "rescaled")).sum(axis=1))
