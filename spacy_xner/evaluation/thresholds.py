"""What a threshold on the scores of entities would give and take: precision against recall.

One run of the pipeline is enough, for a threshold leaves entities out and changes no other.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from spacy.training import Example

from .calibration import scored_spans

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(20))
# No test set is large enough for more to mean anything.
DIGITS = 4


class Curve(NamedTuple):
    """One number a threshold: entities with that score or a higher one, and how good they are."""

    entities: NDArray[np.int64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


def threshold_curve(
    scores: ArrayLike, correct: ArrayLike, gold: int, thresholds: Sequence[float] = THRESHOLDS
) -> Curve:
    """Precision, recall and F1 of the entities whose scores reach each threshold.

    scores (ArrayLike): Of the predicted entities, shape (entities,).
    correct (ArrayLike): Was the entity right? Shape (entities,).
    gold (int): How many gold entities there are.
    thresholds (Sequence[float]): Any numbers.
    RETURNS (Curve): From exact counts. A ratio without a denominator is 0.
    """
    values, hits = np.asarray(scores, dtype=np.float64), np.asarray(correct, dtype=bool)
    order = np.argsort(values)
    # Position i: what the entities from the i-th lowest score upwards hold.
    right = np.append(np.cumsum(hits[order][::-1])[::-1], 0)
    first = np.searchsorted(values[order], np.asarray(thresholds), side="left")
    entities, positives = len(values) - first, right[first]
    return Curve(
        entities,
        positives / np.maximum(entities, 1),
        positives / max(gold, 1) + np.zeros(len(first)),
        2 * positives / np.maximum(entities + gold, 1),
    )


def macro_curve(curves: Sequence[Curve]) -> Curve:
    """The mean of the ratios of several curves, and the sum of their entities.

    curves (Sequence[Curve]): One or more, over the same thresholds.
    """
    entities, *ratios = (np.stack(column) for column in zip(*curves, strict=True))
    return Curve(entities.sum(axis=0), *(ratio.mean(axis=0) for ratio in ratios))


def curve_of(
    examples: Sequence[Example], labels: Sequence[str], *, spans_key: str = "xner"
) -> Curve | None:
    """The curve of a pipeline on one test set, from the scores that it has written.

    A pipeline with a threshold of its own has written nothing below it, so that its curve is flat
    up to there.

    examples (Sequence[Example]): Predicted and gold docs with the same tokens.
    labels (Sequence[str]): The classes that count.
    spans_key (str): The group in `doc.spans` that holds the scored spans.
    RETURNS (Optional[Curve]): None if no document has scores.
    RAISES (XnerError): X501 if a group has not one score a span.
    """
    groups = [eg.x.spans[spans_key] for eg in examples if spans_key in eg.x.spans]
    if not any("scores" in group.attrs for group in groups):
        return None
    gold = sum(ent.label_ in labels for eg in examples for ent in eg.y.ents)
    return threshold_curve(*scored_spans(examples, spans_key=spans_key, labels=labels), gold)


def curve_report(found: Mapping[str, Curve | None]) -> dict[str, Any] | None:
    """The curves of a pipeline on several test sets, as reports have them.

    found (Mapping[str, Optional[Curve]]): By language, see `curve_of`.
    RETURNS (Optional[Dict[str, Any]]): JSON-able: "thresholds"; "languages": by language
        "entities", "precision", "recall" and "f1", one number a threshold, ratios with four
        digits; "macro": the same of all, see `macro_curve`. None if no language has scores.
    """
    curves = {language: curve for language, curve in found.items() if curve is not None}
    if not curves:
        return None
    return {
        "thresholds": list(THRESHOLDS),
        "languages": {language: _rounded(curve) for language, curve in curves.items()},
        "macro": _rounded(macro_curve(list(curves.values()))),
    }


def _rounded(curve: Curve) -> dict[str, Any]:
    return {key: np.round(row, DIGITS).tolist() for key, row in curve._asdict().items()}


def curve_table(report: Mapping[str, Any]) -> str:
    """The macro average of a `curve_report` at every second threshold, as a Markdown table."""
    columns = [report["macro"][key] for key in ("precision", "recall", "f1", "entities")]
    rows = list(zip(report["thresholds"], *columns, strict=True))
    lines = ["| threshold | P | R | F1 | entities |", "|" + " ---: |" * 5]
    for threshold, *ratios, entities in rows[::2]:
        cells = [f"{threshold:.1f}", *(f"{100 * ratio:.1f}" for ratio in ratios), str(entities)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
