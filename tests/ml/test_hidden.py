"""The loss between token vectors: by hand, and its gradient against numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xner.ml.hidden import hidden_loss, normalise_rows


def test_by_hand():
    """(1, 3) is (-1, 1) normalised, and the third token has no vector to follow."""
    found, gradient = hidden_loss(
        np.array([[1.0, 3.0], [5.0, 1.0], [2.0, 7.0]]),
        np.array([[10.0, 20.0], [0.0, 8.0], [0.0, 0.0]]),
    )
    assert found == pytest.approx(0.5 * (0.0 + 4.0))
    assert gradient[2].tolist() == [0.0, 0.0]
    assert gradient.shape == (3, 2)


def test_it_is_twice_the_distance_of_the_correlation():
    random = np.random.default_rng(0)
    one, other = random.normal(size=(2, 1, 30))
    expected = 2 * (1 - np.corrcoef(one[0], other[0])[0, 1])
    assert hidden_loss(one, other)[0] == pytest.approx(expected)


@given(st.integers(1, 6), st.integers(5, 9), st.integers(0, 99))
def test_length_and_mean_of_a_vector_do_not_matter(tokens, width, seed):
    random = np.random.default_rng(seed)
    one, other = random.normal(size=(2, tokens, width))
    same = hidden_loss(3.0 * one + 5.0, 0.1 * other - 2.0)[0]
    assert same == pytest.approx(hidden_loss(one, other)[0], abs=1e-4)
    assert hidden_loss(one, one)[0] == pytest.approx(0.0)
    assert 0.0 <= hidden_loss(one, other)[0] <= 4.0


@given(st.integers(1, 5), st.integers(2, 8), st.integers(0, 99))
def test_the_gradient_against_numbers(tokens, width, seed):
    random = np.random.default_rng(seed)
    vectors, target = random.normal(size=(2, tokens, width))
    target[0] *= seed % 2  # sometimes a token without a vector
    _, gradient = hidden_loss(vectors, target)
    step = random.normal(size=vectors.shape) / np.sqrt(width)
    above, below = (hidden_loss(vectors + x * 1e-6 * step, target)[0] for x in (1, -1))
    assert (gradient * step).sum() == pytest.approx((above - below) / 2e-6, rel=1e-3, abs=1e-5)


def test_nothing_to_follow():
    loss, gradient = hidden_loss(np.ones((2, 3)), np.zeros((2, 3)))
    assert loss == 0.0 and not gradient.any()


def test_single_precision_stays_single():
    vectors = np.random.default_rng(0).normal(size=(4, 8)).astype("f")
    rows, backprop = normalise_rows(vectors)
    assert rows.dtype == backprop(rows).dtype == hidden_loss(vectors, vectors[::-1])[1].dtype
    assert rows.dtype == np.float32
    assert np.allclose(rows.mean(axis=1), 0, atol=1e-6) and np.allclose(rows.std(axis=1), 1)
