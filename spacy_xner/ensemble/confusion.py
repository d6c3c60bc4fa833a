"""Votes, and confusion models of those who vote: what the aggregators of a whole corpus share.

Instances (spans or tokens) have one true class of C each; teachers vote for a class or abstain.
Most instances share their votes with many others, so all sums run over distinct rows of votes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors, XnerError

ABSTAIN = -1
# How many distinct codes fit into 64 bits, with room for one more factor.
LIMIT = 2**62


class Evidence(NamedTuple):
    """Distinct rows of votes and where they occur.

    rows: Array of shape (distinct, K, C): the vote as a one-hot row, or a distribution; zeros where
        a teacher abstains.
    which: Integers of shape (instances,): the distinct row of each instance.
    counts: Array of shape (distinct,): how often each occurs.
    """

    rows: NDArray[np.float64]
    which: NDArray[np.intp]
    counts: NDArray[np.float64]


def gather(votes: NDArray[np.integer] | NDArray[np.floating], n_classes: int) -> Evidence:
    """Find the distinct rows of votes.

    votes (Array): Integers of shape (instances, K), a class or -1 for none; or floating-point
        numbers of shape (instances, K, C), distributions or zeros: soft votes.
    n_classes (int): C.
    RETURNS (Evidence): In an order that depends on the votes alone.
    RAISES (XnerError): X434 for other shapes or values.
    """
    if votes.ndim == 3 and votes.shape[2] == n_classes:
        n = len(votes)
        return Evidence(votes.astype(np.float64), np.arange(n), np.ones(n))
    check_votes(votes, n_classes)
    code, size = np.zeros(len(votes), dtype=np.int64), 1
    for column in votes.T:
        if size * (n_classes + 1) > LIMIT:
            known, code = np.unique(code, return_inverse=True)
            size = len(known)
        code = code * (n_classes + 1) + (column + 1)
        size *= n_classes + 1
    _, first, which, counts = np.unique(
        code, return_index=True, return_inverse=True, return_counts=True
    )
    # The row that stands for no vote is cut off.
    rows = np.eye(n_classes + 1)[votes[first] + 1][:, :, 1:]
    return Evidence(rows, which, counts.astype(np.float64))


def check_votes(votes: NDArray, n_classes: int) -> None:
    """Refuse votes that are no matrix of classes and abstentions.

    RAISES (XnerError): X434.
    """
    low, high = (int(votes.min()), int(votes.max())) if votes.size else (0, 0)
    if votes.ndim != 2 or low < ABSTAIN or high >= n_classes:
        found = {"shape": votes.shape, "low": low, "high": high, "top": n_classes - 1}
        raise XnerError(Errors.X434.format(**found))


def vote_shares(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of the voters that each class has; the same for all classes if nobody votes.

    rows (Array of shape (distinct, K, C)): See `Evidence`.
    RETURNS (Array of shape (distinct, C)): Rows sum to 1.
    """
    votes = rows.sum(axis=1)
    total = votes.sum(axis=1, keepdims=True)
    even = np.full_like(votes, 1.0 / votes.shape[1])
    return np.divide(votes, total, out=even, where=total > 0)


def expected_counts(truth: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often each teacher gives each vote at each true class: sum_i q_ik [y_ij = l].

    truth (Array of shape (distinct, C)): Sum of the posteriors over all instances of a row.
    rows (Array of shape (distinct, K, C)): See `Evidence`.
    RETURNS (Array of shape (K, C, C)): By teacher, true class and vote.
    """
    n, n_teachers, n_votes = rows.shape
    flat = truth.T @ rows.reshape(n, n_teachers * n_votes)
    return flat.reshape(truth.shape[1], n_teachers, n_votes).transpose(1, 0, 2)


def log_likelihood(
    rows: NDArray[np.float64], log_confusion: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The logarithm of the probability of the votes at each true class: sum_j log V^j_{k, y_ij}.

    rows (Array of shape (distinct, K, C)): See `Evidence`.
    log_confusion (Array of shape (K, C, C)): By teacher, true class and vote.
    RETURNS (Array of shape (distinct, C)): One column a true class.
    """
    n, n_teachers, n_votes = rows.shape
    table = log_confusion.transpose(0, 2, 1).reshape(n_teachers * n_votes, log_confusion.shape[1])
    return rows.reshape(n, n_teachers * n_votes) @ table


def reliability(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected F1 of each teacher against the estimated truth, over all classes but class 0 (O).

    counts (Array of shape (K, C, C)): See `expected_counts`.
    RETURNS (Array of shape (K,)): From 0 to 1; 0 for a teacher who has no vote.
    """
    right = np.einsum("jkk->jk", counts)[:, 1:].sum(axis=1)
    total = counts[:, 1:].sum(axis=(1, 2)) + counts[:, :, 1:].sum(axis=(1, 2))
    return np.divide(2.0 * right, total, out=np.zeros_like(right), where=total > 0)
