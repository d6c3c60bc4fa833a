"""Checksums of files and folders, and what a configuration names."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


def hash_file(path: Path, *, algorithm: str = "md5") -> str:
    """The checksum of a file's bytes, in hexadecimal.

    path (Path): A file.
    algorithm (str): A name that `hashlib` knows.
    RETURNS (str): The checksum.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def hash_folder(path: Path, *, only: Sequence[str] = ("**/*",)) -> str:
    """A SHA-256 over the names and bytes of all files below a folder, in hexadecimal.

    It depends on neither the folder's own name nor file times; compiled Python is left out.

    path (Path): A folder.
    only (Sequence[str]): Patterns of the files that count, as seen from the folder.
    RETURNS (str): The checksum.
    """
    digest = hashlib.sha256()
    found = {file.relative_to(path).as_posix(): file for x in only for file in path.glob(x)}
    for name, file in sorted(found.items()):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{hash_file(file, algorithm='sha256')}  {name}\n".encode())
    return digest.hexdigest()


def hash_json(data: Any) -> str:
    """The SHA-256 of data that JSON can hold, in hexadecimal; the order of keys does not matter.

    data (Any): What JSON has no type for counts as its text.
    RETURNS (str): The checksum.
    """
    return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()


def strings(value: Any) -> Iterator[str]:
    """All strings in a tree of dictionaries and lists, some of which may be paths.

    value (Any): For example a config.
    YIELDS (str): Values; keys are left out.
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


def named_files(value: Any) -> list[str]:
    """The strings in a tree that are paths of files, each once, in order.

    value (Any): For example a config.
    RETURNS (List[str]): As they are written.
    """
    return sorted({text for text in strings(value) if _is_file(text)})


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # a whole prompt is too long for a path
        return False
