"""A strict reader of column files: one token a line, a blank line between sentences."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, chain
from pathlib import Path
from typing import Literal, NamedTuple

from ..errors import Errors, XnerError
from ..labels import entities_to_tags, tags_to_entities
from .schemes import parse_tag, to_iob2

# Characters that show nothing: a token made of them and of white space is empty. Variation
# selectors are among them, since corpora hold some that were cut off their emoji.
_INVISIBLE = re.compile(
    r"[\s\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]*"
)
_SPACES = re.compile(" +")
DOCSTART = "-DOCSTART-"
NormalForm = Literal["NFC", "NFD", "NFKC", "NFKD", ""]


class Format(NamedTuple):
    """The columns of a file. `indexed`: tabs between columns, of which the first is a number."""

    token: int
    label: int
    least: int
    most: int
    indexed: bool
    comments: bool
    expected: str


FORMATS = {
    "conll": Format(
        0, -1, 2, 99, False, False, "a token, a space or tab, and a tag in the last column"
    ),
    "uner": Format(1, 2, 3, 5, True, True, "index, token, tag and annotator columns between tabs"),
    "wikineural": Format(1, 2, 3, 3, True, False, "index, token and tag between tabs"),
    "germeval": Format(1, 2, 4, 4, True, True, "index, token, outer and inner tag between tabs"),
}


class Sentence(NamedTuple):
    """Tokens and their tags, in strict IOB2."""

    tokens: list[str]
    tags: list[str]


@dataclass
class Report:
    """What a reader met, in counts."""

    sentences: int = 0
    tokens: int = 0
    entities: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    empty_tokens: int = 0
    split_tokens: int = 0
    skipped_sentences: int = 0
    skipped_lines: int = 0


def is_empty(text: str) -> bool:
    """Whether a text holds nothing but white space and characters of no width."""
    return not text.isalnum() and _INVISIBLE.fullmatch(text) is not None


def read_sentences(
    path: Path,
    *,
    format: str,
    labels: Mapping[str, str] | None = None,
    normalise: NormalForm = "NFC",
    skip_bad: bool = False,
    report: Report | None = None,
) -> Iterator[Sentence]:
    r"""Read the sentences of a column file, with tags in strict IOB2.

    UTF-8, with or without a byte order mark; lines end in \n or \r\n. Only blank lines and
    -DOCSTART- lines separate sentences. Comments begin with # in "uner" and "germeval"; in "conll"
    a # is a token. "germeval" reads the outer level.

    An empty token (see `is_empty`) is dropped. A token with white space inside is split there, so
    that a sentence can be written as text and read back. Entities keep their extent in both cases:
    a B- that is dropped moves on to the next token of its entity.

    path (Path): The file.
    format (str): One of FORMATS.
    labels (Optional[Mapping[str, str]]): Label to label, or to "" for none; "*" stands for every
        label that is not named. Without a map, labels stay as they are.
    normalise (NormalForm): Unicode form of tokens, or "" for none. NFC by default, the form that
        pretrained encoders and their tokenizers were fed with.
    skip_bad (bool): Leave out a sentence with a malformed line, and count it. A label that the map
        does not name is an error all the same: a typo in a map would empty a corpus.
    report (Optional[Report]): Counts are added to it.
    YIELDS (Sentence): Tokens and tags; never an empty sentence.
    RAISES (XnerError): X201 malformed line, X202 unknown format, X203 unnamed label.
    """
    if format not in FORMATS:
        raise XnerError(Errors.X202.format(format=format, formats=list(FORMATS)))
    columns, report = FORMATS[format], Report() if report is None else report
    rows: list[tuple[int, str, str]] = []
    bad = 0
    with path.open("rb") as file:
        for number, raw in enumerate(chain(file, [b""]), 1):
            try:
                row = _parse_line(raw, columns, normalise)
            except ValueError as err:
                if not skip_bad:
                    raise _malformed(path, number, raw, err, columns) from err
                bad += 1
                continue
            if row is None:
                continue
            if row[0]:
                rows.append((number, *row))
                continue
            if bad:
                report.skipped_lines += bad
                report.skipped_sentences += 1
            elif rows:
                sentence = _finish(path, rows, labels, report)
                if sentence.tokens:
                    yield sentence
            rows, bad = [], 0


def _parse_line(raw: bytes, columns: Format, normalise: NormalForm) -> tuple[str, str] | None:
    """Tag and token of a line; two empty strings at a boundary, None for a comment."""
    line = raw.decode("utf-8").removeprefix("\ufeff").rstrip()
    if not line or line.startswith(DOCSTART):
        return "", ""
    if columns.comments and line[0] == "#":
        return None
    if "\0" in line:
        raise ValueError("it holds a NUL byte")
    if normalise:
        line = unicodedata.normalize(normalise, line)
    fields = line.split("\t") if columns.indexed or "\t" in line else _SPACES.split(line)
    if not columns.least <= len(fields) <= columns.most:
        raise ValueError(f"it has {len(fields)} columns")
    if columns.indexed and not fields[0].isdecimal():
        raise ValueError("the first column is no number")
    token, tag = fields[columns.token], fields[columns.label]
    if token == DOCSTART:
        return "", ""
    parse_tag(tag)
    return tag, token


def _malformed(path: Path, number: int, raw: bytes, err: ValueError, columns: Format) -> XnerError:
    """The error for one line; what it shows of the line is cut, as the line may be a whole file."""
    reason = "it is not UTF-8" if isinstance(err, UnicodeDecodeError) else err
    text = raw[:400].decode("utf-8", "replace").rstrip("\r\n")[:100]
    return XnerError(
        Errors.X201.format(
            path=path, line=number, text=text, reason=reason, expected=columns.expected
        )
    )


def _finish(
    path: Path,
    rows: list[tuple[int, str, str]],
    labels: Mapping[str, str] | None,
    report: Report,
) -> Sentence:
    """Repair tags, map labels, drop and split tokens, count."""
    tags, repaired = to_iob2(tag for _, tag, _ in rows)
    entities = []
    for start, end, label in tags_to_entities(tags):
        if labels is not None:
            found = labels.get(label, labels.get("*"))
            if found is None:
                raise XnerError(Errors.X203.format(label=label, path=path, line=rows[start][0]))
            label = found
        if label:
            entities.append((start, end, label))
    pieces = [
        [token] if token.isalnum() else [part for part in token.split() if not is_empty(part)]
        for _, _, token in rows
    ]
    # Where each token begins once empty ones are gone and others are split.
    offset = [0, *accumulate(len(parts) for parts in pieces)]
    entities = [(offset[s], offset[e], label) for s, e, label in entities if offset[s] < offset[e]]
    tokens = [part for parts in pieces for part in parts]
    report.empty_tokens += sum(not parts for parts in pieces)
    report.split_tokens += sum(len(parts) > 1 for parts in pieces)
    report.repaired += repaired
    report.tokens += len(tokens)
    report.sentences += bool(tokens)
    report.entities.update(label for _, _, label in entities)
    return Sentence(tokens, entities_to_tags(len(tokens), entities))
