import numpy as np
import pytest
from handmade import votes
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spacy_xner.ensemble.pooling import linear_pool, log_linear_pool
from spacy_xner.ensemble.votes import fill_untaught, split

# Columns: O, B-DATE, I-DATE, B-PER, I-PER.
KNOWS_ALL = [True] * 5
KNOWS_PER = [True, False, False, True, True]
KNOWS_DATE = [True, True, True, False, False]
EVEN = np.array([[0.5, 0.5]])


def test_unknown_class_is_not_outside():
    """The second teacher has never heard of dates: its O must not halve the first one's DATE."""
    first = [0.2, 0.6, 0.0, 0.2, 0.0]
    second = [0.8, 0.0, 0.0, 0.2, 0.0]
    found = fill_untaught(votes([[first], [second]], taught=[KNOWS_ALL, KNOWS_PER]), EVEN)
    # Of its 0.8 for "O or what I do not know", 0.6 / (0.2 + 0.6) goes to B-DATE.
    assert np.allclose(found[1], [[0.2, 0.6, 0.0, 0.2, 0.0]])
    assert np.allclose(found[0], [first])
    assert np.allclose(linear_pool(found, EVEN), [[0.2, 0.6, 0.0, 0.2, 0.0]])


def test_what_a_teacher_denies_stays_denied():
    """A teacher that is sure of a PER leaves nothing for DATE, whatever the other one sees."""
    probs = [[[0.1, 0.9, 0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0, 1.0, 0.0]]]
    found = fill_untaught(votes(probs, taught=[KNOWS_ALL, KNOWS_PER]), EVEN)
    assert np.allclose(found[1], probs[1])


def test_each_token_is_split_by_what_is_seen_there():
    first = [[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]]
    second = [[1.0, 0.0, 0.0, 0.0, 0.0]] * 3
    weights = np.full((3, 2), 0.5)
    found = fill_untaught(votes([first, second], taught=[KNOWS_ALL, KNOWS_PER]), weights)
    assert np.allclose(found[1], first)


def test_only_who_knows_every_class_says_how_likely_outside_is():
    """Two teachers without DATE: their large O, which holds the dates, must not count as O."""
    knows = [0.4, 0.6, 0.0, 0.0, 0.0]
    blind = [1.0, 0.0, 0.0, 0.0, 0.0]
    opinion = votes([[knows], [blind], [blind]], taught=[KNOWS_ALL, KNOWS_PER, KNOWS_PER])
    found = fill_untaught(opinion, np.full((1, 3), 1 / 3))
    assert np.allclose(found[:, 0], [knows] * 3)


def test_weights_decide_among_those_who_know():
    probs = [[[0.8, 0.2, 0, 0, 0]], [[0.2, 0.8, 0, 0, 0]], [[1.0, 0, 0, 0, 0]]]
    opinion = votes(probs, taught=[KNOWS_ALL, KNOWS_ALL, KNOWS_PER])
    found = fill_untaught(opinion, np.array([[0.1, 0.3, 0.6]]))
    assert np.allclose(found[2, 0, :2], [0.25 * 0.8 + 0.75 * 0.2, 0.25 * 0.2 + 0.75 * 0.8])


def test_nobody_knows_everything():
    probs = [[[0.4, 0.6, 0.0, 0.0, 0.0]], [[0.4, 0.0, 0.0, 0.6, 0.0]]]
    opinion = votes(probs, taught=[KNOWS_DATE, KNOWS_PER])
    found = fill_untaught(opinion, EVEN)
    # The mean O is 0.4, each other class is heard from one teacher: 0.4 * 0.6 / (0.4 + 0.6).
    assert np.allclose(found[0], [[0.16, 0.6, 0.0, 0.24, 0.0]])
    assert np.allclose(found[1], [[0.16, 0.24, 0.0, 0.6, 0.0]])
    assert linear_pool(found, EVEN)[0, 1] > 0.3


def test_the_only_informed_teacher_is_not_overruled():
    """Three teachers know PER only, their O says nothing of DATE; nobody knows all classes."""
    outside = [[1.0, 0.0, 0.0, 0.0, 0.0]]
    probs = [outside, outside, outside, [[0.4, 0.6, 0.0, 0.0, 0.0]]]
    opinion = votes(probs, taught=[KNOWS_PER, KNOWS_PER, KNOWS_PER, KNOWS_DATE])
    weights = np.full((1, 4), 0.25)
    pooled = linear_pool(fill_untaught(opinion, weights), weights)
    assert pooled[0, 1] == pytest.approx(0.6)


def test_who_has_no_weight_teaches_nothing():
    probs = [[[0.0, 1.0, 0.0, 0.0, 0.0]], [[0.7, 0.0, 0.0, 0.3, 0.0]]]
    opinion = votes(probs, taught=[KNOWS_ALL, KNOWS_PER])
    found = fill_untaught(opinion, np.array([[0.0, 1.0]]))
    assert np.allclose(found, probs)


def test_nothing_to_fill_is_the_same_array():
    opinion = votes(np.random.default_rng(0).dirichlet(np.ones(5), size=(2, 3)))
    assert fill_untaught(opinion, np.full((3, 2), 0.5)) is opinion.probs


@given(
    arrays(float, (3, 4, 5), elements=st.integers(0, 20).map(float)),
    arrays(float, (4, 3), elements=st.integers(0, 5).map(float)),
    arrays(bool, (3, 2)),
)
def test_mass_is_kept_and_moves_from_outside_only(raw, weights, known):
    probs = (raw + 1e-9) / (raw + 1e-9).sum(axis=-1, keepdims=True)
    weights = (weights + 1e-9) / (weights + 1e-9).sum(axis=1, keepdims=True)
    taught = np.column_stack([np.ones(3, bool), np.repeat(known, 2, axis=1)])
    probs[:, :, 0] += (probs * ~taught[:, None, :]).sum(axis=-1)
    probs *= taught[:, None, :]
    opinion = votes(probs, taught=taught)
    before = probs.copy()
    found = fill_untaught(opinion, weights)
    assert np.array_equal(opinion.probs, before)
    assert np.allclose(found.sum(axis=-1), 1.0)
    assert (found >= 0).all()
    inner = np.broadcast_to(taught[:, None, :], found.shape).copy()
    inner[:, :, 0] = False
    assert np.array_equal(found[inner], probs[inner])
    for pool in (linear_pool, log_linear_pool):
        assert np.allclose(pool(found, weights).sum(axis=1), 1.0)


@pytest.mark.parametrize("lengths", [(), (0,), (3,), (0, 2, 0, 1), (1, 1)])
def test_split_gives_each_document_its_rows(lengths):
    rows = np.arange(2 * sum(lengths)).reshape(-1, 2)
    parts = split(rows, lengths)
    assert [len(part) for part in parts] == list(lengths)
    if lengths:
        assert np.array_equal(np.concatenate(parts), rows)
