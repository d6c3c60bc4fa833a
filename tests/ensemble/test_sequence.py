from itertools import product

import numpy as np
import pytest
from synthetic import N_LABELS, corpus, f1, tag_votes, teacher

from spacy_xner.decode import decode, forward_backward, transitions
from spacy_xner.ensemble.confusion import gather, reliability, vote_shares
from spacy_xner.ensemble.sequence import (
    PRIOR,
    TRUST,
    SequenceModel,
    fit_sequence,
    sequence_posteriors,
)
from spacy_xner.errors import XnerError

NAMES = list("abcdefgh")


class Data:
    """Documents, teachers' answers, and votes."""

    def __init__(self, errors, n_docs, seed=0):
        random = np.random.default_rng(seed)
        self.docs = corpus(random, n_docs)
        self.lengths = [length for length, _ in self.docs]
        self.teachers = [teacher(random, self.docs, error) for error in errors]
        self.names = NAMES[: len(errors)]
        self.votes = tag_votes(self.docs, self.teachers)

    def score(self, rows):
        labels = [str(i) for i in range(N_LABELS)]
        answers = decode(np.split(rows, np.cumsum(self.lengths)[:-1]), labels)
        return f1(self.docs, [[(e.start, e.end, int(e.label)) for e in es] for es in answers])

    def run(self, votes=None, names=None, **settings):
        votes = self.votes if votes is None else votes
        names = names or self.names
        model = fit_sequence(votes, self.lengths, names, N_LABELS, **settings)
        return model, sequence_posteriors(model, votes, self.lengths, names)


@pytest.fixture(scope="module")
def data():
    return Data((0.07, 0.12, 0.2, 0.3, 0.4), 1000)


@pytest.fixture(scope="module")
def small():
    return Data((0.1, 0.2, 0.4), 150)


@pytest.fixture(scope="module")
def fitted(data):
    return data.run()


def random_model(seed, n_labels=1, names=("a", "b")):
    random = np.random.default_rng(seed)
    allowed = transitions(n_labels)
    n = len(allowed)
    steps = random.random((n, n)) * allowed
    confusion = random.random((len(names), n, n_labels + 1, n))
    return SequenceModel(
        names,
        steps / steps.sum(axis=1, keepdims=True),
        confusion / confusion.sum(axis=3, keepdims=True),
        np.zeros((len(names), n, n)),
        (),
    )


def brute_force(model, votes):
    """Posteriors and likelihood of one document, over all tag sequences."""
    n_tags = len(model.transition)
    marginals = np.zeros((len(votes), n_tags))
    for path in product(range(n_tags), repeat=len(votes)):
        weight, before = 1.0, 0
        for t, tag in enumerate(path):
            weight *= model.transition[before, tag]
            for k, vote in enumerate(votes[t]):
                if vote >= 0:
                    last = max(votes[t - 1, k], 0) if t else 0
                    weight *= model.confusion[k, tag, (last + 1) // 2, vote]
            before = tag
        marginals[range(len(votes)), path] += weight
    total = marginals[0].sum()
    return marginals / total, total


# Equations


@pytest.mark.parametrize("seed", range(3))
def test_posteriors_equal_brute_force(seed):
    model = random_model(seed)
    docs = [
        np.array([[0, 1], [1, 2], [2, -1], [0, 0]]),
        np.array([[1, 1]]),
        np.array([[-1, -1], [2, 0], [1, 1]]),
    ]
    lengths = [4, 0, 1, 3]  # a document without tokens in between
    found = sequence_posteriors(model, np.concatenate(docs), lengths, ["a", "b"])
    expected = np.concatenate([brute_force(model, votes)[0] for votes in docs])
    assert found == pytest.approx(expected, abs=1e-12)


def test_forward_backward_with_a_transition_matrix():
    model = random_model(7)
    votes = np.array([[0, 1], [1, 2], [2, 0]])
    likelihood = np.ones((1, 5, 3))  # two tokens of padding
    for t, row in enumerate(votes):
        for k, vote in enumerate(row):
            last = votes[t - 1, k] if t else 0
            likelihood[0, t] *= model.confusion[k, :, (last + 1) // 2, vote]
    forward, backward, scale = forward_backward(likelihood, model.transition)
    marginals, total = brute_force(model, votes)
    assert (forward * backward)[0, :3] == pytest.approx(marginals)
    assert scale.prod() == pytest.approx(total)
    assert scale[0, 3:] == pytest.approx([1.0, 1.0])


def test_one_update_by_hand():
    """Two documents of one token, one teacher, one label: the first M-step from the vote."""
    model = fit_sequence(np.array([[1], [0]]), [1, 1], ["a"], 1, iterations=1)
    prior = PRIOR + TRUST * np.eye(3)
    counts = np.zeros((3, 3))
    counts[1, 1], counts[0, 0] = 1.0, 1.0  # the posterior of the vote is certain
    expected = (counts + prior) / (counts + prior).sum(axis=1, keepdims=True)
    assert model.confusion[0, :, 0] == pytest.approx(expected)
    assert model.confusion[0, :, 1] == pytest.approx(prior / prior.sum(axis=1, keepdims=True))
    steps = np.array([1 + PRIOR, 1 + PRIOR, 0.0])
    assert model.transition[0] == pytest.approx(steps / steps.sum())
    # The objective: likelihood of both documents and the density of the prior.
    v, a = model.confusion[0], model.transition
    likelihood = sum(np.log(sum(a[0, s] * v[s, 0, y] for s in range(3))) for y in (0, 1))
    density = (prior[:, None] * np.log(v)).sum() + PRIOR * np.log(a[transitions(1)]).sum()
    assert model.history == pytest.approx((likelihood + density,))


@pytest.mark.parametrize("seed", range(4))
def test_the_objective_never_falls(small, seed):
    random = np.random.default_rng(seed)
    votes = small.votes.copy()
    votes[random.random(votes.shape) < 0.1 * seed] = -1
    model, _ = small.run(votes, iterations=25, tolerance=-1.0)
    assert len(model.history) == 25
    assert (np.diff(model.history) > -1e-8 * abs(model.history[-1])).all()
    assert model.history[-1] > model.history[0] + 5


def test_parameters_are_distributions(fitted):
    model, rows = fitted
    for array in (model.transition, model.confusion, rows):
        assert array.min() >= 0 and array.sum(axis=-1) == pytest.approx(1.0)
    assert (model.transition[~transitions(N_LABELS)] == 0).all()


# Behaviour


def test_it_beats_the_vote_and_comes_near_the_best_possible(data, fitted):
    evidence = gather(data.votes, 7)
    vote = data.score(vote_shares(evidence.rows)[evidence.which])
    single = max(f1(data.docs, answers) for answers in data.teachers)
    score = data.score(fitted[1])
    # The best possible for this model: fitted to a teacher who is always right, and then asked
    # without it.
    truth = [[entities for _, entities in data.docs]] * 40
    votes = np.concatenate((data.votes, tag_votes(data.docs, truth)), axis=1)
    names = [*data.names, *(f"truth {i}" for i in range(40))]
    told = fit_sequence(votes, data.lengths, names, N_LABELS)
    best = data.score(sequence_posteriors(told, data.votes, data.lengths, data.names))
    # Measured: single 0.92, vote 0.98, sequence 0.99, best 0.99.
    assert single < 0.935 and single + 0.04 < vote
    assert vote + 0.005 < score and score >= 0.97
    assert best - 0.005 < score


def test_many_weak_teachers():
    data = Data((0.3, 0.3, 0.4, 0.5), 500)
    evidence = gather(data.votes, 7)
    vote = data.score(vote_shares(evidence.rows)[evidence.which])
    assert data.score(data.run()[1]) > vote + 0.02  # measured: 0.90 and 0.87


def test_an_adversary_is_muted(data, fitted):
    liar = [[(s, e, (label + 1) % N_LABELS) for s, e, label in es] for _, es in data.docs]
    votes = np.concatenate((data.votes, tag_votes(data.docs, [liar])), axis=1)
    model, rows = data.run(votes, [*data.names, "liar"])
    weights = reliability(model.counts)
    assert weights[-1] < 0.05 and weights[:-1].min() > 0.5
    assert data.score(rows) > data.score(fitted[1]) - 0.005


def test_better_teachers_are_found_more_reliable(data, fitted):
    found = reliability(fitted[0].counts)
    assert (np.diff(found) < 0).all()


def test_relabelling_permutes_the_result(small):
    order = np.array([0, 5, 6, 1, 2, 3, 4])
    one, rows = small.run()
    two, permuted = small.run(order[small.votes])
    assert permuted[:, order] == pytest.approx(rows, abs=1e-9)
    assert two.transition[np.ix_(order, order)] == pytest.approx(one.transition, abs=1e-9)


def test_who_abstains_is_left_out(small):
    silent = np.insert(small.votes, 1, -1, axis=1)
    model, rows = small.run(silent, ["a", "silent", "b", "c"])
    assert model.teachers == ("a", "b", "c")
    assert rows == pytest.approx(small.run()[1], abs=1e-12)


def test_a_teacher_of_some_documents(small):
    votes = small.votes.copy()
    half = sum(small.lengths[:75])
    votes[:half, 0] = -1
    model, rows = small.run(votes)
    assert model.counts[0].sum() == pytest.approx(len(votes) - half)
    assert small.score(rows) > f1(small.docs, small.teachers[1])


def test_one_teacher_is_believed():
    data = Data((0.1,), 300)
    _, rows = data.run()
    score = data.score(rows)
    assert score == pytest.approx(f1(data.docs, data.teachers[0]), abs=0.01)
    assert (rows.argmax(axis=1) == data.votes[:, 0]).mean() > 0.99


def test_certain_distributions_are_hard_votes(small):
    soft = np.eye(7)[small.votes]
    soft[3:9, 1] = 0.0
    hard = small.votes.copy()
    hard[3:9, 1] = -1
    # After an abstention the context is O in both.
    assert small.run(soft)[1] == pytest.approx(small.run(hard)[1], abs=1e-9)


def test_soft_votes_tell_more_than_hard_ones(small):
    """Where a teacher errs, it is made unsure; its tags stay the same."""
    gold = tag_votes(small.docs, [[entities for _, entities in small.docs]])
    wrong = small.votes != gold
    soft = np.eye(7)[small.votes]
    soft[wrong] = 0.55 * soft[wrong] + 0.45 * np.eye(7)[gold.repeat(3, axis=1)[wrong]]
    hard = small.run()[1]
    model, rows = small.run(soft, iterations=30, tolerance=-1.0)
    assert (soft.argmax(axis=2) == small.votes).all()
    assert small.score(rows) > small.score(hard) + 0.005
    assert (np.diff(model.history) > -1e-8 * abs(model.history[-1])).all()


def test_the_same_votes_give_the_same_bits(small):
    assert np.array_equal(small.run()[1], small.run()[1])


def test_documents_in_another_order_and_teachers_too(small):
    model, rows = small.run()
    parts = np.split(small.votes, np.cumsum(small.lengths)[:-1])
    votes = np.concatenate(parts[::-1])[:, ::-1]
    found = sequence_posteriors(model, votes, small.lengths[::-1], small.names[::-1])
    expected = np.concatenate(np.split(rows, np.cumsum(small.lengths)[:-1])[::-1])
    assert found == pytest.approx(expected, abs=1e-9)


# Faults and edges


def test_a_teacher_unseen_in_fitting(small):
    model = fit_sequence(small.votes[:, :2], small.lengths, ["a", "b"], N_LABELS)
    with pytest.raises(XnerError, match=r"X432.*\['c'\].*\['a', 'b'\]"):
        sequence_posteriors(model, small.votes, small.lengths, small.names)
    quiet = small.votes.copy()
    quiet[:, 2] = -1
    assert len(sequence_posteriors(model, quiet, small.lengths, small.names)) == len(quiet)
    never = fit_sequence(quiet, small.lengths, small.names, N_LABELS)
    with pytest.raises(XnerError, match="X432"):
        sequence_posteriors(never, small.votes, small.lengths, small.names)


@pytest.mark.parametrize("bad", [7, -2])
def test_wrong_votes(small, bad):
    votes = small.votes.copy()
    votes[5, 1] = bad
    with pytest.raises(XnerError, match="X434"):
        small.run(votes)


def test_nothing_to_fit():
    model = fit_sequence(np.zeros((0, 2), dtype=int), [0], ["a", "b"], 1)
    assert model.teachers == ()
    assert sequence_posteriors(model, np.zeros((0, 2), int), [0], ["a", "b"]).shape == (0, 3)
    silent = np.full((4, 2), -1)
    model = fit_sequence(silent, [4], ["a", "b"], 1)
    rows = sequence_posteriors(model, silent, [4], ["a", "b"])
    assert rows.sum(axis=1) == pytest.approx(np.ones(4))


def test_very_many_teachers_stay_finite():
    data = Data((0.2,) * 5, 40)
    votes = np.tile(data.votes, (1, 60))
    model, rows = data.run(votes, [str(i) for i in range(300)])
    assert np.isfinite(rows).all() and np.isfinite(model.history).all()
