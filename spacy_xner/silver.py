"""The silver format: the one place that writes, reads, checks and versions it.

`doc.user_data["xner"]` holds, beside the version, the entity types, the label distribution in one
byte a probability, token and doc weights, and which teachers were heard with which weight.
`doc.ents` is the hard reading for components that know nothing of distributions; tokens that the
teachers are unsure of are marked missing there. docs/silver-format.md is the specification.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span

from .decode import ScoredEntity
from .errors import Errors, XnerError
from .labels import iob2_tags
from .spans import set_scored_spans

VERSION = 1
KEY = "xner"
SPANS_KEY = "silver"
# One byte a probability costs 15.5 bytes a token in a DocBin, float16 23.4 and float32 46.
LEVELS = 255
# One signed byte a component: cosines come back within 0.02 (docs/silver-format.md).
STEPS = 127


class Silver(NamedTuple):
    """What the teachers said about one document.

    labels: Entity types; the columns of `distribution` are `iob2_tags(labels)`.
    distribution: Array of shape (tokens, tags), rows sum to 1.
    token_weights: Array of shape (tokens,), in [0, 1].
    doc_weight: In [0, 1].
    teacher_weights: Name of each teacher and its mean weight over the document's tokens.
    similarity: Array of shape (tokens, width), or None. Inner products of rows are the pooled
        cosines of the teachers' similarity evaluators, see `ensemble/pair_pooling.py`.
    """

    labels: tuple[str, ...]
    distribution: NDArray[np.float64]
    token_weights: NDArray[np.float64]
    doc_weight: float
    teacher_weights: dict[str, float]
    similarity: NDArray[np.float64] | None = None


def write_silver(doc: Doc, silver: Silver) -> None:
    """Store silver annotations in `doc.user_data["xner"]`.

    doc (Doc): The document that is annotated in place.
    silver (Silver): As many rows and token weights as the document has tokens.
    RAISES (XnerError): X003 if the shapes do not fit the document.
    """
    expected = (len(doc), len(iob2_tags(silver.labels)))
    if silver.distribution.shape != expected:
        raise XnerError(Errors.X003.format(found=silver.distribution.shape, expected=expected))
    if silver.token_weights.shape != expected[:1]:
        found = silver.token_weights.shape
        raise XnerError(Errors.X003.format(found=found, expected=expected[:1]))
    doc.user_data[KEY] = {
        "version": VERSION,
        "labels": list(silver.labels),
        "distribution": _round_rows(silver.distribution).tobytes(),
        "token_weights": np.rint(_to_levels(silver.token_weights)).astype(np.uint8).tobytes(),
        "doc_weight": float(silver.doc_weight),
        "teachers": list(silver.teacher_weights),
        "teacher_weights": [float(weight) for weight in silver.teacher_weights.values()],
    }
    if silver.similarity is not None:
        if len(silver.similarity) != len(doc):
            found = silver.similarity.shape
            raise XnerError(Errors.X003.format(found=found, expected=(len(doc), "width")))
        width = silver.similarity.shape[1]
        packed = pack_vectors(silver.similarity)
        doc.user_data[KEY] |= {"similarity": packed, "similarity_width": width}


def pack_vectors(vectors: NDArray[np.float64]) -> bytes:
    """One signed byte for each component of vectors of length 1 at most.

    vectors (Array of shape (tokens, width)): Components from -1 to 1.
    RETURNS (bytes): Row by row; see `unpack_vectors`.
    """
    return np.rint(np.clip(vectors, -1.0, 1.0) * STEPS).astype(np.int8).tobytes()


def unpack_vectors(data: bytes, shape: tuple[int, int]) -> NDArray[np.float64]:
    """What `pack_vectors` packed.

    data (bytes): Packed vectors.
    shape (Tuple[int, int]): Tokens and width.
    RETURNS (Array of that shape): Within 1/254 of the components.
    """
    return np.frombuffer(data, dtype=np.int8).reshape(shape).astype(np.float64) / STEPS


def has_silver(doc: Doc) -> bool:
    """Does the document carry silver annotations?"""
    return KEY in doc.user_data


def read_silver(doc: Doc) -> Silver:
    """Read and check the silver annotations of a document.

    doc (Doc): A document for which `has_silver` is true.
    RAISES (XnerError): X004 if a newer version wrote them, X005 if they are damaged.
    """
    data: Any = doc.user_data.get(KEY)
    if not isinstance(data, Mapping) or not isinstance(data.get("version"), int):
        raise XnerError(Errors.X005.format(reason="no version number"))
    if data["version"] > VERSION:
        raise XnerError(Errors.X004.format(found=data["version"], expected=VERSION))
    try:
        labels = tuple(str(label) for label in data["labels"])
        shape = (len(doc), len(iob2_tags(labels)))
        levels = _from_bytes(data["distribution"], shape)
        totals = levels.sum(axis=1, keepdims=True)
        if not totals.all():
            raise ValueError("a row of the distribution is zero")
        doc_weight = float(data["doc_weight"])
        if not 0.0 <= doc_weight <= 1.0:
            raise ValueError(f"the document's weight is {doc_weight}, not 0 to 1")
        return Silver(
            labels,
            levels / totals,
            _from_bytes(data["token_weights"], shape[:1]) / LEVELS,
            doc_weight,
            dict(zip(data["teachers"], map(float, data["teacher_weights"]), strict=True)),
            unpack_vectors(data["similarity"], (len(doc), int(data["similarity_width"])))
            if "similarity" in data
            else None,
        )
    except (KeyError, TypeError, ValueError) as err:
        raise XnerError(Errors.X005.format(reason=str(err))) from err


def slice_silver(silver: Silver, start: int, end: int) -> Silver:
    """The silver annotations of the tokens from start to end (exclusive)."""
    return silver._replace(
        distribution=silver.distribution[start:end],
        token_weights=silver.token_weights[start:end],
        similarity=None if silver.similarity is None else silver.similarity[start:end],
    )


def set_hard_reading(
    doc: Doc,
    entities: Sequence[ScoredEntity],
    confidence: NDArray[np.floating],
    *,
    threshold: float,
) -> None:
    """Write entities and their scores, and mark as missing what is not certain enough.

    Writes `doc.ents` and `doc.spans["silver"]` with `attrs["scores"]`. All entities are in the span
    group; those below the threshold are missing in `doc.ents`, and so are tokens outside of
    entities whose confidence is below it. Confident tokens outside stay O: from entities and
    missing tokens alone a model would never learn O.

    doc (Doc): Annotated in place.
    entities (Sequence[ScoredEntity]): Non-overlapping, in order.
    confidence (Array of shape (tokens,)): Probability of each token's best tag.
    threshold (float): In [0, 1]; 0 marks nothing as missing.
    """
    spans = set_scored_spans(doc, SPANS_KEY, entities)
    sure = [span for span, ent in zip(spans, entities, strict=True) if ent.score >= threshold]
    missing = confidence < threshold
    for span in spans:
        missing[span.start : span.end] = True
    for span in sure:
        missing[span.start : span.end] = False
    doc.set_ents(sure, missing=_runs(doc, missing), default="outside")


def _runs(doc: Doc, mask: NDArray[np.bool_]) -> list[Span]:
    """Spans that cover the true positions of a mask."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [Span(doc, int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _to_levels(array: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.clip(array, 0.0, 1.0) * LEVELS


def _round_rows(distribution: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Whole levels with each row's sum kept: the largest remainders are rounded up.

    Rounded one by one, many small probabilities would add up and crowd out the large one.
    """
    exact = _to_levels(distribution)
    levels = np.floor(exact)
    rank = (levels - exact).argsort(axis=1, kind="stable").argsort(axis=1)
    levels += rank < np.rint((exact - levels).sum(axis=1, keepdims=True))
    return levels.astype(np.uint8)


def _from_bytes(data: bytes, shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.frombuffer(data, dtype=np.uint8).reshape(shape).astype(np.float64)
