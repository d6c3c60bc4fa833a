"""Annotate raw text with an ensemble and write the silver annotations as shards."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from .corpora.docs import RawText, text_files
from .errors import Errors, XnerError
from .evaluation.provenance import package_versions
from .hashing import hash_file, named_files
from .pipeline.teacher_ensemble import TeacherEnsemble
from .shards import write_bytes, write_docs

MANIFEST = "manifest.json"
PART = re.compile(r"part-\d{5,}\.spacy")


def find_ensemble(nlp: Language) -> TeacherEnsemble:
    """The `teacher_ensemble` of a pipeline.

    RAISES (XnerError): X410 if the pipeline has none.
    """
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, TeacherEnsemble):
            return pipe
    raise XnerError(Errors.X410.format(found=nlp.pipe_names))


def run_key(nlp: Language, source: Path, **settings: Any) -> str:
    """SHA-256 over all that decides what the shards hold: teachers, configuration, input, settings.

    nlp (Language): The pipeline with the ensemble.
    source (Path): File or folder of text.
    settings: Whatever else matters, JSON-able.
    RETURNS (str): Hexadecimal.
    """
    files = [[file.name, hash_file(file, algorithm="sha256")] for file in text_files(source)]
    tokenizer: Any = nlp.tokenizer  # spaCy's, or another that can be saved: a pipeline needs that
    data = {
        "version": package_versions().get("spacy-xner"),
        "config": [nlp.config["nlp"], nlp.config["components"]],
        "tokenizer": hashlib.sha256(tokenizer.to_bytes()).hexdigest(),
        "teachers": {
            name: teacher.specification() for name, teacher in find_ensemble(nlp).teachers.items()
        },
        # What a block of the config reads, such as learnt weights, counts by its contents.
        "read": sorted(
            [name, hash_file(Path(name), algorithm="sha256")]
            for name in named_files(nlp.config["components"])
        ),
        "files": files,
        "settings": settings,
    }
    return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()


def annotate(
    nlp: Language,
    records: Iterable[RawText],
    output: Path,
    *,
    key: str,
    shard_size: int = 2000,
    force: bool = False,
    progress: Callable[[int], object] | None = None,
) -> list[dict[str, Any]]:
    """Annotate texts and write shards of `shard_size` documents, then a manifest.

    A shard appears under its name only when it is whole. A run that was interrupted goes on after
    its last whole shard; the manifest is written after each.

    nlp (Language): A pipeline with a `teacher_ensemble`.
    records (Iterable[RawText]): Texts; those with words keep their tokens.
    output (Path): Folder of the shards.
    key (str): See `run_key`; shards of another key are not mixed with these.
    shard_size (int): Documents a shard.
    force (bool): Replace what an other run has left in the folder.
    progress (Callable[[int], object]): Told the number of texts done.
    RETURNS (List[Dict[str, Any]]): One entry a shard: "file", "texts", "docs", "sha256".
    RAISES (XnerError): X411 if the folder holds shards of another run, X308 for a bad shard size.
    """
    if shard_size < 1:
        found = {"key": "shard_size", "value": shard_size, "expected": "1 or more"}
        raise XnerError(Errors.X308.format(**found))
    output.mkdir(parents=True, exist_ok=True)
    shards = resume(output, key, force)
    # Before the first shard: a run that stops there can be told from another one.
    write_manifest(output, key, shards)
    stream = iter(records)
    for shard in shards:
        done = len(list(islice(stream, shard["texts"])))
        if progress:
            progress(done)
    while batch := list(islice(stream, shard_size)):
        docs = list(nlp.pipe(to_docs(nlp, batch)))
        name = f"part-{len(shards):05d}.spacy"
        # A pipeline's error handler may leave documents out.
        counts = {"texts": len(batch), "docs": len(docs)}
        shards.append({"file": name, **counts, "sha256": write_docs(output / name, docs)})
        write_manifest(output, key, shards)
        if progress:
            progress(len(batch))
    return shards


def to_docs(nlp: Language, records: Iterable[RawText]) -> Iterator[Doc]:
    """Make documents; records with words keep their tokens.

    nlp (Language): Its tokenizer cuts the others.
    records (Iterable[RawText]): Texts.
    YIELDS (Doc): One a record, with its id in the user data.
    """
    for record in records:
        doc = Doc(nlp.vocab, words=record.words) if record.words else nlp.make_doc(record.text)
        doc.user_data["id"] = record.id
        yield doc


def resume(output: Path, key: str, force: bool) -> list[dict[str, Any]]:
    """The whole shards that an earlier run with the same key left, up to the first that is not.

    output (Path): Folder of the shards. All other shards named part-*.spacy are removed.
    key (str): Of this run.
    force (bool): Remove shards of another run too.
    RETURNS (List[Dict[str, Any]]): As the manifest has them.
    RAISES (XnerError): X411 if the folder holds shards of another run, or foreign ones.
    """
    found = sorted(output.glob("*.spacy"))
    # What we did not write is never removed.
    ours = [file for file in found if PART.fullmatch(file.name)]
    manifest = _read_manifest(output)
    shards = []
    if manifest["key"] == key:
        for shard in manifest["shards"]:
            file = output / shard["file"]
            if not file.is_file() or hash_file(file, algorithm="sha256") != shard["sha256"]:
                break
            shards.append(shard)
    elif found and not (force and found == ours):
        raise XnerError(Errors.X411.format(path=output, count=len(found)))
    kept = {shard["file"] for shard in shards}
    for file in ours:
        if file.name not in kept:
            file.unlink()
    return shards


def _read_manifest(output: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((output / MANIFEST).read_text(encoding="utf8"))
        keys = ("file", "texts", "docs", "sha256")
        shards = [{key: shard[key] for key in keys} for shard in manifest["shards"]]
        return {"key": manifest["key"], "shards": shards}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {"key": None, "shards": []}  # none, or not ours: all is annotated anew


def write_manifest(output: Path, key: str, shards: Sequence[dict[str, Any]]) -> None:
    """Write the key of a run and its shards to manifest.json."""
    text = json.dumps({"key": key, "shards": list(shards)}, indent=2) + "\n"
    write_bytes(output / MANIFEST, text.encode("utf8"))
