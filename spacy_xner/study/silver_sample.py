"""A small sample of silver sentences, for people to look at."""

from collections.abc import Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from spacy.tokens import Doc, SpanGroup
from spacy.vocab import Vocab

from ..errors import Errors, XnerError
from ..shards import read_docs, spacy_files
from ..silver import SPANS_KEY, has_silver, read_silver

SENTENCES = 40
# Longer texts are no sentences, and would fill the screen.
LONGEST = 100


def sample_silver(folder: Path, *, sentences: int = SENTENCES) -> dict[str, list[dict[str, Any]]]:
    """Take some sentences of each target.

    Only the first file of a target is read, and only sentences count in which the ensemble or a
    teacher sees an entity. They are taken at equal distances, so that no label or score chooses.

    folder (Path): With one folder of silver shards a target.
    sentences (int): At most so many of each target.
    RETURNS (Dict[str, List[Dict[str, Any]]]): By target, see `describe_sentence`.
    RAISES (XnerError): X601 if there is no such folder, X007 if it has no silver, X006 or X005 if
        a file is damaged or no silver.
    """
    if not folder.exists():
        raise XnerError(Errors.X601.format(path=folder))
    parts = sorted(part for part in folder.glob("*/") if list(part.glob("*.spacy")))
    if not parts:
        raise XnerError(Errors.X007.format(path=folder))
    return {
        part.name: _spread(_described(read_docs(spacy_files(part)[0], Vocab())), sentences)
        for part in parts
    }


def _described(docs: Iterable[Doc]) -> list[dict[str, Any]]:
    found = []
    for number, doc in enumerate(docs, start=1):
        if not has_silver(doc):
            raise XnerError(Errors.X005.format(reason=f"document {number} has none"))
        if 0 < len(doc) <= LONGEST and any(len(group) for group in _groups(doc).values()):
            found.append(describe_sentence(doc))
    return found


def _spread(found: Sequence[dict[str, Any]], sentences: int) -> list[dict[str, Any]]:
    if len(found) <= sentences:
        return list(found)
    return [found[number * len(found) // sentences] for number in range(sentences)]


def describe_sentence(doc: Doc) -> dict[str, Any]:
    """A sentence with its silver annotations.

    doc (Doc): With silver annotations.
    RETURNS (Dict[str, Any]): "id"; "tokens": text of each and whether a space follows; "spans" of
        the ensemble with "start" and "end" in tokens, "label" and "score"; "votes": the same by
        teacher, where they were kept; "weights": mean weight by teacher.
    RAISES (XnerError): X004 or X005, see `silver.read_silver`.
    """
    groups = _groups(doc)
    weights = read_silver(doc).teacher_weights
    if not all(map(isfinite, weights.values())):
        raise XnerError(Errors.X005.format(reason="a teacher's weight is no number"))
    return {
        "id": str(doc.user_data.get("id", "")),
        "tokens": [[token.text, bool(token.whitespace_)] for token in doc],
        "spans": _spans(groups.pop(SPANS_KEY, None)),
        "votes": {name.removeprefix(f"{SPANS_KEY}/"): _spans(g) for name, g in groups.items()},
        "weights": weights,
    }


def _groups(doc: Doc) -> dict[str, SpanGroup]:
    """The spans of the ensemble and those of each teacher."""
    return {
        key: group
        for key, group in doc.spans.items()
        if key == SPANS_KEY or key.startswith(f"{SPANS_KEY}/")
    }


def _spans(group: SpanGroup | None) -> list[dict[str, Any]]:
    if group is None:
        return []
    scores = group.attrs.get("scores", ())
    if len(scores) != len(group) or not all(map(isfinite, scores)):
        reason = f"doc.spans['{group.name}'] has not one score a span"
        raise XnerError(Errors.X005.format(reason=reason))
    return [
        {"start": span.start, "end": span.end, "label": span.label_, "score": float(score)}
        for span, score in zip(group, scores, strict=True)
    ]
