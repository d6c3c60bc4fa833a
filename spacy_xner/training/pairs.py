"""Which word pairs of a batch teach: seeded, balanced, and never all of them."""

import numpy as np
from numpy.typing import NDArray


def sample_pairs(
    classes: NDArray[np.integer], limit: int, random: np.random.Generator
) -> NDArray[np.intp]:
    """Pairs of tokens, as many of one class as of two.

    Each token in turn, in random order, is given one partner of its own class and one of another,
    so that all tokens are heard, and pairs may lie across sentences and documents. Time and memory
    are in proportion to tokens and pairs.

    classes (Array[int] of shape (tokens,)): A token of a negative class takes part in no pair.
    limit (int): The most pairs.
    random (Generator): Draws.
    RETURNS (Array[int] of shape (pairs, 2)): Numbers of tokens, the smaller first, no pair twice,
        the pairs of one class before the others.
    """
    counted = np.flatnonzero(classes >= 0)
    _, found = np.unique(classes[counted], return_inverse=True)
    order = np.argsort(found, kind="stable")
    counts = np.bincount(found)
    if limit < 2 or len(counts) < 2:
        return np.zeros((0, 2), dtype=np.intp)
    # Positions in the order of classes: a class is a range of them.
    sizes = np.repeat(counts, counts)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    total, half = len(order), limit // 2
    rounds = -(-half // total)
    first = np.concatenate([random.permutation(total) for _ in range(rounds)])[:half]
    shared = first[sizes[first] > 1]
    step = 1 + random.integers(sizes[shared] - 1)
    same = starts[shared] + (shared - starts[shared] + step) % sizes[shared]
    other = random.integers(total - sizes[first])
    other += np.where(other >= starts[first], sizes[first], 0)
    both = [_distinct(shared, same, random), _distinct(first, other, random)]
    fewer = min(len(both[0]), len(both[1]))
    pairs = np.concatenate([rows[:fewer] for rows in both])
    return np.sort(counted[order[pairs]], axis=1)


def _distinct(
    first: NDArray[np.intp], second: NDArray[np.intp], random: np.random.Generator
) -> NDArray[np.intp]:
    """No pair twice, in random order."""
    rows = np.sort(np.stack([first, second], axis=1), axis=1)
    return random.permutation(np.unique(rows, axis=0))
