"""Weigh the source languages for each target, if the ensemble's weights need it."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.cli.similarity import rank, train
from spacy_xner.cli.similarity import weights as similarity_weights
from spacy_xner.encoders import local_encoder
from spacy_xner.ensemble.blocks import WeightsName

app = typer.Typer(pretty_exceptions_enable=False)


@command("influence", group=app)
def influence(
    corpus: Annotated[Path, typer.Argument(help="Folder of prepared corpora.")],
    output: Annotated[Path, typer.Argument(help="Folder for the files of weights.")],
    sources: Annotated[str, typer.Option(help="Languages with labels.")],
    targets: Annotated[str, typer.Option(help="Languages without.")],
    weights: Annotated[
        WeightsName,
        typer.Option(help="'similarity' and 'rank' need a file."),
    ],
    encoder: Annotated[str, typer.Option(help='"offline", a local folder or a hub name.')],
    built: Annotated[Path, typer.Option(help="Where the offline encoder was built.")],
    pooled: Annotated[
        Literal["true", "false"], typer.Option(help="Is there one teacher of all sources?")
    ] = "false",
    limit: Annotated[int, typer.Option(help="Sentences a language for the identifier.")] = 500,
    seed: Annotated[int, typer.Option(help="Seed of samples and training.")] = 0,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Compute them from raw text of both sides alone."""
    if weights not in ("similarity", "rank"):
        msg.info(f"The weights '{weights}' need no file: nothing to do")
        return
    if pooled == "true":
        msg.info("There is one teacher of all sources: nothing to do")
        return
    known = [f"{name}={corpus / 'source' / f'{name}-train.spacy'}" for name in sources.split()]
    new = [f"{name}={corpus / 'unlabelled' / f'{name}.jsonl'}" for name in targets.split()]
    path = local_encoder(encoder, built)
    settings: dict[str, Any] = {"seed": seed, "gpu_id": gpu_id}
    if weights == "rank":
        rank(known, new, encoder=path, output=output / "rank.json", **settings)
    else:
        identifier = output / "identifier.npz"
        train(known, encoder=path, output=identifier, limit=limit, **settings)
        settings |= {"output": output / "similarity.json", "limit": limit}
        similarity_weights(identifier, new, **settings)


if __name__ == "__main__":
    app()
