"""Write silver shards anew, one for each file that is read: whole, resumable, never in place."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy.tokens import Doc
from spacy.vocab import Vocab

from .errors import Errors, XnerError
from .hashing import hash_file, hash_json
from .jobs.manifest import Manifest, append_entry, in_order, write_manifest
from .jobs.run import resume
from .jobs.shard import Entry, write_shard
from .locks import lock_folder
from .shards import read_docs, spacy_files


def input_files(source: Path, output: Path) -> list[Path]:
    """The .spacy files at a path, in order, which the output may not replace.

    source (Path): A .spacy file or a folder.
    output (Path): Folder of new shards.
    RAISES (XnerError): X433 if the output is the input's folder or lies in it, X601 and X007 if
        there is nothing to read.
    """
    files = spacy_files(source)
    target = output.resolve()
    if target in {file.resolve().parent for file in files} or (
        source.is_dir() and target.is_relative_to(source.resolve())
    ):
        raise XnerError(Errors.X433.format(output=output, source=source))
    return files


def rewrite(
    source: Path,
    output: Path,
    change: Callable[[Sequence[Doc], int], None],
    *,
    settings: Mapping[str, Any],
    force: bool = False,
) -> list[Entry]:
    """Change documents and write one new shard for each file, each recorded in the manifest.

    A run with the same settings and input goes on after its last whole shard; `change` is not
    called for what is there already.

    source (Path): A .spacy file or a folder.
    output (Path): Folder of the new shards.
    change (Callable[[Sequence[Doc], int], None]): Changes the documents of one file in place; told
        how many documents came before them.
    settings (Mapping[str, Any]): What else decides what the shards hold; JSON-able.
    force (bool): Replace what another run has left in the folder.
    RETURNS (List[Entry]): One entry a shard.
    RAISES (XnerError): As `input_files`; X411 if the folder holds shards of another run, X701 if
        another process writes to it.
    """
    files = input_files(source, output)
    read = [[file.name, hash_file(file, algorithm="sha256")] for file in files]
    parts = {name: hash_json(part) for name, part in {"settings": settings, "input": read}.items()}
    key = hash_json(parts)
    with lock_folder(output):
        entries = resume(output, key, parts, force=force)
        write_manifest(output, Manifest(key, parts, entries))
        before = 0
        for number, (file, (_, digest)) in enumerate(zip(files, read, strict=True)):
            if number not in entries:
                docs = list(read_docs(file, Vocab()))
                change(docs, before)
                entry = write_shard(docs, [], output, index=number, sha256=digest, key=key)
                append_entry(output, entry)
                entries[number] = entry
            before += entries[number]["docs"]
        done = Manifest(key, parts, entries, finished=True)
        write_manifest(output, done)
    return in_order(done)
