"""Move label distributions from one tokenisation of a text to another.

Rules: when a token is split, its first part keeps B-x and the others turn B-x into I-x; when
tokens are merged, O is what the part least outside says, so that punctuation cannot outvote the
name it is glued to; the classes share the rest by their mean masses, and the part that opens an
entity decides between B and I. B and I columns are never averaged with each other.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from .errors import Errors, XnerError


def project_tokens(
    distribution: NDArray[np.float64], source: Doc, target: Doc
) -> NDArray[np.float64]:
    """Give the target's tokens the label distributions of the source's tokens.

    distribution (Array of shape (source tokens, tags)): Columns O, B-x, I-x, B-y, I-y, ...
    source (Doc): The tokens that the rows belong to.
    target (Doc): The same text, possibly in other tokens.
    RETURNS (Array of shape (target tokens, tags)): Rows sum to 1 where the source's do. A target
        token that no source token touches is a certain O.
    RAISES (XnerError): X003 for a wrong number of rows, X405 if the texts differ.
    """
    if len(distribution) != len(source):
        expected = (len(source), distribution.shape[1])
        raise XnerError(Errors.X003.format(found=distribution.shape, expected=expected))
    source_offsets, target_offsets = _checked_offsets(source, target)
    if source_offsets == target_offsets:
        return distribution
    result = np.zeros((len(target), distribution.shape[1]))
    for i, touched in enumerate(_overlaps(source_offsets, target_offsets)):
        start = target_offsets[i][0]
        parts = [
            distribution[j] if source_offsets[j][0] >= start else _continued(distribution[j])
            for j in touched
        ]
        result[i] = _merged(parts) if parts else _certain_outside(distribution.shape[1])
    return result


def project_vectors(vectors: NDArray[np.float64], source: Doc, target: Doc) -> NDArray[np.float64]:
    """Give the target's tokens the vectors of the source's tokens.

    vectors (Array of shape (source tokens, width)): Any.
    source, target (Doc): The same text, possibly in other tokens.
    RETURNS (Array of shape (target tokens, width)): A token that several source tokens touch has
        the mean of their vectors, with the mean of their lengths; one that none touches has zeros.
    RAISES (XnerError): X405 if the texts differ.
    """
    source_offsets, target_offsets = _checked_offsets(source, target)
    if source_offsets == target_offsets:
        return vectors
    result = np.zeros((len(target), vectors.shape[1]))
    for row, touched in zip(result, _overlaps(source_offsets, target_offsets), strict=True):
        if len(touched) == 1:
            row[:] = vectors[touched[0]]
        elif touched:
            parts = vectors[touched.start : touched.stop]
            mean, length = parts.mean(axis=0), np.linalg.norm(parts, axis=1).mean()
            row[:] = mean * (length / max(float(np.linalg.norm(mean)), 1e-12))
    return result


def _checked_offsets(source: Doc, target: Doc) -> tuple[list[tuple[int, int]], ...]:
    found = (_offsets(source), _offsets(target))
    if found[0] != found[1] and source.text.rstrip() != target.text.rstrip():
        raise XnerError(Errors.X405.format(source=source.text[:60], target=target.text[:60]))
    return found


def _overlaps(
    source: Sequence[tuple[int, int]], target: Sequence[tuple[int, int]]
) -> Iterator[range]:
    """The source tokens that each target token touches."""
    first = 0
    for start, end in target:
        while first < len(source) and source[first][1] <= start:
            first += 1
        last = first
        while last < len(source) and source[last][0] < end:
            last += 1
        yield range(first, last)


def _offsets(doc: Doc) -> list[tuple[int, int]]:
    return [(token.idx, token.idx + len(token)) for token in doc]


def _continued(row: NDArray[np.float64]) -> NDArray[np.float64]:
    """The later parts of a split token go on with what its first part began."""
    result = row.copy()
    result[2::2] += result[1::2]
    result[1::2] = 0.0
    return result


def _merged(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """One row for several tokens that the target holds as one."""
    if len(parts) == 1:
        return parts[0]
    rows = np.stack(parts)
    begin, inside = rows[:, 1::2], rows[:, 2::2]
    mass = begin + inside
    # Against the largest mass: a part that is all but surely outside has no say.
    mean, most = mass.mean(axis=0), mass.max(axis=0)
    share = np.divide(begin.max(axis=0), most, out=np.zeros_like(most), where=most > 0)
    total, found = rows.sum(axis=1).mean(), mean.sum()
    result = np.empty(rows.shape[1])
    result[0] = rows[:, 0].min() if found > 0 else total
    mean *= (total - result[0]) / found if found > 0 else 0.0
    result[1::2], result[2::2] = mean * share, mean * (1.0 - share)
    return result


def _certain_outside(n_tags: int) -> NDArray[np.float64]:
    row = np.zeros(n_tags)
    row[0] = 1.0
    return row
