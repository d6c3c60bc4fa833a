"""Read and write .spacy files so that a crash, a kill or a full disk leaves no half-written one."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from srsly.msgpack import msgpack_decoders, msgpack_encoders

from .errors import Errors, XnerError

# srsly looks through all registered functions and all entry points whenever it packs or unpacks
# anything, several times a document: three quarters of the time that a DocBin takes. They do not
# change while a process runs, and are remembered here.
for _registry in (msgpack_encoders, msgpack_decoders):
    _registry.get_all = _registry.get_all().copy


def write_bytes(path: Path, data: bytes) -> str:
    """Write a file under a temporary name, bring it to the disk, and rename it.

    path (Path): Where the file goes; an existing one is replaced in one step.
    data (bytes): The contents.
    RETURNS (str): SHA-256 of the contents, hexadecimal.
    RAISES (OSError): As the file system says, e.g. when the disk is full; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return hashlib.sha256(data).hexdigest()


def write_content(folder: Path, name: str, data: bytes) -> tuple[str, str]:
    """Write a file that is named by its content; the same content gets the same name.

    folder (Path): Must exist.
    name (str): With "{digest}" for the SHA-256 of the contents, e.g. "part-{digest:.12}.spacy".
    data (bytes): The contents.
    RETURNS (Tuple[str, str]): The file's name and the SHA-256, hexadecimal.
    RAISES (OSError): See `write_bytes`.
    """
    digest = hashlib.sha256(data).hexdigest()
    found = name.format(digest=digest)
    write_bytes(folder / found, data)
    return found, digest


def write_docs(path: Path, docs: Iterable[Doc]) -> str:
    """Write documents with their user data; silver annotations are lost without it.

    path (Path): A .spacy file.
    docs (Iterable[Doc]): At least their tokens, entities and spans are kept.
    RETURNS (str): SHA-256 of the file.
    """
    return write_bytes(path, DocBin(docs=docs, store_user_data=True).to_bytes())


def read_docs(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """Read the documents of a .spacy file, or of all such files in a folder, in order of names.

    path (Path): A file or a folder, which is searched with its sub-folders.
    vocab (Vocab): The vocabulary of the documents.
    YIELDS (Doc): Documents.
    RAISES (XnerError): X006 if a file is damaged, X007 if a folder has none, X601 if nothing is
        there.
    """
    for file in spacy_files(path):
        try:
            yield from DocBin().from_disk(file).get_docs(vocab)
        except (OSError, XnerError):
            raise
        except Exception as err:  # zlib, msgpack and numpy each raise their own on damaged data
            reason = f"{type(err).__name__}: {err}"
            raise XnerError(Errors.X006.format(path=file, reason=reason)) from err


def spacy_files(path: Path) -> list[Path]:
    """The .spacy files at a path, in order of names.

    RAISES (XnerError): X601 if the path does not exist, X007 if the folder has no such file.
    """
    if not path.exists():
        raise XnerError(Errors.X601.format(path=path))
    if path.is_file():
        return [path]
    files = sorted(file for file in path.rglob("*.spacy") if not file.name.startswith("."))
    if not files:
        raise XnerError(Errors.X007.format(path=path))
    return files
