"""Raw text from the files that a user may have, read as a stream from any place in it."""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import srsly
from spacy.vocab import Vocab

from ..errors import Errors, XnerError
from ..shards import read_docs
from .columns import is_empty
from .open import open_unpacked

MAX_LENGTH = 1_000_000
"""The longest text in characters: spaCy's own limit (nlp.max_length)."""

MAX_LINE = 16 * MAX_LENGTH
"""The longest line in bytes that is read at all: no more is held in memory."""

MAX_METADATA = 65_536
"""The most bytes of metadata of a text, as MessagePack."""

PACKED = (".gz", ".zst")
LINES = (".txt", ".jsonl")
FORMATS = (*LINES, ".spacy", ".parquet")
STDIN = Path("-")

_SURROGATE = re.compile("[\ud800-\udfff]")


class RawText(NamedTuple):
    """A text to annotate. `words` is None where the text is not tokenised yet."""

    id: str
    text: str
    words: list[str] | None
    meta: dict[str, Any] | None = None


class BadText(NamedTuple):
    """A text that cannot be used: its id, "<file>:<number>", why, and what of it is known."""

    id: str
    where: str
    reason: str
    text: str | None = None
    words: list[str] | None = None
    meta: dict[str, Any] | None = None


class Place(NamedTuple):
    """Where reading can start.

    file: number of the file. offset: bytes of the unpacked file, where a line is an item, else 0.
    number: items of the file before it.
    """

    file: int = 0
    offset: int = 0
    number: int = 0


START = Place()


class TextSource:
    """Texts from a file, from all files of a folder in sorted order, or from standard input.

    .txt: one text a line. .jsonl: one object a line with "text" (string) or "tokens" (list of
    strings, wins over "text"), and perhaps "id"; all other keys are the text's metadata. .parquet:
    the same, a column a key. .txt and .jsonl may be packed (.gz, .zst). .spacy: the words and the
    text of each Doc, its id and its metadata; its annotations are ignored. A text without an id
    gets "<file>:<line, row or Doc number>". Texts of only white space or invisible characters are
    passed over.
    """

    def __init__(
        self,
        path: Path,
        *,
        tokenised: bool = False,
        stdin_format: Literal["txt", "jsonl"] = "txt",
    ) -> None:
        """Find the files.

        path (Path): A file, a folder that is searched with its subfolders, or "-".
        tokenised (bool): The text in .txt and in "text" is tokenised: words stand between white
            space.
        stdin_format (str): What standard input holds.
        RAISES (XnerError): X601 and X007, see `text_files`.
        """
        self.path = path
        self.tokenised = tokenised
        self.stdin_format = stdin_format
        self.files = [STDIN] if path == STDIN else text_files(path)
        self._sizes = [0 if file == STDIN else file.stat().st_size for file in self.files]
        self._before = 0
        self._open: IO[bytes] | None = None

    def items(self, start: Place = START) -> Iterator[tuple[Place, RawText | BadText]]:
        """Read the texts from a place on, in order.

        start (Place): Given with an earlier item.
        YIELDS (Tuple[Place, Union[RawText, BadText]]): Each item and where it begins.
        RAISES (XnerError): X006 for a damaged .spacy file, X220 for another damaged file, X221
            where a package is needed that is not installed.
        """
        for number in range(start.file, len(self.files)):
            self._before = sum(self._sizes[:number])
            place = start if number == start.file else Place(number)
            for offset, position, item in self._file_items(self.files[number], place):
                if isinstance(item, BadText) or not is_empty(item.text):
                    yield Place(number, offset, position), item

    def read_share(self) -> float | None:
        """Which part of the bytes has been read, from 0 to 1; None where nobody knows."""
        total = sum(self._sizes)
        if not total or self.files == [STDIN]:
            return None
        inside = self._open.tell() if self._open and not self._open.closed else 0
        return min(1.0, (self._before + inside) / total)

    def _file_items(self, file: Path, start: Place) -> Iterator[tuple[int, int, RawText | BadText]]:
        """Offset, items before it, and the item."""
        name = "stdin" if file == STDIN else self._name(file)
        kind = f".{self.stdin_format}" if file == STDIN else text_format(file)
        if kind in LINES:
            for offset, number, line in self._lines(file, start):
                item = _from_line(line, f"{name}:{number + 1}", kind, self.tokenised)
                if item is not None:
                    yield offset, number, item
        else:
            rows = _docbin_rows(file) if kind == ".spacy" else _parquet_rows(file)
            for number, row in enumerate(rows):
                if number >= start.number:
                    item = _from_row(row, f"{name}:{number + 1}", tokenised=self.tokenised)
                    yield 0, number, item

    def _lines(self, file: Path, start: Place) -> Iterator[tuple[int, int, bytes | None]]:
        if file == STDIN:
            yield from _read_lines(sys.stdin.buffer, 0, 0)
            return
        with file.open("rb") as raw, open_unpacked(raw, file) as unpacked:
            self._open = raw
            unpacked.seek(start.offset)
            yield from _read_lines(unpacked, start.offset, start.number)

    def _name(self, file: Path) -> str:
        return file.name if file == self.path else file.relative_to(self.path).as_posix()


def read_text(path: Path, *, tokenised: bool = False) -> Iterator[RawText]:
    """Read all texts, and refuse what cannot be used; for formats see `TextSource`.

    path (Path): A file or a folder.
    tokenised (bool): See `TextSource`.
    YIELDS (RawText): The texts in order.
    RAISES (XnerError): X205 for a text that cannot be used, and what `TextSource` raises.
    """
    for _, item in TextSource(path, tokenised=tokenised).items():
        if isinstance(item, BadText):
            details = {"path": path, "item": item.where, "reason": item.reason, "limit": MAX_LENGTH}
            raise XnerError(Errors.X205.format(**details))
        yield item


def text_format(file: Path) -> str:
    """The suffix of a file without that of its packing, e.g. ".jsonl" of "a.jsonl.gz"."""
    suffix = file.with_suffix("").suffix if file.suffix in PACKED else file.suffix
    return suffix if suffix in LINES or file.suffix not in PACKED else ""


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
        if text_format(file) in FORMATS and file.is_file() and not file.name.startswith(".")
    ]
    if not files:
        raise XnerError(Errors.X007.format(path=path))
    return files


def _read_lines(
    file: IO[bytes], offset: int, number: int
) -> Iterator[tuple[int, int, bytes | None]]:
    """Offset, number and bytes of each line; None for one that is longer than `MAX_LINE`."""
    while line := file.readline(MAX_LINE):
        length = len(line)
        found: bytes | None = line
        if length == MAX_LINE and not line.endswith(b"\n"):
            rest = file.readline(MAX_LINE)
            found = line if rest.strip() == b"" else None
            while rest:
                length += len(rest)
                rest = b"" if rest.endswith(b"\n") else file.readline(MAX_LINE)
        yield offset, number, found
        offset += length
        number += 1


def _from_line(
    line: bytes | None, name: str, kind: str, tokenised: bool
) -> RawText | BadText | None:
    if line is None:
        return BadText(name, name, f"its line has more than {MAX_LINE} bytes")
    try:
        text = line.decode("utf-8").removeprefix("\ufeff").strip()
    except UnicodeDecodeError:
        return BadText(name, name, "it is not UTF-8")
    if not text:
        return None
    if kind == ".txt":
        return _from_row({"text": text}, name, tokenised=tokenised)
    try:
        row: Any = json.loads(text)
    except RecursionError:
        return BadText(name, name, "it is nested too deeply")
    except ValueError as err:
        return BadText(name, name, str(err))
    if not isinstance(row, dict):
        return BadText(name, name, "it is not a JSON object")
    return _from_row(row, name, tokenised=tokenised)


def _from_row(row: Mapping[str, Any], where: str, *, tokenised: bool) -> RawText | BadText:
    """A text with its id and metadata, or why it is none."""
    name = where if row.get("id") in (None, "") else str(row["id"])
    words, text = row.get("tokens"), row.get("text")
    meta = {key: x for key, x in row.items() if key not in ("id", "text", "tokens")} or None
    if words is not None:
        if not isinstance(words, list) or not all(isinstance(w, str) and w for w in words):
            return BadText(name, where, "'tokens' is not a list of non-empty strings")
        text = " ".join(words)
    elif not isinstance(text, str):
        return BadText(name, where, "it has neither 'text' nor 'tokens'")
    elif tokenised:
        words = [word for word in text.split() if not is_empty(word)]
        text = " ".join(words)
    if len(text) > MAX_LENGTH:
        return BadText(name, where, f"it has {len(text)} characters")
    if _SURROGATE.search(text + name):
        return BadText(_SURROGATE.sub("?", name), where, "it holds a lone surrogate")
    if "\0" in text:
        return BadText(name, where, "it holds a NUL byte", text, words, meta)
    try:
        size = len(srsly.msgpack_dumps(meta))
    except (ValueError, TypeError, OverflowError) as err:
        return BadText(name, where, f"its metadata cannot be kept: {err}", text, words)
    if size > MAX_METADATA:
        reason = f"its metadata has {size} bytes, of at most {MAX_METADATA}"
        return BadText(name, where, reason, text, words)
    return RawText(name, text, words, meta)


def _docbin_rows(file: Path) -> Iterator[dict[str, Any]]:
    for doc in read_docs(file, Vocab()):
        meta = doc.user_data.get("meta")
        row = dict(meta) if isinstance(meta, dict) else {}
        yield {**row, "id": doc.user_data.get("id"), "tokens": [token.text for token in doc]}


def _parquet_rows(file: Path) -> Iterator[dict[str, Any]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as err:
        raise XnerError(Errors.X221.format(path=file, package="pyarrow")) from err
    try:
        with pq.ParquetFile(file) as table:
            for batch in table.iter_batches(batch_size=1000):
                yield from map(_plain, batch.to_pylist())
    except (pa.ArrowException, OSError, ValueError) as err:
        raise XnerError(Errors.X220.format(path=file, reason=err)) from err


def _plain(value: Any) -> Any:
    """What JSON has no type for, as text; empty cells are left out."""
    if isinstance(value, dict):
        return {str(key): _plain(x) for key, x in value.items() if x is not None}
    if isinstance(value, list):
        return [_plain(x) for x in value]
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
