"""Bayesian ensemble over spans (BEA; Rahimi et al. 2019), from votes alone.

An instance is a span that some teacher predicts, its class a label or O (class 0). Each teacher has
a confusion matrix with a flat Dirichlet prior; mean-field updates find the classes and the matrices
together. The model is the one of Kim and Ghahramani (2012).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors, XnerError
from .confusion import expected_counts, gather, log_likelihood, vote_shares

ITERATIONS = 200
# Mean change of an instance's posterior at which the updates have come to rest.
TOLERANCE = 1e-6
# A class of which a teacher has seen less says nothing about its recall.
MIN_COUNT = 0.5


class Bea(NamedTuple):
    """What the votes say about the instances and about the teachers.

    posteriors: Array of shape (instances, C), rows sum to 1.
    confusion: Array of shape (K, C, C): expected probability of each vote, by true class.
    counts: Array of shape (K, C, C): expected number of each vote, by true class.
    """

    posteriors: NDArray[np.float64]
    confusion: NDArray[np.float64]
    counts: NDArray[np.float64]


def bea(
    votes: NDArray[np.integer],
    n_classes: int,
    *,
    iterations: int = ITERATIONS,
    tolerance: float = TOLERANCE,
) -> Bea:
    """Mean-field updates, started from the majority vote.

        E log pi_k   = psi(1 + sum_i q_ik) - psi(C + N)
        E log V^j_kl = psi(1 + sum_i q_ik [y_ij = l]) - psi(C + sum_i q_ik)
        q_ik         proportional to exp(E log pi_k + sum_j E log V^j_{k, y_ij})

    An instance at which teacher j abstains is left out of all sums over j's votes. Instances with
    the same votes have the same q, so that each is computed once.

    votes (Array[int] of shape (instances, K)): A class, or -1 for none.
    n_classes (int): C, labels and O.
    iterations (int): At most so many updates.
    tolerance (float): Stop when the mean over instances of sum_k |change of q_ik| is below.
    RETURNS (Bea): Posteriors, and the teachers' confusion matrices.
    RAISES (XnerError): X434 for votes of another shape or value.
    """
    rows, which, n = gather(votes, n_classes)
    q = vote_shares(rows)
    counts = expected_counts(q * n[:, None], rows)
    for _ in range(iterations):
        log_prior = digamma(1.0 + n @ q) - digamma(n_classes + n.sum())
        log_confusion = digamma(1.0 + counts) - digamma(
            n_classes + counts.sum(axis=2, keepdims=True)
        )
        logs = log_prior + log_likelihood(rows, log_confusion)
        new = np.exp(logs - logs.max(axis=1, keepdims=True))
        new /= new.sum(axis=1, keepdims=True)
        change = n @ np.abs(new - q).sum(axis=1)
        q = new
        counts = expected_counts(q * n[:, None], rows)
        if change < tolerance * n.sum():
            break
    confusion = (1.0 + counts) / (n_classes + counts.sum(axis=2, keepdims=True))
    return Bea(q[which], confusion, counts)


def bea_twice(votes: NDArray[np.integer], n_classes: int, *, top: int = 10) -> Bea:
    """Once with all teachers, then with the best of them by mean entity recall.

    In the second pass only spans that one of these teachers predicts are instances; all others are
    O. With `top` teachers or fewer it is `bea`.

    votes (Array[int] of shape (instances, K)): A class, or -1 for none.
    n_classes (int): C, labels and O.
    top (int): How many teachers are kept.
    RETURNS (Bea): A teacher who is left out has counts of 0 and even confusions.
    RAISES (XnerError): X308 if `top` is below 1, X434 for votes of another shape or value.
    """
    if top < 1:
        raise XnerError(Errors.X308.format(key="top", value=top, expected="1 or more"))
    first = bea(votes, n_classes)
    if votes.shape[1] <= top:
        return first
    best = np.sort(np.argsort(-mean_recall(first), kind="stable")[:top])
    kept = (votes[:, best] > 0).any(axis=1)
    second = bea(votes[kept][:, best], n_classes)
    posteriors = np.zeros_like(first.posteriors)
    posteriors[:, 0] = 1.0
    posteriors[kept] = second.posteriors
    counts, confusion = np.zeros_like(first.counts), np.full_like(first.confusion, 1.0 / n_classes)
    counts[best], confusion[best] = second.counts, second.confusion
    return Bea(posteriors, confusion, counts)


def bea_posteriors(model: Bea, votes: NDArray[np.integer]) -> NDArray[np.float64]:
    """The classes of other instances, by what a model has learnt of the teachers.

    q_ik is proportional to E pi_k prod_j E V^j_{k, y_ij}, with expectations in place of the
    fitting's expected logarithms. Where none of the teachers that the model kept sees an entity,
    the class is O.

    model (Bea): Fitted on votes of the same teachers.
    votes (Array[int] of shape (instances, K)): A class, or -1 for none.
    RETURNS (Array of shape (instances, C)): Rows sum to 1.
    RAISES (XnerError): X434 for votes of another shape or value.
    """
    kept = model.counts.any(axis=(1, 2))
    n_classes = model.confusion.shape[1]
    rows, which, _ = gather(votes[:, kept], n_classes)
    n = 1.0 + model.counts[kept].sum(axis=2).max(axis=0, initial=0.0)
    logs = np.log(n / n.sum()) + log_likelihood(rows, np.log(model.confusion[kept]))
    q = np.exp(logs - logs.max(axis=1, keepdims=True))
    q = (q / q.sum(axis=1, keepdims=True))[which]
    q[~(votes[:, kept] > 0).any(axis=1)] = np.eye(n_classes)[0]
    return q


def mean_recall(found: Bea) -> NDArray[np.float64]:
    """The mean over labels of each teacher's expected recall.

    Labels of which the teacher has seen no instance, such as those it was never taught, are left
    out.

    found (Bea): Of any pass.
    RETURNS (Array of shape (K,)): 0 for a teacher who has seen no entity.
    """
    seen = found.counts.sum(axis=2)[:, 1:] >= MIN_COUNT
    recall = np.where(seen, np.einsum("jkk->jk", found.confusion)[:, 1:], 0.0).sum(axis=1)
    number = seen.sum(axis=1)
    return np.divide(recall, number, out=np.zeros_like(recall), where=number > 0)


def resolve_overlaps(
    starts: NDArray[np.integer], ends: NDArray[np.integer], posteriors: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Choose spans that do not overlap, greedily: the most probable entity first.

    Spans that are O more probably than any label come last: they say how uncertain an O is.

    starts, ends (Array[int] of shape (instances,)): Positions in the whole corpus, ends exclusive.
    posteriors (Array of shape (instances, C)): Class 0 is O.
    RETURNS (Array[int]): Which instances are chosen, in order of their starts.
    """
    if not len(starts):
        return np.zeros(0, dtype=np.intp)
    best = posteriors[:, 1:].max(axis=1)
    taken = bytearray(int(ends.max()))
    chosen = []
    for i in np.lexsort((ends, starts, -best, best <= posteriors[:, 0])).tolist():
        start, end = int(starts[i]), int(ends[i])
        if taken.find(1, start, end) < 0:
            taken[start:end] = b"\1" * (end - start)
            chosen.append(i)
    result = np.array(chosen, dtype=np.intp)
    return result[np.argsort(starts[result], kind="stable")]


def digamma(x: NDArray[np.floating]) -> NDArray[np.float64]:
    """The derivative of log Gamma, exact to about 1e-13 for x >= 1.

    Recurrence to x + 10, then the asymptotic series (Abramowitz and Stegun 1964, 6.3.5 and
    6.3.18); scipy is no run-time dependency.

    x (Array): 1 or more.
    """
    x = np.asarray(x, dtype=np.float64)
    below = sum(1.0 / (x + i) for i in range(10))
    x = x + 10.0
    series = np.zeros_like(x)
    for factor in (-1 / 132, 1 / 240, -1 / 252, 1 / 120, -1 / 12):
        series = (series + factor) / x**2
    return np.log(x) - 0.5 / x + series - below
