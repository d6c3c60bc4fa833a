"""Build the offline encoder with the vocabulary that the corpora of a benchmark need."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.cli.encoder import offline
from spacy_xner.encoders import OFFLINE

# The encoder was trained for sentence embeddings, and its top layers have lost much of what tells
# one token from another: probes find names best after layers 7 to 9 of 12 (docs/methods.md).
LAYERS = 8
# What a little text does not hold, other text does: with the pieces of the demo's texts alone, a
# third of the names in its test set would be cut otherwise than by the full tokenizer. This is
# about what ten languages need.
LEAST_PIECES = 60_000

app = typer.Typer(pretty_exceptions_enable=False)


@command("encoder", group=app)
def encoder(
    name: Annotated[str, typer.Argument(help='"offline", a local folder or a hub name.')],
    output: Annotated[Path, typer.Argument(help="Folder for the offline encoder.")],
    corpus: Annotated[Path, typer.Argument(help="Folder of prepared corpora.")],
    sources: Annotated[str, typer.Option(help="Languages with labels.")],
    targets: Annotated[str, typer.Option(help="Languages without.")],
) -> None:
    """Build the offline encoder; another one is used as it is."""
    if name != OFFLINE:
        msg.info(f"Using the encoder '{name}' as it is")
        return
    # Test sets are left out: what they hold must not shape the model.
    texts = [corpus / "source" / f"{name}-train.spacy" for name in sources.split()]
    texts += [corpus / "unlabelled" / f"{name}.jsonl" for name in targets.split()]
    offline(output, texts, least=LEAST_PIECES, layers=LAYERS)


if __name__ == "__main__":
    app()
