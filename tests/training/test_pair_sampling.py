"""Pairs of a batch: balanced, seeded, capped, never of tokens that teach nothing."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from spacy_xner.training.pairs import sample_pairs


def draw(classes, limit, seed=0):
    return sample_pairs(np.array(classes, dtype=int), limit, np.random.default_rng(seed))


@given(st.lists(st.integers(-1, 4), max_size=40), st.integers(0, 100), st.integers(0, 5))
def test_what_always_holds(classes, limit, seed):
    classes = np.array(classes, dtype=int)
    pairs = draw(classes, limit, seed)
    assert pairs.shape == (len(pairs), 2) and len(pairs) <= limit
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len({tuple(pair) for pair in pairs.tolist()}) == len(pairs)
    assert (classes[pairs] >= 0).all()
    same = classes[pairs[:, 0]] == classes[pairs[:, 1]]
    assert same.sum() * 2 == len(pairs)
    assert same[: len(pairs) // 2].all()
    assert_array_equal(pairs, draw(classes, limit, seed))


@pytest.mark.parametrize("classes", [[], [0], [0, 0, 0], [0, 1, 2], [-1, -1], [0, 0, -1]])
def test_without_both_kinds_there_is_no_pair(classes):
    assert len(draw(classes, 10)) == 0


def test_all_pairs_of_a_small_batch_are_found():
    found = {tuple(pair) for seed in range(20) for pair in draw([0, 0, 1, 1], 100, seed).tolist()}
    assert found == {(0, 1), (2, 3), (0, 2), (0, 3), (1, 2), (1, 3)}


def test_all_tokens_are_heard():
    classes = [0] * 90 + [1] * 6 + [2] * 4
    assert set(draw(classes, 200).ravel().tolist()) == set(range(100))


def test_partners_are_drawn_evenly():
    classes = [0] * 30 + [1] * 10 + [2] * 10
    counts = np.zeros(50)
    for seed in range(400):
        pairs = draw(classes, 20, seed)
        counts += np.bincount(pairs[len(pairs) // 2 :].ravel(), minlength=50)
    for members in (counts[:30], counts[30:]):
        assert members.min() > 0.6 * members.mean()


def test_another_seed_gives_other_pairs():
    classes = [0] * 50 + [1] * 20
    assert draw(classes, 40, 1).tolist() != draw(classes, 40, 2).tolist()


def test_memory_does_not_grow_with_the_square():
    classes = np.arange(100_000) % 7
    tracemalloc.start()
    pairs = sample_pairs(classes, 1000, np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(pairs) == 1000
    assert peak < 20_000_000
