"""Words, their sub-words, and windows over sub-words: the arithmetic of reading long texts."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Reduce = Literal["first", "last", "mean"]
Span = tuple[int, int]


class Window(NamedTuple):
    """A stretch of a text's sub-words that a model reads at once.

    start, end: What is read, the end exclusive.
    first, last: What is kept of it, the end exclusive: each sub-word is kept from one window.
    """

    start: int
    end: int
    first: int
    last: int


def make_windows(length: int, *, size: int, stride: int) -> list[Window]:
    """Cut a text into windows that overlap by size - stride sub-words.

    A sub-word that two windows read is kept from the one in which it stands further from the edge.

    length (int): Sub-words of the text.
    size (int): Of a window at most, 1 or more.
    stride (int): From the start of a window to that of the next, 1 to size.
    RETURNS (List[Window]): None for an empty text. What is kept covers the text in order.
    """
    if not length:
        return []
    starts = [0]
    while starts[-1] + size < length:
        starts.append(starts[-1] + stride)
    ends = [min(start + size, length) for start in starts]
    middles = [(start + end) // 2 for start, end in zip(starts[1:], ends, strict=False)]
    edges = [0, *middles, length]
    return [Window(*bounds) for bounds in zip(starts, ends, edges[:-1], edges[1:], strict=True)]


def word_subwords(words: NDArray[np.int64], subwords: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which sub-words of a text belong to each word, by positions of characters.

    words (Array of shape (words, 2)): First character of each word and the one after its last, in
        order, without overlaps.
    subwords (Array of shape (sub-words, 2)): The same of each sub-word, in order. Several may stand
        for one character (bytes), and one may reach over the border of two words, or be empty.
    RETURNS (Array of shape (words, 2)): Number of the first sub-word and of the one after the last;
        two equal numbers for a word that no sub-word touches.
    """
    begin = np.searchsorted(subwords[:, 1], words[:, 0], side="right")
    stop = np.searchsorted(subwords[:, 0], words[:, 1], side="left")
    return np.stack([begin, np.maximum(begin, stop)], axis=1)


def reduce_ranges(ranges: NDArray[np.int64], how: Reduce) -> NDArray[np.int64]:
    """Of each word's sub-words those whose vectors stand for it.

    ranges (Array of shape (words, 2)): See `word_subwords`.
    how (Reduce): The first, the last (in a causal model the only one that has seen the whole word),
        or all, to be averaged.
    RETURNS (Array of shape (words, 2)): Ranges again.
    """
    start, end = ranges.T
    empty = start == end
    if how == "first":
        end = np.where(empty, end, start + 1)
    elif how == "last":
        start = np.where(empty, start, end - 1)
    return np.stack([start, end], axis=1)
