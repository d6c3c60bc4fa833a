"""From label distributions to entities: constrained Viterbi and exact span probabilities.

The distributions of neighbouring tokens are tied into a linear chain by one rule, I-x only after
B-x or I-x. All recursions run over a padded batch, one step a token position.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import Errors, XnerError
from .labels import iob2_tags, tags_to_entities

# Keeps logarithms finite; far below the step of a one-byte probability.
FLOOR = 1e-12
# Padding one batch up to its longest document must not cost more than the documents themselves.
MAX_BATCH = 256


class ScoredEntity(NamedTuple):
    """An entity and the probability that exactly this span carries exactly this label."""

    start: int
    end: int
    label: str
    score: float


def transitions(n_labels: int) -> NDArray[np.bool_]:
    """Which tag may follow which, for tags in the order of `labels.iob2_tags`.

    n_labels (int): Number of entity types.
    RETURNS (Array[bool] of shape (tags, tags)): allowed[i, j] is True if j may follow i. What may
        open a document is the row of O.
    """
    n_tags = 1 + 2 * n_labels
    allowed = np.ones((n_tags, n_tags), dtype=bool)
    for inside in range(2, n_tags, 2):
        allowed[:, inside] = False
        allowed[[inside - 1, inside], inside] = True
    return allowed


def decode(
    distributions: Sequence[NDArray[np.floating]], labels: Sequence[str]
) -> list[list[ScoredEntity]]:
    """The most probable valid tag sequence of each document, as entities with probabilities.

    distributions (Sequence[Array of shape (tokens, tags)]): One array a document, rows sum to 1.
    labels (Sequence[str]): Entity types; the columns are `iob2_tags(labels)`.
    RETURNS (List[List[ScoredEntity]]): Entities of each document, in order.
    RAISES (XnerError): X003 if an array has not one column a tag.
    """
    n_tags = 1 + 2 * len(labels)
    for array in distributions:
        if array.ndim != 2 or array.shape[1] != n_tags:
            raise XnerError(Errors.X003.format(found=array.shape, expected=("tokens", n_tags)))
    tags = iob2_tags(labels)
    results: list[list[ScoredEntity]] = [[] for _ in distributions]
    for batch in batches([len(array) for array in distributions]):
        probs = pad([distributions[i] for i in batch])
        paths = viterbi(probs)
        forward, backward, scale = forward_backward(probs)
        for row, i in enumerate(batch):
            path = paths[row, : len(distributions[i])]
            entities = tags_to_entities([tags[tag] for tag in path])
            results[i] = [
                ScoredEntity(
                    start,
                    end,
                    label,
                    span_probability(
                        probs[row], forward[row], backward[row], scale[row], start, end, path[start]
                    ),
                )
                for start, end, label in entities
            ]
    return results


def batches(lengths: Sequence[int]) -> list[list[int]]:
    """Group documents of like length; documents without tokens are left out.

    lengths (Sequence[int]): Tokens of each document.
    RETURNS (List[List[int]]): Positions in `lengths`, at most MAX_BATCH a group.
    """
    groups: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if lengths[i] == 0:
            continue
        last = groups[-1] if groups else []
        if last and len(last) < MAX_BATCH and lengths[i] <= 2 * lengths[last[0]] + 8:
            last.append(i)
        else:
            groups.append([i])
    return groups


def pad(distributions: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """Stack documents into (documents, tokens, tags). Padding is a certain O, which changes neither
    the best path nor any probability of the tokens before it.
    """  # noqa: D205
    shape = (len(distributions), max(map(len, distributions)), distributions[0].shape[1])
    probs = np.full(shape, FLOOR)
    probs[:, :, 0] = 1.0
    for row, array in enumerate(distributions):
        probs[row, : len(array)] = np.maximum(array, FLOOR)
    return probs


def viterbi(probs: NDArray[np.float64]) -> NDArray[np.intp]:
    """The most probable valid tag sequence (Viterbi 1967).

    probs (Array of shape (documents, tokens, tags)): Positive, see `pad`.
    RETURNS (Array[int] of shape (documents, tokens)): Tag indices.
    """
    n_docs, length, n_tags = probs.shape
    log_probs = np.log(probs)
    penalty = np.where(transitions(n_tags // 2), 0.0, -np.inf)
    score = log_probs[:, 0] + penalty[0]
    back = np.zeros((length, n_docs, n_tags), dtype=np.intp)
    for t in range(1, length):
        candidates = score[:, :, None] + penalty
        back[t] = candidates.argmax(axis=1)
        score = candidates.max(axis=1) + log_probs[:, t]
    path = np.empty((n_docs, length), dtype=np.intp)
    path[:, -1] = score.argmax(axis=1)
    rows = np.arange(n_docs)
    for t in range(length - 1, 0, -1):
        path[:, t - 1] = back[t, rows, path[:, t]]
    return path


def forward_backward(
    probs: NDArray[np.float64], transition: NDArray[np.floating] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Scaled forward and backward messages of the chain (Rabiner 1989, section V.A).

    probs (Array of shape (documents, tokens, tags)): Positive, see `pad`. With a transition matrix
        padding is a row of ones, which changes nothing as the rows of the matrix sum to 1.
    transition (Array of shape (tags, tags)): Weight of each step; the row of O opens a document.
        By default 1 where `transitions` allows the step, else 0.
    RETURNS: forward and backward, each of shape (documents, tokens, tags), and scale of shape
        (documents, tokens). forward * backward are the tags' marginal probabilities; the product
        of a document's scales is the sum over all tag sequences. By default that is the probability
        that independent draws give a valid sequence, in a hidden Markov model the likelihood.
    """
    n_docs, length, n_tags = probs.shape
    if transition is None:
        transition = transitions(n_tags // 2).astype(np.float64)
    forward, backward = np.empty_like(probs), np.ones_like(probs)
    scale = np.empty((n_docs, length))
    for t in range(length):
        reach = forward[:, t - 1] @ transition if t else transition[0]
        message = reach * probs[:, t]
        scale[:, t] = message.sum(axis=1)
        forward[:, t] = message / scale[:, t, None]
    for t in range(length - 2, -1, -1):
        ahead = probs[:, t + 1] * backward[:, t + 1]
        backward[:, t] = ahead @ transition.T / scale[:, t + 1, None]
    return forward, backward, scale


def token_marginals(
    distributions: Sequence[NDArray[np.floating]],
) -> list[NDArray[np.float64]]:
    """Each token's tag probabilities given that the whole sequence is valid IOB2.

    distributions (Sequence[Array of shape (tokens, tags)]): One array a document.
    RETURNS (List[Array of shape (tokens, tags)]): Rows sum to 1.
    """
    results = [np.zeros(array.shape) for array in distributions]
    for batch in batches([len(array) for array in distributions]):
        forward, backward, _ = forward_backward(pad([distributions[i] for i in batch]))
        for row, i in enumerate(batch):
            length = len(distributions[i])
            results[i] = forward[row, :length] * backward[row, :length]
    return results


def span_probability(
    probs: NDArray[np.float64],
    forward: NDArray[np.float64],
    backward: NDArray[np.float64],
    scale: NDArray[np.float64],
    start: int,
    end: int,
    begin_tag: int,
) -> float:
    """The probability of B at start, I up to end, and no I after it.

    The posterior chain is Markov, so that it is the marginal of B times the steps to I, times the
    probability of not going on.

    probs, forward, backward (Array of shape (tokens, tags)): One document's rows.
    scale (Array of shape (tokens,)): Of the same document.
    start, end (int): Token indices, end exclusive.
    begin_tag (int): Column of B-x; I-x is the next one.
    RETURNS (float): Between 0 and 1.
    """
    inside = begin_tag + 1

    def step(t: int, tag: int) -> float:
        ahead = probs[t, inside] * backward[t, inside]
        return float(ahead / (scale[t] * backward[t - 1, tag]))

    score = float(forward[start, begin_tag] * backward[start, begin_tag])
    tag = begin_tag
    for t in range(start + 1, end):
        score *= step(t, tag)
        tag = inside
    if end < len(probs):
        score *= 1.0 - step(end, tag)
    return min(max(score, 0.0), 1.0)
