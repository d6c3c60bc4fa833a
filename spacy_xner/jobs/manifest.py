"""The manifest of a folder of shards: a header, then one line a shard, appended as each is done."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..checksums import file_problems
from ..shards import write_bytes
from .shard import LETTERS, SHARD, Entry

MANIFEST = "manifest.jsonl"
VERSION = 1
_ENTRY = frozenset(Entry.__annotations__)


class Manifest(NamedTuple):
    """What a run recorded.

    key: of the run. parts: what the key was made of. entries: by index. finished: all is annotated.
    """

    key: str
    parts: dict[str, str]
    entries: dict[int, Entry]
    finished: bool = False


def read_manifest(folder: Path) -> Manifest | None:
    """Read what an earlier run recorded; a last line that was cut off is as if it were not there.

    folder (Path): Of the shards.
    RETURNS (Optional[Manifest]): None without a manifest of this kind. A later line about a shard
        replaces an earlier one.
    """
    try:
        lines = (folder / MANIFEST).read_bytes().split(b"\n")
    except FileNotFoundError:
        return None
    header = _parse(lines[0])
    if not {"key", "parts", "version"} <= header.keys() or header["version"] != VERSION:
        return None
    entries: dict[int, Entry] = {}
    finished = False
    for line in lines[1:]:
        entry: Any = _parse(line)
        finished = finished or "finished" in entry
        if entry.keys() == _ENTRY and _is_inside(entry):
            entries[entry["index"]] = entry
    return Manifest(header["key"], header["parts"], entries, finished)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the whole manifest in one step, shards in order."""
    header = {"version": VERSION, "key": manifest.key, "parts": manifest.parts}
    footer = [{"finished": len(manifest.entries)}] if manifest.finished else []
    rows: list[Mapping[str, Any]] = [header, *in_order(manifest), *footer]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    write_bytes(folder / MANIFEST, text.encode("utf8"))


def append_entry(folder: Path, entry: Entry) -> None:
    """Add a shard; it is on the disk when this returns."""
    with (folder / MANIFEST).open("ab") as file:
        file.write(json.dumps(entry).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def in_order(manifest: Manifest) -> list[Entry]:
    """The shards by position."""
    return [entry for _, entry in sorted(manifest.entries.items())]


def entry_problems(folder: Path, entry: Entry) -> list[str]:
    """What is wrong with the files of a shard: missing, or of another content than recorded."""
    files = {entry["file"]: entry["sha256"]}
    if entry["letters"]:
        files[entry["letters"]] = entry["letters_sha256"]
    return [p for name, found in files.items() for p in file_problems(folder / name, found)]


def shard_files(folder: Path) -> list[Path]:
    """The .spacy files of a folder, in order of names."""
    return sorted(file for file in folder.glob("*.spacy") if not file.name.startswith("."))


def is_ours(file: Path) -> bool:
    """Does a file have the name of a shard? What has not is never removed."""
    return SHARD.fullmatch(file.name) is not None


def remove_others(folder: Path, entries: Iterable[Entry]) -> None:
    """Remove the shards and dead letters that a manifest does not name.

    folder (Path): Of the shards.
    entries (Iterable[Entry]): What stays.
    """
    kept = {name for entry in entries for name in (entry["file"], entry["letters"])}
    for file in shard_files(folder):
        if is_ours(file) and file.name not in kept:
            file.unlink()
    for file in (folder / LETTERS).glob("part-*.jsonl"):
        if f"{LETTERS}/{file.name}" not in kept:
            file.unlink()


def _parse(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_inside(entry: Mapping[str, Any]) -> bool:
    """A manifest from elsewhere must not send us to other folders."""
    letters = str(entry["letters"])
    return bool(SHARD.fullmatch(str(entry["file"]))) and (
        not letters or (letters.startswith(f"{LETTERS}/part-") and letters.count("/") == 1)
    )
