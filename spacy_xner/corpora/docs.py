"""Sentences to spaCy Docs, and raw text from the files that a user may have."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from ..errors import Errors, XnerError
from ..labels import tags_to_entities
from ..shards import read_docs
from .columns import Report, Sentence, is_empty

MAX_LENGTH = 1_000_000
"""The longest text in characters: spaCy's own limit (nlp.max_length)."""

SUFFIXES = (".txt", ".jsonl", ".spacy")
_SURROGATE = re.compile("[\ud800-\udfff]")


class RawText(NamedTuple):
    """A text to annotate. `words` is None where the text is not tokenised yet."""

    id: str
    text: str
    words: list[str] | None


def to_doc(sentence: Sentence, vocab: Vocab) -> Doc:
    """Make a Doc of given tokens, one space between two of them, with `doc.ents` set.

    Column files do not say where spaces were, so every token but the last is followed by one.

    sentence (Sentence): Tokens and IOB2 tags.
    vocab (Vocab): The vocabulary of the Doc.
    RETURNS (Doc): Tokens outside entities are O, not missing.
    """
    spaces = [True] * (len(sentence.tokens) - 1) + [False]
    doc = Doc(vocab, words=sentence.tokens, spaces=spaces[: len(sentence.tokens)])
    spans = [Span(doc, *entity) for entity in tags_to_entities(sentence.tags)]
    doc.set_ents(spans, default="outside")
    return doc


def to_docbin(sentences: Iterable[Sentence], *, lang: str = "") -> DocBin:
    """Collect sentences in a DocBin, one Doc each.

    sentences (Iterable[Sentence]): Tokens and IOB2 tags.
    lang (str): Language code, kept in `doc.user_data["lang"]`; a DocBin itself knows no language.
    RETURNS (DocBin): Stored with user data only where a language is given.
    """
    vocab = Vocab()
    docbin = DocBin(attrs=["ENT_IOB", "ENT_TYPE"], store_user_data=bool(lang))
    for sentence in sentences:
        doc = to_doc(sentence, vocab)
        if lang:
            doc.user_data["lang"] = lang
        docbin.add(doc)
    return docbin


def read_text(
    path: Path, *, tokenised: bool = False, skip_bad: bool = False, report: Report | None = None
) -> Iterator[RawText]:
    """Read texts to annotate, from one file or from all files of a folder in sorted order.

    .txt: one text a line. .jsonl: one object a line with "text" (string) or "tokens" (list of
    strings, wins over "text"), and perhaps "id"; other keys are ignored. .spacy: the words and the
    text of each Doc; its annotations are ignored. Texts of only white space or invisible
    characters are passed over. A text without an id gets "<file>:<line or Doc number>".

    path (Path): A file, or a folder that is searched with its subfolders.
    tokenised (bool): The text in .txt and in "text" is tokenised: words stand between white space.
    skip_bad (bool): Leave out a text that cannot be used, and count it.
    report (Optional[Report]): Counts texts as sentences, and skipped lines. Words are counted
        where they are known.
    YIELDS (RawText): The texts in order.
    RAISES (XnerError): X205 for a line that is not UTF-8, holds NUL or a lone surrogate, is longer
        than MAX_LENGTH or not the JSON expected; X006, X007 and X601 for files.
    """
    report = Report() if report is None else report
    for file in text_files(path):
        name = file.name if path == file else file.relative_to(path).as_posix()
        records = _read_spacy(file) if file.suffix == ".spacy" else _read_lines(file, tokenised)
        for number, record in records:
            try:
                if isinstance(record, ValueError):
                    raise record
                _check_text(record.text)
            except ValueError as err:
                if not skip_bad:
                    raise _bad_text(file, number, err) from err
                report.skipped_lines += 1
                continue
            if is_empty(record.text):
                continue
            report.sentences += 1
            report.tokens += len(record.words or ())
            yield record._replace(id=record.id or f"{name}:{number}")


def text_files(path: Path) -> list[Path]:
    """The text files of a folder and its subfolders in sorted order, or the one file given.

    RAISES (XnerError): X601 if there is no such path, X007 if it holds no text.
    """
    if not path.exists():
        raise XnerError(Errors.X601.format(path=path))
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    files = [
        file
        for file in found
        if file.suffix in SUFFIXES and file.is_file() and not file.name.startswith(".")
    ]
    if not files:
        raise XnerError(Errors.X007.format(path=path))
    return files


def _read_spacy(path: Path) -> Iterator[tuple[int, RawText]]:
    for number, doc in enumerate(read_docs(path, Vocab()), 1):
        yield number, RawText("", doc.text, [token.text for token in doc])


def _read_lines(path: Path, tokenised: bool) -> Iterator[tuple[int, RawText | ValueError]]:
    """Line number and text; an error is handed on as a value, so that reading goes on after it."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                line = raw.decode("utf-8").removeprefix("\ufeff").strip()
                if not line:
                    continue
                record = _from_json(line) if path.suffix == ".jsonl" else RawText("", line, None)
                if tokenised and record.words is None:
                    words = [word for word in record.text.split() if not is_empty(word)]
                    record = RawText(record.id, " ".join(words), words)
                yield number, record
            except ValueError as err:
                yield number, err


def _from_json(line: str) -> RawText:
    try:
        found: Any = json.loads(line)
    except RecursionError as err:
        raise ValueError("it is nested too deeply") from err
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    identifier = "" if found.get("id") is None else str(found["id"])
    words, text = found.get("tokens"), found.get("text")
    if words is not None:
        if not isinstance(words, list) or not all(isinstance(w, str) and w for w in words):
            raise ValueError("'tokens' is not a list of non-empty strings")
        return RawText(identifier, " ".join(words), words)
    if not isinstance(text, str):
        raise ValueError("it has neither 'text' nor 'tokens'")
    return RawText(identifier, text, None)


def _check_text(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise ValueError(f"it has {len(text)} characters")
    if "\0" in text:
        raise ValueError("it holds a NUL byte")
    if _SURROGATE.search(text):
        raise ValueError("it holds a lone surrogate")


def _bad_text(path: Path, number: int, err: ValueError) -> XnerError:
    reason = "it is not UTF-8" if isinstance(err, UnicodeDecodeError) else err
    return XnerError(Errors.X205.format(path=path, line=number, reason=reason, limit=MAX_LENGTH))
