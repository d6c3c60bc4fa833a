"""`xner train`: `spacy train` by epochs instead of steps, skipped when done before."""

from pathlib import Path
from typing import Annotated, Any

import typer
from wasabi import msg

from ..util import setup_gpu
from ._app import command

EXTRA = {"allow_extra_args": True, "ignore_unknown_options": True}


@command("train", context_settings=EXTRA)
def train_command(
    ctx: typer.Context,
    config: Annotated[Path, typer.Argument(help="Training config.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pipelines.")],
    epochs: Annotated[float, typer.Option(min=0.0, help="Passes over the corpus.")] = 3.0,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Evaluation sets that the training text must not contain; repeated."),
    ] = None,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Train a pipeline. Further options override the config: --paths.train corpus/en.spacy."""
    from spacy.cli._util import parse_config_overrides

    from ..training.run import train_pipeline

    setup_gpu(gpu_id)
    overrides = parse_config_overrides(ctx.args)
    settings: dict[str, Any] = {"overrides": overrides, "epochs": epochs, "gpu_id": gpu_id}
    if train_pipeline(config, output, against=against or (), **settings):
        msg.good("Trained", output)
    else:
        msg.info(f"Nothing to do: {output} was trained from the same inputs")
