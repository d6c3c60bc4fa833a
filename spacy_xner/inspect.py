"""What silver annotations look like: label counts, certainty, and where the teachers disagree."""

from collections import Counter
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
from spacy.tokens import Doc

from .errors import Errors, XnerError
from .silver import SPANS_KEY, has_silver, read_silver
from .training.corpus import confidence


def describe(docs: Iterable[Doc], *, top: int = 5) -> dict[str, Any]:
    """Summarise silver documents.

    docs (Iterable[Doc]): Documents with silver annotations.
    top (int): How many of the most disputed sentences to list.
    RETURNS (Dict[str, Any]): "docs", "tokens"; "entities": by label, with the mean "score";
        "missing": share of tokens marked missing; "entropy": mean over tokens, in nats;
        "confidence": mean over documents; "weights": mean weight by teacher; "agreement": F1
        between the entities of each two teachers, None where neither found any; "disputed": the
        documents of the highest mean entropy, with "id", "text", "entropy" and "votes".
    RAISES (XnerError): X005 if a document has no silver annotations.
    """
    totals: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    scores: Counter[str] = Counter()
    weights: Counter[str] = Counter()
    pairs: dict[tuple[str, str], np.ndarray] = {}
    disputed: list[tuple[float, int, dict[str, Any]]] = []
    for number, doc in enumerate(docs):
        if not has_silver(doc):
            raise XnerError(Errors.X005.format(reason=f"document {number + 1} has none"))
        silver = read_silver(doc)
        logs = np.log(np.maximum(silver.distribution, 1e-12))
        entropy = -(silver.distribution * logs).sum(axis=1)
        totals.update(docs=1, tokens=len(doc), missing=sum(t.ent_iob == 0 for t in doc))
        totals.update(entropy=float(entropy.sum()), confidence=confidence(silver))  # type: ignore[arg-type]
        group = doc.spans[SPANS_KEY]
        for span, score in zip(group, group.attrs["scores"], strict=True):
            labels[span.label_] += 1
            scores[span.label_] += score
        weights.update(silver.teacher_weights)  # type: ignore[arg-type]
        votes = teacher_votes(doc)
        for a, b in combinations(votes, 2):
            counts = [len(votes[a] & votes[b]), len(votes[a]), len(votes[b])]
            pairs[a, b] = pairs.get((a, b), np.zeros(3)) + counts
        mean = float(entropy.mean()) if len(doc) else 0.0
        entry = {
            "id": doc.user_data.get("id", ""),
            "text": doc.text,
            "entropy": mean,
            "votes": {name: sorted(spans) for name, spans in votes.items()},
        }
        disputed.append((-mean, number, entry))
        if len(disputed) > 50 * top:
            disputed = sorted(disputed)[:top]
    n_docs, n_tokens = max(totals["docs"], 1), max(totals["tokens"], 1)
    return {
        "docs": totals["docs"],
        "tokens": totals["tokens"],
        "entities": {
            label: {"count": n, "score": scores[label] / n} for label, n in sorted(labels.items())
        },
        "missing": totals["missing"] / n_tokens,
        "entropy": totals["entropy"] / n_tokens,
        "confidence": totals["confidence"] / n_docs,
        "weights": {name: weight / n_docs for name, weight in weights.items()},
        "agreement": {
            f"{a} {b}": 2 * both / (one + two) if one + two else None
            for (a, b), (both, one, two) in pairs.items()
        },
        "disputed": [entry for _, _, entry in sorted(disputed)[:top]],
    }


def teacher_votes(doc: Doc) -> dict[str, set[tuple[int, int, str]]]:
    """Each teacher's own entities, where the ensemble kept them: (start, end, label)."""
    prefix = f"{SPANS_KEY}/"
    return {
        key.removeprefix(prefix): {(span.start, span.end, span.label_) for span in group}
        for key, group in doc.spans.items()
        if key.startswith(prefix)
    }
