"""Strict IOB2 scores by seqeval, the figures that papers report."""

import importlib
from collections.abc import Sequence
from typing import Any

from ..errors import Errors, XnerError
from ..labels import split_tag


def _mask(tags: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Write O for the tags of all other classes."""
    return [tag if split_tag(tag)[1] in labels else "O" for tag in tags]


def strict_scores(
    gold_tags: Sequence[Sequence[str]],
    predicted_tags: Sequence[Sequence[str]],
    labels: Sequence[str],
) -> dict[str, Any]:
    """Precision, recall, F1 and support over exact spans: seqeval, mode "strict", scheme IOB2.

    A class outside `labels` counts as O, in the prediction and in the gold. A ratio without a
    denominator is 0.

    gold_tags (Sequence[Sequence[str]]): IOB2 tags, shape (sentences, tokens).
    predicted_tags (Sequence[Sequence[str]]): IOB2 tags of the same shape.
    labels (Sequence[str]): The classes that count, e.g. ["PER", "LOC", "ORG"].
    RETURNS (Dict[str, Any]): "micro", the micro average, and "per_type", by label. Each is a
        dictionary of "precision", "recall", "f1" (0 to 1) and "support" (gold entities).
    RAISES (XnerError): X505 if seqeval is not installed, X001 if a tag is not IOB2.
    """
    try:
        metrics = importlib.import_module("seqeval.metrics")
        scheme = importlib.import_module("seqeval.scheme").IOB2
    except ImportError as err:
        raise XnerError(Errors.X505) from err
    gold = [_mask(tags, labels) for tags in gold_tags]
    predicted = [_mask(tags, labels) for tags in predicted_tags]
    report: dict[str, Any] = {}
    # seqeval divides by zero where neither side has an entity, and refuses an empty list.
    if any(tag.startswith("B-") for tags in (*gold, *predicted) for tag in tags):
        report = metrics.classification_report(
            gold, predicted, output_dict=True, mode="strict", scheme=scheme, zero_division=0
        )
    return {
        "micro": _row(report.get("micro avg")),
        "per_type": {label: _row(report.get(label)) for label in labels},
    }


def _row(scores: dict[str, Any] | None) -> dict[str, float | int]:
    """Plain numbers under our names; zeros for a class that appears nowhere."""
    if scores is None:
        return {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    return {
        "precision": float(scores["precision"]),
        "recall": float(scores["recall"]),
        "f1": float(scores["f1-score"]),
        "support": int(scores["support"]),
    }
