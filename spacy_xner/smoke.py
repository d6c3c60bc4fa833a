"""Does a pipeline still predict what it predicted before it was packaged?

A few sentences and what the pipeline says of them lie in its folder, so that `spacy package` takes
them into the wheel. Whoever has the package can ask again.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span

from .checksums import update_sum
from .corpora.raw_text import RawText
from .errors import Errors, XnerError, reason
from .jobs.texts import to_docs
from .safety import read_metadata
from .shards import write_bytes

RECORD = "smoke.json"
VERSION = 1
TOLERANCE = 1e-4
"""Between scores of a pipeline in the same precision: other processors, and other versions of numpy
and torch, add the same numbers in another order."""

# Written for this purpose. The names are invented, and no corpus has these sentences.
SENTENCES = (
    "Waziri Amina Odhiambo alitembelea Kisumu siku ya Jumatatu.",
    "The teacher Carlos Vega moved from Lisbon to Nairobi in March.",
    "Shirika la Umoja wa Wavuvi lilifungua ofisi mpya mjini Mwanza.",
    "Frau Lena Brandt arbeitet seit Mai bei der Stadtbank in Hamburg.",
    "La ministra Rosa Quispe viajó a Arequipa con Tomás Herrera.",
    "Mvua ilinyesha usiku kucha.",
    # Scripts without capitals, characters beyond the first plane, spaces that are no token border.
    "ወይዘሮ ሰላም ከአዲስ አበባ መጡ።",
    "Juma 😀 alisema:  \u200b«Nitarudi Dodoma kesho»",
)

Spans = list[list[Any]]


def default_texts() -> list[RawText]:
    """The sentences that a record is made of where no others are given."""
    return [RawText(f"{number}", text, None) for number, text in enumerate(SENTENCES, 1)]


def write_record(nlp: Language, texts: Iterable[RawText], folder: Path) -> dict[str, Any]:
    """Ask a pipeline about some texts, and keep its answers in its folder.

    Asked again, it gives the same file. The folder's list of checksums, if there is one, is kept
    up to date.

    nlp (Language): Loaded from the folder.
    texts (Iterable[RawText]): A few short ones. They become part of the package.
    folder (Path): A saved pipeline.
    RETURNS (Dict[str, Any]): What was written: "version", and "texts", see `answers`.
    """
    record = {"version": VERSION, "texts": answers(nlp, list(texts))}
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(folder / RECORD, text.encode("utf8"))
    update_sum(folder, RECORD)
    return record


def read_record(folder: Path) -> dict[str, Any]:
    """Read what `write_record` wrote.

    folder (Path): A saved pipeline.
    RETURNS (Dict[str, Any]): The record.
    RAISES (XnerError): X608 if there is none, X609 if it cannot be read, X702 if it is too large.
    """
    path = folder / RECORD
    if not path.is_file():
        raise XnerError(Errors.X608.format(path=folder, name=RECORD))
    try:
        record: dict[str, Any] = read_metadata(path)
        if record["version"] != VERSION:
            raise KeyError(f"version {record['version']}, expected {VERSION}")
        if not record["texts"]:
            raise KeyError("it has no texts")
        for entry in record["texts"]:
            _show(entry)  # reads all that is compared
    except XnerError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as err:
        raise XnerError(Errors.X609.format(path=path, reason=reason(err))) from err
    return record


def compare(nlp: Language, record: dict[str, Any], *, tolerance: float = TOLERANCE) -> list[str]:
    """Ask a pipeline about the texts of a record again.

    Entities are compared by their characters and labels, and must be the same; so must scored
    spans, whose scores may differ by the tolerance.

    nlp (Language): The pipeline.
    record (Dict[str, Any]): See `read_record`.
    tolerance (float): The largest difference of a score.
    RETURNS (List[str]): A message for each text of which it says something else, X610.
    """
    expected = record["texts"]
    texts = [_to_text(entry, number) for number, entry in enumerate(expected, 1)]
    problems = []
    for number, (new, old) in enumerate(zip(answers(nlp, texts), expected, strict=True), 1):
        if not _same(new, old, tolerance):
            found, wanted = _show(new), _show(old)
            details = {"number": number, "text": old["text"], "tolerance": tolerance}
            problems.append(Errors.X610.format(found=found, expected=wanted, **details))
    return problems


def answers(nlp: Language, texts: list[RawText]) -> list[dict[str, Any]]:
    """What a pipeline says of some texts.

    RETURNS (List[Dict[str, Any]]): "text"; "tokens", where the text was given as such; "entities",
        each [first character, one after the last, label]; "scored", by the name of the span group,
        the same with a score, of all groups with `attrs["scores"]`.
    """
    # One at a time: what a text is batched with may change the last bits of a score.
    docs = nlp.pipe(to_docs(nlp, texts), batch_size=1)
    return [_answer(doc, text) for doc, text in zip(docs, texts, strict=True)]


def _answer(doc: Doc, text: RawText) -> dict[str, Any]:
    scored: dict[str, Spans] = {}
    for key, group in doc.spans.items():
        scores = group.attrs.get("scores")
        if scores is None:
            continue
        if len(scores) != len(group):
            found = {"scores": len(scores), "spans": len(group), "key": key}
            raise XnerError(Errors.X501.format(**found))
        pairs = zip(group, scores, strict=True)
        scored[key] = [[*_span(span), round(float(score), 6)] for span, score in pairs]
    tokens = {"tokens": text.words} if text.words else {}
    entities = [_span(ent) for ent in doc.ents]
    return {"text": text.text, **tokens, "entities": entities, "scored": scored}


def _span(span: Span) -> list[Any]:
    return [span.start_char, span.end_char, span.label_]


def _to_text(entry: dict[str, Any], number: int) -> RawText:
    return RawText(str(number), entry["text"], entry.get("tokens"))


def _same(new: dict[str, Any], old: dict[str, Any], tolerance: float) -> bool:
    if new["entities"] != old["entities"] or new["scored"].keys() != old["scored"].keys():
        return False
    for key, expected in old["scored"].items():
        found = new["scored"][key]
        if [row[:3] for row in found] != [row[:3] for row in expected]:
            return False
        # "not at most" and not "more than": NaN is neither.
        if any(not abs(a[3] - b[3]) <= tolerance for a, b in zip(found, expected, strict=True)):
            return False
    return True


def _show(entry: dict[str, Any]) -> str:
    """Entities, then the spans with scores of each group."""
    rows = {"entities": entry["entities"], **entry["scored"]}
    parts = []
    for key, spans in rows.items():
        words = [
            f"'{entry['text'][start:end]}' {label}" + "".join(f" {score:.6f}" for score in scores)
            for start, end, label, *scores in spans
        ]
        parts.append(f"{key}: {', '.join(words) or 'none'}")
    return "; ".join(parts)
