"""What a cell keeps of a model's predictions: enough to compare and to explain, and no text."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example

from ..evaluation.bootstrap import Counts, sentence_counts
from ..evaluation.calibration import reliability_bins, scored_spans
from ..evaluation.report import entity_sets, score_language
from ..labels import Entity

LABELS = ("LOC", "ORG", "PER")
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
COLUMNS = ("right", "found", "gold")
BINS = 10
LONG = 3
Slices = dict[str, dict[str, list[int]]]


def score_cell(
    examples: Mapping[str, Sequence[Example]], known: Mapping[str, Collection[str]] | None = None
) -> dict[str, Any]:
    """All that a cell says about predictions.

    examples (Mapping[str, Sequence[Example]]): Predicted and gold docs by target.
    known (Optional[Mapping[str, Collection[str]]]): By target, the entities' texts in the silver
        annotations that the model learnt from.
    RETURNS (Dict[str, Any]): JSON-able. "scores", "counts", "calibration" and "slices", see
        docs/study.md.
    RAISES (XnerError): X502, X503, X505, see `score_language`.
    """
    scores, counts = {}, {}
    slices: Slices = {}
    pairs: list[tuple[float, bool]] = []
    for target, found in examples.items():
        row = score_language(found, LABELS, language=target)
        scores[target] = {**row["micro"], "ece": row["ece"], "sentences": row["sentences"]}
        sets = entity_sets(found, LABELS, language=target)
        counts[target] = pack_counts(sentence_counts(*sets))
        pairs += zip(*scored_spans(found, labels=LABELS), strict=True)
        texts = None if known is None else known[target]
        for eg, gold, predicted in zip(found, *sets, strict=True):
            add_slices(slices, eg.y, gold, predicted, texts)
    return {
        "scores": scores,
        "counts": counts,
        "calibration": calibration(pairs),
        "slices": slices,
    }


def pack_counts(counts: Counts) -> dict[str, str]:
    """One character a sentence for each column of `sentence_counts`; more than 35 count as 35.

    counts (Counts): Shape (sentences, 3).
    RETURNS (Dict[str, str]): "right", "found" and "gold".
    """
    rows = np.minimum(counts, len(DIGITS) - 1)
    columns = zip(COLUMNS, rows.T.tolist(), strict=True)
    return {name: "".join(DIGITS[n] for n in column) for name, column in columns}


def calibration(pairs: Sequence[tuple[float, bool]]) -> list[list[float]]:
    """The spans in each of ten bins of the score: how many, sum of scores, how many are right.

    pairs (Sequence[Tuple[float, bool]]): Score of each span, and whether it is right.
    RETURNS (List[List[float]]): A row a bin; none without spans.
    """
    table = reliability_bins(*zip(*pairs, strict=True), bins=BINS) if pairs else []
    rows = [[0, 0.0, 0] for _ in range(BINS)] if table else []
    for found in table:
        right = round(found.spans * found.accuracy)
        rows[round(found.lower * BINS)] = [found.spans, found.spans * found.confidence, right]
    return rows


def add_slices(
    slices: Slices,
    doc: Doc,
    gold: Collection[Entity],
    predicted: Collection[Entity],
    known: Collection[str] | None,
) -> None:
    """Count a sentence's entities by class, by words, and by whether their text was in the silver.

    slices (Slices): By kind and group [right, found, gold]; changed.
    doc (Doc): The sentence.
    gold, predicted (Collection[Entity]): (start, end, label).
    known (Optional[Collection[str]]): Texts in the silver annotations; None leaves that kind out.
    """
    for column, entities in enumerate((set(gold) & set(predicted), predicted, gold)):
        for start, end, label in entities:
            words = end - start
            groups = {"class": label, "length": str(words) if words < LONG else f"{LONG}+"}
            if known is not None:
                groups["seen"] = "seen" if doc[start:end].text in known else "unseen"
            for kind, group in groups.items():
                slices.setdefault(kind, {}).setdefault(group, [0, 0, 0])[column] += 1


def texts_of(docs: Sequence[Doc]) -> set[str]:
    """The texts of all entities of some documents."""
    return {ent.text for doc in docs for ent in doc.ents}
