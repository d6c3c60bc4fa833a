"""What all teachers say about a batch of documents."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Votes(NamedTuple):
    """The tokens of a batch of documents, one after the other, seen by all teachers.

    names: The teachers, K of them.
    labels: The ensemble's entity types; the C columns are `iob2_tags(labels)`.
    probs: Array of shape (K, tokens, C); zeros where a teacher abstains.
    taught: Boolean array of shape (K, C): was the teacher taught this tag?
    lengths: Number of tokens of each document.
    vectors: Arrays of shape (tokens, width) by teacher, of those that have a similarity evaluator;
        None if they were not asked.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    probs: NDArray[np.float64]
    taught: NDArray[np.bool_]
    lengths: tuple[int, ...]
    vectors: dict[str, NDArray[np.float64]] | None = None

    @property
    def heard(self) -> NDArray[np.bool_]:
        """Who speaks at each token and does not abstain: boolean array of shape (tokens, K)."""
        return (self.probs != 0.0).any(axis=2).T

    @property
    def readers(self) -> NDArray[np.bool_]:
        """The same by document, of shape (documents, K); one without tokens is read by all."""
        cuts = np.cumsum(self.lengths, dtype=int)[:-1]
        found = [rows.all(axis=0) for rows in np.split(self.heard, cuts)]
        return np.array(found[: len(self.lengths)], dtype=bool).reshape(-1, len(self.names))


def choose(votes: Votes, names: Collection[str]) -> Votes:
    """The votes of some of the teachers, in the order in which they are.

    votes (Votes): Of all.
    names (Collection[str]): Teachers among them.
    RETURNS (Votes): Of these alone.
    """
    rows = [k for k, name in enumerate(votes.names) if name in names]
    chosen = tuple(votes.names[k] for k in rows)
    return votes._replace(names=chosen, probs=votes.probs[rows], taught=votes.taught[rows])


def leave_out_silent(weights: NDArray[np.float64], votes: Votes) -> NDArray[np.float64]:
    """Share the weight of the teachers that abstain among the others.

    weights (Array of shape (tokens, K)): Rows sum to 1.
    votes (Votes): K teachers.
    RETURNS (Array of shape (tokens, K)): Rows sum to 1, or to 0 where nobody is heard: all abstain,
        or those who do not have no weight.
    """
    heard = votes.heard
    if heard.all():
        return weights
    kept = weights * heard
    total = kept.sum(axis=1, keepdims=True)
    return np.divide(kept, total, out=np.zeros_like(kept), where=total > 0)


def fill_unheard(pooled: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give all tags the same probability where nobody is heard: a row of zeros would be no answer.

    pooled (Array of shape (tokens, C)): What a pool made of the votes.
    weights (Array of shape (tokens, K)): Its weights, of `leave_out_silent`.
    RETURNS (Array of shape (tokens, C)): Rows sum to 1.
    """
    return np.where(weights.any(axis=1, keepdims=True), pooled, 1.0 / pooled.shape[1])


def fill_untaught(votes: Votes, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Split the O of teachers that were not taught every class.

    The O of such a teacher means "O or a class I do not know". Its mass is split in the proportion
    in which the teachers that do know these classes see them against O, token by token.

    votes (Votes): K teachers.
    weights (Array of shape (tokens, K)): Rows sum to 1, or to 0 where nobody is heard.
    RETURNS (Array of shape (K, tokens, C)): Rows sum to what they summed to before.
    """
    if votes.taught.all():
        return votes.probs
    probs = votes.probs.copy()
    voice = weights.T[:, :, None] * votes.taught[:, None, :]
    heard = voice.sum(axis=0)
    mean = np.divide((voice * probs).sum(axis=0), heard, out=np.zeros_like(heard), where=heard > 0)
    for k in np.flatnonzero(~votes.taught.all(axis=1)):
        unknown = np.flatnonzero(~votes.taught[k])
        parts = mean[:, [0, *unknown]]
        # Only teachers that know all these classes can say how likely O itself is.
        experts = votes.taught[:, unknown].all(axis=1)
        if experts.any():
            share = weights[:, experts]
            total = share.sum(axis=1, keepdims=True)
            share = np.divide(share, total, out=np.zeros_like(share), where=total > 0)
            known = np.einsum("tk,ktc->tc", share, votes.probs[experts][:, :, [0, *unknown]])
            parts = np.where(total > 0, known, parts)
        total = parts.sum(axis=1, keepdims=True)
        parts = np.divide(parts, total, out=np.zeros_like(parts), where=total > 0)
        parts[total[:, 0] <= 0, 0] = 1.0
        probs[k][:, [0, *unknown]] = votes.probs[k][:, [0]] * parts
    return probs


def split(rows: NDArray[np.float64], lengths: Sequence[int]) -> list[NDArray[np.float64]]:
    """Cut token rows into documents."""
    return np.split(rows, np.cumsum(lengths)[:-1]) if lengths else []
