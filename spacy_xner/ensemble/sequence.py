"""A hidden Markov model over IOB2 tags whose observations are the teachers' votes.

Each teacher has a confusion model: the probability of its vote given the true tag and the class of
its own vote for the token before. Without the latter, a teacher that misses or misnames an entity
of three tokens would count as three witnesses. Given that much, votes are independent.
Expectation-maximisation (Baum-Welch; Rabiner 1989, section III.C) finds tags, steps and confusions
together, started from the vote. Compare Nguyen et al. (2017) and Lison et al. (2020).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..decode import FLOOR, batches, forward_backward, transitions
from ..errors import Errors, XnerError
from .confusion import (
    ABSTAIN,
    Evidence,
    check_votes,
    expected_counts,
    gather,
    log_likelihood,
    vote_shares,
)

ITERATIONS = 100
# Gain in log posterior, as a share of it, at which the updates have come to rest.
TOLERANCE = 1e-6
# Pseudo-counts: no vote, and no step that is allowed, ever becomes impossible ...
PRIOR = 0.1
# ... and as long as little is known, a vote is believed.
TRUST = 10.0


class SequenceModel(NamedTuple):
    """A fitted model. K teachers, L labels, S = 1 + 2L tags in the order of `iob2_tags`.

    teachers: Those who were heard in fitting.
    transition: Array of shape (S, S), rows sum to 1; the row of O also opens a document.
    confusion: Array of shape (K, S, 1 + L, S): probability of each vote, by true tag and class of
        the teacher's vote before (O or a label; O at the start and after no vote).
    counts: Array of shape (K, S, S): expected number of each vote, by true tag.
    history: Log posterior density of the parameters, up to a constant, after each update.
    """

    teachers: tuple[str, ...]
    transition: NDArray[np.float64]
    confusion: NDArray[np.float64]
    counts: NDArray[np.float64]
    history: tuple[float, ...]


def fit_sequence(
    votes: NDArray,
    lengths: Sequence[int],
    teachers: Sequence[str],
    n_labels: int,
    *,
    iterations: int = ITERATIONS,
    tolerance: float = TOLERANCE,
) -> SequenceModel:
    """Estimate transitions and confusions from votes alone.

    The first tags are the shares of the vote, tied into valid sequences. Parameters are the maximum
    of the posterior density under Dirichlet priors: PRIOR pseudo-counts for everything, and TRUST
    for votes that name the true tag.

    Soft votes q_j (a teacher's distributions instead of its tags) count as often as their
    probability: log p(q_j | s) = sum_l q_jl log V^j_sl, and likewise for contexts. A tag of
    probability 1 is a hard vote. They take 8 K (1 + L) S bytes of memory a token.

    votes (Array): Integers of shape (tokens, K), a tag or -1 for none; or soft votes of shape
        (tokens, K, S), zeros for none. The tokens of all documents one after the other.
    lengths (Sequence[int]): Tokens of each document.
    teachers (Sequence[str]): Names of the K teachers; those without any vote are left out.
    n_labels (int): S = 1 + 2 n_labels.
    iterations (int): At most so many updates.
    tolerance (float): Stop when the log posterior gains less than this share of itself.
    RETURNS (SequenceModel): The fitted model.
    RAISES (XnerError): X434 for votes of another shape or value.
    """
    allowed = transitions(n_labels)
    seen, names = _observe(votes, lengths, teachers, len(allowed))
    groups = _pad_all(seen.which, lengths, padding=len(seen.rows))
    prior = _prior(len(allowed))
    plain = seen.rows.reshape(*seen.rows.shape[:2], 1 + n_labels, len(allowed)).sum(axis=2)
    shares = np.maximum(vote_shares(plain), FLOOR)
    posteriors, steps, _ = _expect(groups, shares, _normalise(allowed), len(seen.which))
    history: list[float] = []
    for _ in range(max(iterations, 1)):
        counts = _count(posteriors, seen, len(allowed))
        confusion = _normalise(counts + prior)
        transition = _normalise((steps + PRIOR) * allowed)
        likelihood, shift = _likelihood(seen.rows, confusion)
        posteriors, steps, fit = _expect(groups, likelihood, transition, len(seen.which))
        density = (prior * np.log(confusion)).sum() + PRIOR * np.log(transition[allowed]).sum()
        history.append(fit + float(seen.counts @ shift) + float(density))
        if len(history) > 1 and history[-1] - history[-2] < tolerance * abs(history[-1]):
            break
    counts = _count(posteriors, seen, len(allowed)).sum(axis=2)
    return SequenceModel(names, transition, confusion, counts, tuple(history))


def sequence_posteriors(
    model: SequenceModel, votes: NDArray, lengths: Sequence[int], teachers: Sequence[str]
) -> NDArray[np.float64]:
    """Each token's tag probabilities given all votes of its document.

    model (SequenceModel): Fitted on these documents or on others.
    votes (Array), lengths (Sequence[int]), teachers (Sequence[str]): As for `fit_sequence`; any
        order of teachers, and not all need be there.
    RETURNS (Array of shape (tokens, S)): Rows sum to 1.
    RAISES (XnerError): X432 if a teacher votes that was not heard in fitting, X434 for votes of
        another shape or value.
    """
    seen, names = _observe(votes, lengths, teachers, len(model.transition))
    unknown = [name for name in names if name not in model.teachers]
    if unknown:
        raise XnerError(Errors.X432.format(found=unknown, expected=list(model.teachers)))
    confusion = model.confusion[[model.teachers.index(name) for name in names]]
    likelihood, _ = _likelihood(seen.rows, confusion)
    groups = _pad_all(seen.which, lengths, padding=len(seen.rows))
    return _expect(groups, likelihood, model.transition, len(seen.which))[0]


def _observe(
    votes: NDArray, lengths: Sequence[int], teachers: Sequence[str], n_tags: int
) -> tuple[Evidence, tuple[str, ...]]:
    """Votes with their contexts, as evidence, of the teachers who have any vote."""
    if votes.ndim == 3:
        heard = np.flatnonzero(votes.any(axis=(0, 2)))
    else:
        heard = np.flatnonzero((votes != ABSTAIN).any(axis=0))
    found = _in_context(votes[:, heard], lengths, n_tags)
    contexts = (n_tags + 1) // 2
    return gather(found, contexts * n_tags), tuple(teachers[int(k)] for k in heard)


def _in_context(votes: NDArray, lengths: Sequence[int], n_tags: int) -> NDArray:
    """Join each vote with the class of the same teacher's vote before: context * S + vote."""
    before = np.zeros_like(votes)
    before[1:] = votes[:-1]
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.intp)
    starts = starts[np.asarray(lengths) > 0]
    if votes.ndim == 2:
        check_votes(votes, n_tags)
        before[starts] = 0
        context = (np.maximum(before, 0) + 1) // 2
        return np.where(votes == ABSTAIN, ABSTAIN, context * n_tags + votes)
    before[starts] = 0.0
    entity = before[:, :, 1::2] + before[:, :, 2::2]
    context = np.concatenate((1.0 - entity.sum(axis=2, keepdims=True), entity), axis=2)
    joint = context[:, :, :, None] * votes[:, :, None, :]
    return joint.reshape(*votes.shape[:2], -1)


def _prior(n_tags: int) -> NDArray[np.float64]:
    """Pseudo-counts of shape (S, contexts, S)."""
    counts = PRIOR + TRUST * np.eye(n_tags)[:, None, :]
    return np.repeat(counts, (n_tags + 1) // 2, axis=1)


class _Group(NamedTuple):
    """Documents of like length: rows of evidence (documents, length), what is no padding, where."""

    rows: NDArray[np.intp]
    inside: NDArray[np.bool_]
    tokens: NDArray[np.intp]


def _pad_all(which: NDArray[np.intp], lengths: Sequence[int], *, padding: int) -> list[_Group]:
    offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.intp)))
    groups = []
    for batch in batches(lengths):
        sizes = np.array([lengths[i] for i in batch])
        inside = np.arange(sizes.max()) < sizes[:, None]
        where = offsets[batch][:, None] + np.arange(sizes.max())
        rows = np.where(inside, which[np.where(inside, where, 0)], padding)
        groups.append(_Group(rows, inside, where[inside]))
    return groups


def _expect(
    groups: list[_Group],
    likelihood: NDArray[np.float64],
    transition: NDArray[np.float64],
    n_tokens: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Posteriors (tokens, S), expected steps (S, S) and log likelihood.

    Padding has the likelihood 1 at each tag, so that it takes part in nothing: the rows of the
    transition matrix sum to 1.
    """
    table = np.concatenate((likelihood, np.ones((1, likelihood.shape[1]))))
    posteriors = np.zeros((n_tokens, len(transition)))
    steps = np.zeros_like(transition)
    total = 0.0
    for group in groups:
        probs = table[group.rows]
        forward, backward, scale = forward_backward(probs, transition)
        found = (forward * backward)[group.inside]
        posteriors[group.tokens] = found / found.sum(axis=1, keepdims=True)
        total += float(np.log(scale[group.inside]).sum())
        later = group.inside[:, 1:]
        ahead = (probs[:, 1:] * backward[:, 1:] / scale[:, 1:, None])[later]
        steps += transition * (forward[:, :-1][later].T @ ahead)
        steps[0] += (forward[:, 0] * backward[:, 0]).sum(axis=0)
    return posteriors, steps, total


def _count(posteriors: NDArray[np.float64], seen: Evidence, n_tags: int) -> NDArray[np.float64]:
    """Expected counts of shape (K, S, contexts, S)."""
    n = len(seen.rows)
    sums = [np.bincount(seen.which, tag, minlength=n) for tag in posteriors.T]
    truth = np.stack(sums, axis=1).astype(np.float64)
    counts = expected_counts(truth, seen.rows)
    return counts.reshape(*counts.shape[:2], (n_tags + 1) // 2, n_tags)


def _likelihood(
    rows: NDArray[np.float64], confusion: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The likelihood of each row of evidence, divided by its maximum, and the maximum's log."""
    logs = log_likelihood(rows, np.log(confusion).reshape(*confusion.shape[:2], rows.shape[2]))
    shift = logs.max(axis=1)
    # With very many teachers a tag may be out of reach for a double; it must not become impossible.
    return np.exp(np.maximum(logs - shift[:, None], -600.0)), shift


def _normalise(counts: NDArray) -> NDArray[np.float64]:
    return counts / counts.sum(axis=-1, keepdims=True)
