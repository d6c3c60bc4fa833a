import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xner.ensemble import nn_rank as module
from spacy_xner.ensemble.nn_rank import nearest, rank, sample_tokens, select, shares, tally
from spacy_xner.errors import XnerError

# Unit vectors at some angles in degrees; the cosine falls with the angle between two.
NORTH, SOUTH = [0, 10, 20], [90, 100, 110]


def at(*angles, length=1.0):
    radians = np.deg2rad(angles)
    return (length * np.stack([np.cos(radians), np.sin(radians)], axis=1)).astype(np.float32)


def random_rows(count, width, seed):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def cosines(queries, pool):
    queries, pool = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (queries, pool))
    return queries @ pool.T


# The search


def test_neighbours_by_hand():
    pool = at(*NORTH, *SOUTH)
    assert nearest(at(12, 99), pool, 2).tolist() == [[1, 2], [4, 3]]
    assert nearest(at(52), pool, 6).tolist() == [[2, 3, 1, 4, 0, 5]]


def test_the_length_of_a_vector_says_nothing():
    pool = np.concatenate([at(0, length=0.01), at(40, length=100.0)])
    assert nearest(at(5, 44, length=7.0), pool, 1).tolist() == [[0], [1]]


@given(
    st.integers(0, 9), st.integers(1, 23), st.integers(1, 30), st.integers(1, 5), st.integers(1, 9)
)
def test_blocks_find_what_a_full_sort_finds(queries, size, k, rows, columns):
    asked, pool = random_rows(queries, 5, 0), random_rows(size, 5, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS", rows)
        patch.setattr(module, "COLUMNS", columns)
        found = nearest(asked, pool, k)
    assert found.shape == (queries, min(k, size))
    assert (found == np.argsort(-cosines(asked, pool), axis=1)[:, :k]).all()


def test_memory_is_bounded(monkeypatch):
    """No array holds more pairs than a block."""
    sizes = []
    best = module._best
    monkeypatch.setattr(
        module, "_best", lambda values, k: sizes.append(values.shape) or best(values, k)
    )
    monkeypatch.setattr(module, "ROWS", 7)
    monkeypatch.setattr(module, "COLUMNS", 11)
    nearest(random_rows(50, 3, 0), random_rows(60, 3, 1), 4)
    assert max(rows for rows, _ in sizes) == 7
    assert max(columns for _, columns in sizes) == 11


def test_zero_vectors_are_no_error():
    found = nearest(np.zeros((1, 2), np.float32), at(*NORTH), 3)
    assert sorted(found[0]) == [0, 1, 2]
    # A zero vector in the pool has the cosine 0: nearer than what points away.
    assert nearest(at(0), np.concatenate([at(180), np.zeros((1, 2), np.float32)]), 1) == 1


# Tallies


def test_tally_by_hand():
    pools = {"north": at(*NORTH), "south": at(*SOUTH)}
    # Of 12: 10 and 20, then 0. Of 70: 90, then 100, then 110 (20, 30, 40 away; 20 is 50 away).
    assert tally(at(12, 70), pools, k=2) == {"north": 2, "south": 2}
    assert tally(at(12, 70), pools, k=3) == {"north": 3, "south": 3}
    assert tally(at(12, 14, 50), pools, k=1) == {"north": 3, "south": 0}
    assert tally(at(12), pools, k=4) == {"north": 3, "south": 1}


def test_a_source_with_more_text_has_no_more_votes():
    plenty = np.concatenate([at(*NORTH), at(*[80] * 50)])
    assert tally(at(80), {"north": plenty, "south": at(*SOUTH)}, k=3) == {"north": 0, "south": 3}


@given(st.integers(1, 8), st.integers(1, 5), st.integers(1, 4), st.integers(1, 9))
def test_each_token_has_k_votes_and_order_is_no_advantage(tokens, sources, size, k):
    target = random_rows(tokens, 6, 0)
    pools = {f"s{i}": random_rows(size, 6, i + 1) for i in range(sources)}
    found = tally(target, pools, k=k)
    assert list(found) == list(pools)
    assert sum(found.values()) == tokens * min(k, sources * size)
    backwards = dict(reversed(pools.items()))
    assert tally(target, backwards, k=k) == dict(reversed(found.items()))


def test_a_text_without_tokens():
    empty = np.zeros((0, 2), np.float32)
    with pytest.raises(XnerError, match=r"X427.*'south'"):
        tally(at(1), {"north": at(1), "south": empty})
    with pytest.raises(XnerError, match=r"X427.*target"):
        tally(empty, {"north": at(1)})


# Samples


def letters(texts):
    """A vector for each letter of a text."""
    return [np.array([[ord(c), 0] for c in text], np.float32).reshape(-1, 2) for text in texts]


def test_samples_are_whole_shuffled_sentences_but_the_last():
    texts = [chr(ord("a") + i) * 3 for i in range(9)]
    found = [chr(int(row[0])) for row in sample_tokens(letters, texts, 8, seed=1)]
    assert len(found) == 8
    runs = ["".join(found[i : i + 3]) for i in (0, 3, 6)]
    assert [len(set(run)) for run in runs] == [1, 1, 1]
    assert len({run[0] for run in runs}) == 3
    assert found != sorted(found)


def test_samples_follow_the_seed_and_stop_early(monkeypatch):
    texts = [chr(ord("a") + i) * 2 for i in range(20)]
    monkeypatch.setattr(module, "CHUNK", 3)
    asked = []

    def counting(found):
        asked.append(len(found))
        return letters(found)

    first = sample_tokens(counting, texts, 10, seed=4)
    assert asked == [3, 3]
    assert (first == sample_tokens(letters, texts, 10, seed=4)).all()
    assert (first != sample_tokens(letters, texts, 10, seed=5)).any()
    assert len(sample_tokens(letters, texts, 999, seed=4)) == 40
    # A longer sample begins with the shorter one.
    assert (sample_tokens(letters, texts, 30, seed=4)[:10] == first).all()


# Ranks and weights


def test_ranks_and_shares():
    assert rank({"a": 1, "b": 5, "c": 1, "d": 2}) == ["b", "d", "a", "c"]
    assert shares({"a": 1, "b": 3, "c": 0}) == {"a": 0.25, "b": 0.75, "c": 0.0}


@pytest.mark.parametrize(
    ("top", "equal", "expected"),
    [
        (None, False, [0.2, 0.6, 0.2, 0.0]),
        (None, True, [0.25, 0.25, 0.25, 0.25]),
        (1, False, [0, 1, 0, 0]),
        (2, False, [0.25, 0.75, 0, 0]),
        (2, True, [0.5, 0.5, 0, 0]),
        (9, False, [0.2, 0.6, 0.2, 0.0]),
    ],
)
def test_the_best_are_heard(top, equal, expected):
    found = select({"a": 1, "b": 3, "c": 1, "d": 0}, top=top, equal=equal)
    assert list(found) == ["a", "b", "c", "d"]
    assert list(found.values()) == pytest.approx(expected)


def test_sources_without_any_vote_are_heard_alike():
    assert select({"a": 0, "b": 0, "c": 0}, top=2, equal=False) == {"a": 0.5, "b": 0.5, "c": 0}


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=8),
    st.one_of(st.none(), st.integers(1, 9)),
    st.booleans(),
)
def test_selected_weights_sum_to_one(values, top, equal):
    weights = {f"s{i}": value for i, value in enumerate(values)}
    found = select(weights, top=top, equal=equal)
    assert sum(found.values()) == pytest.approx(1.0)
    heard = [name for name, value in found.items() if value > 0]
    assert len(heard) <= min(top or len(values), len(values))
    worst = min(weights[name] for name in heard)
    assert all(weights[name] <= worst for name in weights if name not in heard)
