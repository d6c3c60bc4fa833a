import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import corpus, f1, read_spans, span_votes, teacher

from spacy_xner.ensemble.bea import (
    Bea,
    bea,
    bea_posteriors,
    bea_twice,
    digamma,
    mean_recall,
    resolve_overlaps,
)
from spacy_xner.ensemble.confusion import (
    expected_counts,
    gather,
    log_likelihood,
    reliability,
    vote_shares,
)
from spacy_xner.errors import XnerError


@pytest.fixture(scope="module")
def data():
    """1,000 documents and five teachers whose entities are right in 93 to 60 of 100 cases."""
    random = np.random.default_rng(0)
    docs = corpus(random, 1000)
    return docs, [teacher(random, docs, error) for error in (0.07, 0.12, 0.2, 0.3, 0.4)]


def majority(votes, n_classes):
    evidence = gather(votes, n_classes)
    return vote_shares(evidence.rows)[evidence.which]


# Parts


def test_digamma():
    euler = 0.57721566490153286
    assert digamma(np.array(1.0)) == pytest.approx(-euler, abs=1e-13)
    assert digamma(np.array(2.0)) == pytest.approx(1 - euler, abs=1e-13)
    assert digamma(np.array(1.5)) == pytest.approx(2 - euler - 2 * math.log(2), abs=1e-13)
    x = np.array([1.0, 3.7, 100.0, 1e6])
    assert digamma(x + 1) - digamma(x) == pytest.approx(1 / x, rel=1e-6, abs=1e-13)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 3), st.integers(0, 9))
def test_distinct_rows_stand_for_all(n_teachers, n_labels, seed):
    """Also where the codes of 60 teachers' votes do not fit into one number."""
    n_classes = n_labels + 1
    votes = np.random.default_rng(seed).integers(-1, n_classes, size=(9, n_teachers))
    votes = np.concatenate((votes, votes[:4]))
    found = gather(votes, n_classes)
    assert found.counts.sum() == len(votes) and len(found.rows) <= 9
    rows = found.rows[found.which]
    assert (rows.sum(axis=2) == (votes >= 0)).all()
    assert (np.where(votes < 0, 0, votes) == rows.argmax(axis=2)).all()
    soft = gather(rows, n_classes)
    for a, b in ((rows, soft.rows), (found.counts.sum(), soft.counts.sum())):
        assert np.array_equal(a, b)


def test_shares_of_the_vote():
    rows = gather(np.array([[1, 1, 0], [2, -1, -1], [-1, -1, -1]]), 3)
    shares = vote_shares(rows.rows)[rows.which]
    assert shares == pytest.approx(np.array([[1 / 3, 2 / 3, 0], [0, 0, 1], [1 / 3] * 3]))


@pytest.mark.parametrize(
    "votes", [np.zeros(3, int), np.full((2, 2), 3), np.full((2, 2), -2), np.zeros((2, 2, 2))]
)
def test_wrong_votes(votes):
    with pytest.raises(XnerError, match="X434"):
        gather(votes, 3)


def test_reliability_is_the_expected_f1():
    # 8 of 10 entities found, and 2 more that are none; the second is silent.
    counts = np.array([[[88, 2.0], [2.0, 8.0]], [[0, 0], [0, 0]]])
    assert reliability(counts) == pytest.approx([16 / 20, 0.0])


# Updates


def by_hand(votes, n_classes, steps):
    """The equations of Rahimi et al., instance by instance and without any trick."""

    def psi(x):
        return float(digamma(np.array(float(x))))

    n, n_teachers = votes.shape
    q = np.zeros((n, n_classes))
    for i, row in enumerate(votes):
        for vote in row[row >= 0]:
            q[i, vote] += 1 / (row >= 0).sum()
    for _ in range(steps):
        new = np.zeros_like(q)
        for i in range(n):
            for k in range(n_classes):
                new[i, k] = psi(1 + sum(q[:, k])) - psi(n_classes + n)
                for j in range(n_teachers):
                    if votes[i, j] < 0:
                        continue
                    same = sum(q[m, k] for m in range(n) if votes[m, j] == votes[i, j])
                    voted = sum(q[m, k] for m in range(n) if votes[m, j] >= 0)
                    new[i, k] += psi(1 + same) - psi(n_classes + voted)
        new = np.exp(new)
        q = new / new.sum(axis=1, keepdims=True)
    return q


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_updates_are_those_of_the_paper(steps):
    votes = np.array([[0, 1, 1], [2, 2, -1], [1, 1, 0], [2, 0, 2], [1, 1, 0], [0, -1, 2]])
    found = bea(votes, 3, iterations=steps, tolerance=0.0)
    assert found.posteriors == pytest.approx(by_hand(votes, 3, steps), abs=1e-12)
    q = found.posteriors
    count = q[[0, 2, 4]][:, 2].sum()  # the second teacher says class 1 there; true class 2
    assert found.counts[1, 2, 1] == pytest.approx(count)
    voted = q[[0, 1, 2, 3, 4]][:, 2].sum()
    assert found.confusion[1, 2, 1] == pytest.approx((1 + count) / (3 + voted))
    assert found.confusion.sum(axis=2) == pytest.approx(np.ones((3, 3)))


def test_one_update_in_numbers():
    # One instance, one teacher, two classes: q_k in proportion to exp(psi(1 + q_k) - psi(3)
    # + psi(1 + q_k) - psi(2 + q_k)) with q = (0, 1) after the vote.
    first = digamma(np.array(1.0)) * 2 - digamma(np.array(2.0))
    second = digamma(np.array(2.0)) * 2 - digamma(np.array(3.0))
    expected = 1 / (1 + math.exp(first - second))
    found = bea(np.array([[1]]), 2, iterations=1)
    assert found.posteriors[0, 1] == pytest.approx(expected)


# Behaviour


def test_it_beats_the_vote_and_comes_near_the_best_possible(data):
    docs, teachers = data
    keys, votes = span_votes(docs, teachers)
    single = max(f1(docs, answers) for answers in teachers)
    vote = f1(docs, read_spans(docs, keys, majority(votes, 4)))
    found = bea(votes, 4)
    score = f1(docs, read_spans(docs, keys, found.posteriors))
    # The best possible for this model: confusions and shares of the classes taken from the truth.
    gold = {(d, s, e): label + 1 for d, (_, es) in enumerate(docs) for s, e, label in es}
    truth = np.eye(4)[[gold.get(key, 0) for key in keys]]
    rows = np.eye(4)[votes]
    confusion = 0.1 + expected_counts(truth, rows)
    logs = log_likelihood(rows, np.log(confusion / confusion.sum(axis=2, keepdims=True)))
    best = f1(docs, read_spans(docs, keys, np.exp(logs) * truth.mean(axis=0)))
    # Measured: single 0.92, vote 0.97, bea 0.98, best 0.985.
    assert single + 0.04 < vote + 0.01 < score
    assert best - 0.005 < score
    # What is said of the teachers is true of them: F1 to within 0.02, in the right order.
    scores = [f1(docs, answers) for answers in teachers]
    assert reliability(found.counts) == pytest.approx(scores, abs=0.02)


def test_an_adversary_is_muted(data):
    docs, teachers = data
    liar = [[(s, e, (label + 1) % 3) for s, e, label in es] for _, es in docs]
    keys, votes = span_votes(docs, [*teachers, liar])
    found = bea(votes, 4)
    assert reliability(found.counts)[-1] < 0.03
    keys_without, votes_without = span_votes(docs, teachers)
    without = f1(docs, read_spans(docs, keys_without, bea(votes_without, 4).posteriors))
    assert f1(docs, read_spans(docs, keys, found.posteriors)) > without - 0.01


def test_relabelling_permutes_the_result(data):
    _, votes = span_votes(*data)
    order = np.array([0, 3, 1, 2])
    one, two = bea(votes, 4), bea(order[votes], 4)
    assert two.posteriors[:, order] == pytest.approx(one.posteriors, abs=1e-9)
    assert two.confusion[:, order][:, :, order] == pytest.approx(one.confusion, abs=1e-9)


def test_who_abstains_is_left_out(data):
    _, votes = span_votes(*data)
    silent = np.insert(votes, 2, -1, axis=1)
    assert bea(silent, 4).posteriors == pytest.approx(bea(votes, 4).posteriors, abs=1e-12)
    assert not bea(silent, 4).counts[2].any()


def test_one_teacher_is_believed(data):
    docs, teachers = data
    _, votes = span_votes(docs, teachers[:1])
    assert (bea(votes, 4).posteriors.argmax(axis=1) == votes[:, 0]).all()


def test_the_same_votes_give_the_same_bits_in_any_order(data):
    _, votes = span_votes(*data)
    first = bea(votes, 4)
    assert np.array_equal(first.posteriors, bea(votes.copy(), 4).posteriors)
    assert np.array_equal(first.posteriors[::-1], bea(votes[::-1], 4).posteriors)


def test_no_instances():
    found = bea(np.zeros((0, 3), dtype=int), 4)
    assert found.posteriors.shape == (0, 4) and not found.counts.any()


# Second pass


def test_the_second_pass_keeps_the_best(data):
    docs, teachers = data
    keys, votes = span_votes(docs, teachers)
    first, second = bea(votes, 4), bea_twice(votes, 4, top=3)
    assert mean_recall(first).argsort()[::-1].tolist() == [0, 1, 2, 3, 4]
    assert second.counts.any(axis=(1, 2)).tolist() == [True] * 3 + [False] * 2
    only_three = (votes[:, :3] > 0).any(axis=1)
    alone = bea(votes[only_three][:, :3], 4)
    assert np.array_equal(second.posteriors[only_three], alone.posteriors)
    assert (second.posteriors[~only_three] == [1, 0, 0, 0]).all()
    assert np.array_equal(bea_twice(votes, 4, top=5).posteriors, first.posteriors)


def test_the_second_pass_helps_among_many_bad_teachers():
    random = np.random.default_rng(1)
    docs = corpus(random, 400)
    teachers = [teacher(random, docs, error) for error in [0.15] * 3 + [0.75] * 12]
    keys, votes = span_votes(docs, teachers)
    scores = [
        f1(docs, read_spans(docs, keys, q))
        for q in (majority(votes, 4), bea(votes, 4).posteriors, bea_twice(votes, 4).posteriors)
    ]
    assert scores[0] + 0.3 < min(scores[1:])


def test_posteriors_of_other_instances_in_numbers():
    """Two classes, seen 6 + 1 and 2 + 1 times; one teacher, who says 1 to 1 of 4 and to 3 of 4."""
    confusion = np.array([[[0.75, 0.25], [0.25, 0.75]]])
    counts = np.array([[[4.5, 1.5], [0.5, 1.5]]])
    model = Bea(np.zeros((8, 2)), confusion, counts)
    found = bea_posteriors(model, np.array([[1], [-1]]))
    np.testing.assert_allclose(found[0], [0.7 * 0.25 / 0.4, 0.3 * 0.75 / 0.4])
    # No teacher sees an entity: it is none, whatever the prior says.
    np.testing.assert_allclose(found[1], [1.0, 0.0])


def test_what_was_learnt_serves_other_documents(data):
    _, votes = span_votes(*data)
    half = np.arange(len(votes)) % 2 == 0
    learnt = bea_posteriors(bea(votes[half], 4), votes[~half])
    whole = bea(votes, 4).posteriors[~half]
    assert (learnt.argmax(axis=1) == whole.argmax(axis=1)).mean() > 0.98


def test_who_was_left_out_is_not_asked(data):
    _, votes = span_votes(*data)
    model = bea_twice(votes, 4, top=2)
    left_out = ~model.counts.any(axis=(1, 2))
    assert left_out.sum() == 3
    changed = votes.copy()
    changed[:, left_out] = 3
    np.testing.assert_array_equal(bea_posteriors(model, votes), bea_posteriors(model, changed))


def test_recall_leaves_out_what_was_never_seen():
    votes = np.array([[1, 1, 1], [1, 1, 1], [2, 2, -1], [2, 2, -1], [0, 1, 1]] * 5)
    found = bea(votes, 3)
    recall = np.einsum("jkk->jk", found.confusion)
    assert mean_recall(found)[0] == pytest.approx(recall[0, 1:].mean())
    assert mean_recall(found)[2] == pytest.approx(recall[2, 1])


def test_wrong_top():
    with pytest.raises(XnerError, match="X308.*top = 0"):
        bea_twice(np.zeros((1, 2), dtype=int), 2, top=0)


# Overlaps


def test_overlaps_go_to_the_most_probable():
    starts, ends = np.array([0, 1, 3, 5, 4]), np.array([2, 4, 5, 6, 6])
    posteriors = np.array([[0.3, 0.7], [0.2, 0.8], [0.4, 0.6], [0.9, 0.1], [0.55, 0.45]])
    assert resolve_overlaps(starts, ends, posteriors).tolist() == [1, 4]
    empty = np.zeros(0, dtype=int)
    assert resolve_overlaps(empty, empty, np.zeros((0, 2))).tolist() == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 4), st.floats(0, 1)), min_size=1))
def test_chosen_spans_never_overlap_and_none_could_be_added(cases):
    starts = np.array([start for start, _, _ in cases])
    ends = starts + [size for _, size, _ in cases]
    posteriors = np.array([[1 - p, p] for _, _, p in cases])
    chosen = resolve_overlaps(starts, ends, posteriors).tolist()
    taken = [t for i in chosen for t in range(starts[i], ends[i])]
    assert len(taken) == len(set(taken)) and taken == sorted(taken)
    for i in range(len(cases)):
        assert i in chosen or set(taken) & set(range(starts[i], ends[i]))
