"""Build the offline encoder with the vocabulary that the corpora of a benchmark need."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.cli.encoder import offline
from spacy_xner.encoders import OFFLINE

app = typer.Typer(pretty_exceptions_enable=False)


@command("encoder", group=app)
def encoder(
    name: Annotated[str, typer.Argument(help='"offline", a local folder or a hub name.')],
    output: Annotated[Path, typer.Argument(help="Folder for the offline encoder.")],
    corpus: Annotated[Path, typer.Argument(help="Folder of prepared corpora.")],
) -> None:
    """Build the offline encoder; another one is used as it is."""
    if name != OFFLINE:
        msg.info(f"Using the encoder '{name}' as it is")
        return
    # Test sets are left out: what they hold must not shape the model.
    texts = sorted(corpus.glob("source/*-train.spacy")) + sorted(corpus.glob("unlabelled/*.jsonl"))
    offline(output, texts)


if __name__ == "__main__":
    app()
