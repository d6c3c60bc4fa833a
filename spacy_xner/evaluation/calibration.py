"""Do the scores of predicted spans mean what they say? Expected calibration error."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from spacy.training import Example

from ..errors import Errors, XnerError


class ReliabilityBin(NamedTuple):
    """The spans whose scores lie in (lower, upper]: mean score and share of correct spans."""

    lower: float
    upper: float
    spans: int
    confidence: float
    accuracy: float


def reliability_bins(
    scores: ArrayLike, correct: ArrayLike, *, bins: int = 10
) -> list[ReliabilityBin]:
    """The data of a reliability diagram, with bins of equal width; empty bins are left out.

    scores (ArrayLike): Probabilities, shape (spans,).
    correct (ArrayLike): Was the span right? Shape (spans,).
    bins (int): Number of bins over (0, 1]. A score of 0 falls into the first.
    RETURNS (List[ReliabilityBin]): In the order of the scores.
    Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2.
    """
    probabilities = np.asarray(scores, dtype=np.float64)
    hits = np.asarray(correct, dtype=np.float64)
    index = np.clip(np.ceil(probabilities * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(index, minlength=bins)
    confidence = np.bincount(index, weights=probabilities, minlength=bins)
    accuracy = np.bincount(index, weights=hits, minlength=bins)
    return [
        ReliabilityBin(
            lower=b / bins,
            upper=(b + 1) / bins,
            spans=int(counts[b]),
            confidence=float(confidence[b] / counts[b]),
            accuracy=float(accuracy[b] / counts[b]),
        )
        for b in np.flatnonzero(counts).tolist()
    ]


def expected_calibration_error(
    scores: ArrayLike, correct: ArrayLike, *, bins: int = 10
) -> float | None:
    """The mean gap between score and accuracy over bins, weighted by the spans in each bin.

    scores (ArrayLike): Probabilities, shape (spans,).
    correct (ArrayLike): Was the span right? Shape (spans,).
    bins (int): Number of bins of equal width.
    RETURNS (Optional[float]): sum_b n_b / n |accuracy_b - confidence_b|, from 0 to 1; None without
        spans.
    Naeini et al. 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning"; Guo et
    al. 2017, equation 3.
    """
    table = reliability_bins(scores, correct, bins=bins)
    if not table:
        return None
    total = sum(row.spans for row in table)
    return sum(row.spans * abs(row.accuracy - row.confidence) for row in table) / total


def scored_spans(
    examples: Iterable[Example], *, spans_key: str = "xner", labels: Sequence[str] | None = None
) -> tuple[list[float], list[bool]]:
    """Collect the scores of predicted spans, and whether start, end and label are in the gold.

    Left out, because nothing can be said about them: docs without entity annotation in the gold,
    spans that overlap a gold token whose annotation is missing, and docs without scores.

    examples (Iterable[Example]): Predicted and reference docs.
    spans_key (str): The group in `doc.spans` whose `attrs["scores"]` are read.
    labels (Optional[Sequence[str]]): Count only spans of these labels; None for all.
    RETURNS (Tuple[List[float], List[bool]]): Scores and correctness, one each a span.
    RAISES (XnerError): X501 if a group has not one score a span.
    """
    all_scores: list[float] = []
    correct: list[bool] = []
    for eg in examples:
        if spans_key not in eg.x.spans or not eg.y.has_annotation("ENT_IOB"):
            continue
        group = eg.x.spans[spans_key]
        scores = group.attrs.get("scores")
        if scores is None:
            continue
        if len(scores) != len(group):
            raise XnerError(Errors.X501.format(scores=len(scores), spans=len(group), key=spans_key))
        gold = {(ent.start, ent.end, ent.label_) for ent in eg.y.ents}
        x2y = eg.alignment.x2y
        for span, score in zip(group, scores, strict=True):
            if labels is not None and span.label_ not in labels:
                continue
            indices = x2y[span.start : span.end]
            if not len(indices):
                continue
            start, end = int(indices[0]), int(indices[-1]) + 1
            if any(token.ent_iob == 0 for token in eg.y[start:end]):
                continue
            all_scores.append(float(score))
            correct.append((start, end, span.label_) in gold)
    return all_scores, correct
