"""Write silver shards anew, one for each file that is read: whole, resumable, never in place."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy.tokens import Doc
from spacy.vocab import Vocab

from .annotate import resume, write_manifest
from .errors import Errors, XnerError
from .hashing import hash_file
from .shards import read_docs, spacy_files, write_docs


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
) -> list[dict[str, Any]]:
    """Change documents and write one new shard for each file, and a manifest after each.

    A run with the same settings and input goes on after its last whole shard; `change` is not
    called for what is there already.

    source (Path): A .spacy file or a folder.
    output (Path): Folder of the new shards.
    change (Callable[[Sequence[Doc], int], None]): Changes the documents of one file in place; told
        how many documents came before them.
    settings (Mapping[str, Any]): What else decides what the shards hold; JSON-able.
    force (bool): Replace what another run has left in the folder.
    RETURNS (List[Dict[str, Any]]): One entry a shard: "file", "texts", "docs", "sha256".
    RAISES (XnerError): As `input_files`; X411 if the folder holds shards of another run.
    """
    files = input_files(source, output)
    read = [[file.name, hash_file(file, algorithm="sha256")] for file in files]
    text = json.dumps({**settings, "files": read}, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()
    output.mkdir(parents=True, exist_ok=True)
    shards = resume(output, key, force)
    write_manifest(output, key, shards)
    done = sum(shard["docs"] for shard in shards)
    for number, file in enumerate(files[len(shards) :], start=len(shards)):
        docs = list(read_docs(file, Vocab()))
        change(docs, done)
        name = f"part-{number:05d}.spacy"
        counts = {"texts": len(docs), "docs": len(docs)}
        shards.append({"file": name, **counts, "sha256": write_docs(output / name, docs)})
        write_manifest(output, key, shards)
        done += len(docs)
    return shards
