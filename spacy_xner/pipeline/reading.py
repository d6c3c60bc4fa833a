"""Give documents to a model in batches it can hold: long ones in pieces, like lengths together."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from thinc.api import Model, Ops
from thinc.types import Floats2d

# Longer documents are read in pieces of so many tokens: a transformer would run all windows of a
# document at once, at 62 KB a token.
LONGEST = 2000


def read_rows(
    model: Model[list[Doc], list[Floats2d]],
    docs: Iterable[Doc],
    finish: Callable[[Floats2d], Floats2d],
    *,
    width: int,
    batch_words: int,
) -> list[NDArray[np.float64]]:
    """What a model gives for each token of some documents, which are not touched.

    model (Model[List[Doc], List[Floats2d]]): Gives arrays of shape (tokens, width).
    docs (Iterable[Doc]): Any documents, also without tokens.
    finish (Callable[[Floats2d], Floats2d]): What is done to each array.
    width (int): Of the arrays.
    batch_words (int): The largest padded batch that the model is given at once, in tokens.
    RETURNS (List[Array of shape (tokens, width)]): One array a document.
    """
    docs = list(docs)
    pieces = [(i, piece) for i, doc in enumerate(docs) for piece in _pieces(doc)]
    answers: list[Any] = [None] * len(pieces)
    for batch in length_batches([piece for _, piece in pieces], batch_words):
        found = model.predict([pieces[j][1] for j in batch])
        for j, rows in zip(batch, found, strict=True):
            answers[j] = model.ops.to_numpy(finish(rows)).astype(np.float64)
    results = [[np.zeros((0, width))] for _ in docs]
    for (i, _), rows in zip(pieces, answers, strict=True):
        results[i].append(rows)
    return [np.concatenate(parts) for parts in results]


def _pieces(doc: Doc) -> list[Doc]:
    """The document itself, or pieces of at most `LONGEST` tokens; none if it has no token."""
    if len(doc) <= LONGEST:
        return [doc] if len(doc) else []
    return [doc[start : start + LONGEST].as_doc() for start in range(0, len(doc), LONGEST)]


def length_batches(docs: Sequence[Sized], batch_words: int) -> Iterator[list[int]]:
    """Documents of like length together: padding is work that nobody asked for.

    docs (Sequence[Sized]): Documents.
    batch_words (int): The largest padded batch, in tokens; a longer document is one by itself.
    YIELDS (List[int]): Numbers of documents.
    """
    batch: list[int] = []
    for i in sorted(range(len(docs)), key=lambda i: len(docs[i])):
        if batch and len(docs[i]) * (len(batch) + 1) > batch_words:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def split_rows(ops: Ops, rows: Floats2d, like: Sequence[Floats2d]) -> list[Floats2d]:
    """Cut the joined rows of a batch into its documents again.

    ops (Ops): Of the model.
    rows (Floats2d of shape (tokens of all documents, any)): E.g. a gradient.
    like (Sequence[Floats2d]): Arrays of the documents' lengths.
    RETURNS (List[Floats2d]): One array a document.
    """
    ends = np.cumsum([len(array) for array in like])[:-1]
    return ops.xp.split(ops.asarray2f(rows), ends.tolist())
