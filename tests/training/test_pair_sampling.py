import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from spacy_xner.training.pairs import sample_pairs, tag_classes


def draw(classes, *, max_pairs=1000, seed=0):
    random = np.random.default_rng(seed)
    return sample_pairs(np.array(classes, dtype=np.int64), max_pairs=max_pairs, random=random)


def test_classes_are_the_best_tags_of_what_teaches():
    target = np.array([[0.6, 0.4], [0.1, 0.9], [0.9, 0.1]])
    assert tag_classes(target, np.array([1.0, 0.5, 0.0])).tolist() == [0, 1, -1]
    assert tag_classes(np.zeros((0, 2)), np.zeros(0)).shape == (0,)


@given(st.lists(st.integers(-1, 4), max_size=40), st.integers(0, 200), st.integers(0, 10))
def test_every_pair_is_of_two_known_tokens(classes, max_pairs, seed):
    first, second = draw(classes, max_pairs=max_pairs, seed=seed)
    known = [i for i, c in enumerate(classes) if c >= 0]
    assert len(first) == len(second) == min(max_pairs, len(known) * (len(known) - 1) // 2)
    assert set(first.tolist()) | set(second.tolist()) <= set(known)
    assert (first != second).all()
    counts = np.bincount(first, minlength=len(classes))[known] if known else np.zeros(1)
    assert counts.max() - counts.min() <= 1


@given(st.lists(st.integers(0, 3), min_size=2, max_size=60), st.integers(0, 10))
def test_half_of_the_pairs_are_alike_where_they_can_be(classes, seed):
    first, second = draw(classes, max_pairs=400, seed=seed)
    array = np.array(classes)
    alike = array[first] == array[second]
    sizes = np.bincount(array)[array[first]]
    if len(set(classes)) == 1:
        assert alike.all()
        return
    assert not alike[sizes == 1].any()
    # Each token in turn: alike and different differ by one at most.
    for token in set(first[sizes > 1].tolist()):
        found = alike[first == token]
        assert abs(2 * found.sum() - len(found)) <= 1


def test_negative_partners_come_from_all_other_tags_alike():
    """A rare tag is as often the partner as O: 1 of 2 other tags each."""
    classes = [0] * 960 + [1] * 20 + [2] * 20
    first, second = draw(classes, max_pairs=20_000)
    array = np.array(classes)
    of_ones = array[second][(array[first] == 1) & (array[second] != 1)]
    assert set(of_ones.tolist()) == {0, 2}
    assert 0.35 < (of_ones == 2).mean() < 0.65


def test_partners_of_the_same_tag_are_drawn_evenly():
    counts = np.zeros((20, 20))
    for seed in range(40):
        np.add.at(counts, draw([0] * 10 + [1] * 10, max_pairs=190, seed=seed), 1)
    same = counts[:10, :10][~np.eye(10, dtype=bool)]
    # 40 draws of 47 or 48 pairs among 90 ordered ones: 21 each; six deviations are 27.
    assert same.min() > 0 and same.max() < 21 + 27


def test_the_seed_decides():
    classes = [0, 1, 2, 0, 1] * 10
    for one, other in zip(draw(classes, seed=3), draw(classes, seed=3), strict=True):
        assert_array_equal(one, other)
    assert any((a != b).any() for a, b in zip(draw(classes), draw(classes, seed=1), strict=True))


@pytest.mark.parametrize("classes", [[], [-1, -1], [4], [-1, 2]])
def test_too_few_tokens(classes):
    first, second = draw(classes)
    assert len(first) == len(second) == 0


def test_memory_does_not_grow_with_the_square():
    classes = np.random.default_rng(0).integers(0, 7, 100_000)
    tracemalloc.start()
    sample_pairs(classes, max_pairs=2000, random=np.random.default_rng(0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000  # 100,000 squared bits would be 1.25 GB
