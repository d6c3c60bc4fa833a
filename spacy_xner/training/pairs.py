"""Pairs of words for the similarity task: seeded, balanced, drawn anew for each batch."""

import numpy as np
from numpy.typing import NDArray

from ..ml.pairs import Pairs

NOBODY = -1


def tag_classes(target: NDArray[np.floating], weights: NDArray[np.floating]) -> NDArray[np.int64]:
    """The most probable tag of each token, or -1 for one that teaches nothing.

    target (Array of shape (tokens, tags)): Gold tags or the teachers' distributions.
    weights (Array of shape (tokens,)): 0 for a token without annotation.
    RETURNS (Array[int] of shape (tokens,)): Columns.
    """
    if not len(target):
        return np.zeros(0, dtype=np.int64)
    return np.where(weights > 0, target.argmax(axis=1), NOBODY)


def sample_pairs(
    classes: NDArray[np.int64], *, max_pairs: int, random: np.random.Generator
) -> Pairs:
    """Pairs among all tokens of a batch, within and across sentences and documents.

    Every token is the first of as many pairs as any other, or of one fewer. Its partners are in
    turn one of the same tag and one of another. That other tag is drawn first, each alike, so that
    classes of entities meet each other and not only O. A token that is alone with its tag is paired
    with other tags only, and where there is one tag all pairs are of that. Memory grows with tokens
    and pairs, never with their product.

    classes (Array[int] of shape (tokens,)): Tags; -1 for tokens that take part in no pair.
    max_pairs (int): So many at most; fewer where there are not as many different ones.
    random (Generator): Decides everything.
    RETURNS (Pairs): No token is paired with itself. A pair may come more than once.
    """
    known = np.flatnonzero(classes != NOBODY)
    count = min(max_pairs, len(known) * (len(known) - 1) // 2)
    if count <= 0:
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    # `own` is each token's class from 0; `order` has the tokens class by class.
    _, own, sizes = np.unique(classes[known], return_inverse=True, return_counts=True)
    order = np.argsort(own, kind="stable")
    starts = np.cumsum(sizes) - sizes
    place = np.empty_like(order)
    place[order] = np.arange(len(order)) - starts[own[order]]

    first = np.resize(random.permutation(len(known)), count)
    # Odd and even, and the other way about in the next round: each token has both.
    turn = (np.arange(count) % len(known) + np.arange(count) // len(known)) % 2 == 0
    mine = own[first]
    alike = (sizes[mine] > 1) & (turn | (len(sizes) == 1))
    # The same tag: another token of it, so many places further round.
    step = 1 + (random.random(count) * (sizes[mine] - 1)).astype(np.intp)
    same = starts[mine] + (place[first] + step) % sizes[mine]
    # Another tag.
    other = (mine + 1 + (random.random(count) * (len(sizes) - 1)).astype(np.intp)) % len(sizes)
    different = starts[other] + (random.random(count) * sizes[other]).astype(np.intp)
    second = order[np.where(alike, same, different)]
    return known[first], known[second]
