"""`xner neighbours`: weigh silver tokens by the labels of the tokens that are like them."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..util import setup_gpu
from ._app import command


@command("neighbours")
def neighbours_command(
    silver: Annotated[Path, typer.Argument(help="A .spacy file or a folder of shards.")],
    output: Annotated[Path, typer.Argument(help="Folder for the new .spacy shards.")],
    encoder: Annotated[Path, typer.Option(help="Folder of a pretrained encoder.")],
    k: Annotated[int, typer.Option("--k", min=1, help="Nearest tokens to ask.")] = 500,
    layers: Annotated[int, typer.Option(min=1, help="Layers of the encoder, from below.")] = 8,
    limit: Annotated[
        int, typer.Option(min=0, help="Ask among a random sample of so many tokens, 0 for all.")
    ] = 50_000,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", "-F", help="Replace the shards of another run.")
    ] = False,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Lower the weights of tokens whose label differs from that of their nearest neighbours."""
    from ..neighbours import weigh

    setup_gpu(gpu_id)
    shards = weigh(
        silver,
        output,
        encoder,
        k=k,
        num_hidden_layers=layers,
        limit=limit,
        seed=seed,
        force=force,
    )
    msg.good(f"{sum(s['docs'] for s in shards)} documents in {len(shards)} shards", output)
