"""What silver annotations look like: label counts, certainty, and where the teachers disagree."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
from spacy.tokens import Doc, Span

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
    counts: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    sums, scores, weights = (defaultdict[str, float](float) for _ in range(3))
    pairs: dict[tuple[str, str], np.ndarray] = {}
    disputed: list[tuple[float, int, dict[str, Any]]] = []
    for number, doc in enumerate(docs):
        if not has_silver(doc):
            raise XnerError(Errors.X005.format(reason=f"document {number + 1} has none"))
        silver = read_silver(doc)
        logs = np.log(np.maximum(silver.distribution, 1e-12))
        entropy = -(silver.distribution * logs).sum(axis=1)
        counts.update(docs=1, tokens=len(doc), missing=sum(t.ent_iob == 0 for t in doc))
        sums["entropy"] += float(entropy.sum())
        sums["confidence"] += confidence(silver)
        for span, score in _scored(doc, number):
            labels[span.label_] += 1
            scores[span.label_] += score
        for name, weight in silver.teacher_weights.items():
            weights[name] += weight
        votes = teacher_votes(doc)
        for a, b in combinations(sorted(votes), 2):
            found = [len(votes[a] & votes[b]), len(votes[a]), len(votes[b])]
            pairs[a, b] = pairs.get((a, b), np.zeros(3)) + found
        # Where nobody was heard nobody disputes.
        mean = float(entropy.mean()) if len(doc) and silver.doc_weight else 0.0
        entry = {
            "id": doc.user_data.get("id", ""),
            "text": doc.text,
            "entropy": mean,
            "votes": {name: sorted(spans) for name, spans in votes.items()},
        }
        disputed.append((-mean, number, entry))
        if len(disputed) > 50 * top:
            disputed = sorted(disputed)[:top]
    n_docs, n_tokens = max(counts["docs"], 1), max(counts["tokens"], 1)
    return {
        "docs": counts["docs"],
        "tokens": counts["tokens"],
        "entities": {
            label: {"count": n, "score": scores[label] / n} for label, n in sorted(labels.items())
        },
        "missing": counts["missing"] / n_tokens,
        "entropy": sums["entropy"] / n_tokens,
        "confidence": sums["confidence"] / n_docs,
        "weights": {name: weight / n_docs for name, weight in weights.items()},
        "agreement": {
            f"{a} {b}": 2 * both / (one + two) if one + two else None
            for (a, b), (both, one, two) in pairs.items()
        },
        "disputed": [entry for _, _, entry in sorted(disputed)[:top]],
    }


def _scored(doc: Doc, number: int) -> list[tuple[Span, float]]:
    group = doc.spans.get(SPANS_KEY)
    scores = () if group is None else group.attrs.get("scores", ())
    if group is None or len(group) != len(scores):
        reason = f"document {number + 1} has no doc.spans['{SPANS_KEY}'] with one score a span"
        raise XnerError(Errors.X005.format(reason=reason))
    return list(zip(group, scores, strict=True))


def teacher_votes(doc: Doc) -> dict[str, set[tuple[int, int, str]]]:
    """Each teacher's own entities, where the ensemble kept them: (start, end, label)."""
    prefix = f"{SPANS_KEY}/"
    return {
        key.removeprefix(prefix): {(span.start, span.end, span.label_) for span in group}
        for key, group in doc.spans.items()
        if key.startswith(prefix)
    }
