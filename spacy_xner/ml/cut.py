"""Documents cut into what a model of sub-words is given, and the way back to their words."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from .windows import Reduce, Span, make_windows, reduce_ranges, word_subwords


class Encoded(NamedTuple):
    """What a tokenizer says of one text, a value a sub-word.

    ids: Numbers in the vocabulary.
    offsets: First character and the one after the last.
    special: True or 1 for what the tokenizer puts around the text.
    """

    ids: list[int]
    offsets: Sequence[Span]
    special: Sequence[int]


class Reading(NamedTuple):
    """Texts cut into what a model is given, and how its answers come back to the words.

    inputs: Sub-word ids of each window, special ones included.
    kept: Of each window the part that is kept, as positions in its input, the end exclusive.
    rows: The sub-words that stand for words, by number among all that are kept.
    owners: For each of these the number of its word among all words, in order.
    """

    inputs: list[list[int]]
    kept: list[tuple[int, int]]
    rows: NDArray[np.int64]
    owners: NDArray[np.int64]


def cut_docs(
    docs: Sequence[Doc], texts: Sequence[Encoded], *, window: int, stride: int, reduce: Reduce
) -> Reading:
    """Cut documents into windows and find the sub-words of each word.

    docs (Sequence[Doc]): Also without tokens.
    texts (Sequence[Encoded]): What the tokenizer says of their texts.
    window, stride (int): Sub-words of a window at most, without special ones, and from the start of
        one to that of the next.
    reduce (Reduce): Which sub-words stand for a word.
    RETURNS (Reading): Windows and words in the order of the documents.
    """
    inputs: list[list[int]] = []
    kept: list[tuple[int, int]] = []
    ranges = [np.zeros((0, 2), dtype=np.int64)]
    subwords = 0
    for doc, (ids, offsets, special) in zip(docs, texts, strict=True):
        # What the tokenizer puts around a text goes around each window of it.
        front = next((i for i, added in enumerate(special) if not added), len(ids))
        back = len(ids) - next((i for i, added in enumerate(special[::-1]) if not added), 0)
        before, after = ids[:front], ids[max(front, back) :]
        ids = ids[front:back]
        for start, end, first, last in make_windows(len(ids), size=window, stride=stride):
            inputs.append([*before, *ids[start:end], *after])
            kept.append((first - start + front, last - start + front))
        # First character and length of each token.
        words = doc.to_array(["IDX", "LENGTH"]).astype(np.int64).reshape(-1, 2).cumsum(axis=1)
        found = word_subwords(words, np.array(offsets[front:back], dtype=np.int64).reshape(-1, 2))
        ranges.append(reduce_ranges(found, reduce) + subwords)
        subwords += len(ids)
    starts, ends = np.concatenate(ranges).T
    counts = ends - starts
    owners = np.repeat(np.arange(len(counts)), counts)
    # Within each range they count up from its start.
    rows = np.arange(len(owners)) + np.repeat(starts - (counts.cumsum() - counts), counts)
    return Reading(inputs, kept, rows, owners)
