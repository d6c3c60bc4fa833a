"""`xner calibrate`: fit the temperature of a pipeline's `xner`."""

import shutil
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..util import load_pipeline, setup_gpu
from ._app import command


@command("calibrate")
def calibrate_command(
    model: Annotated[Path, typer.Argument(help="Folder of a trained pipeline.")],
    dev: Annotated[
        list[Path],
        typer.Argument(help=".spacy files with gold entities: of sources, never of a target."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="New folder for the result; without it, MODEL changes."
        ),
    ] = None,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Make the probabilities of a pipeline as sure as they are right, by one temperature.

    The entities that it finds stay the same. Give the development sets of the languages that the
    pipeline was trained on, which are taken together: labels of a target may not be used, nor
    silver annotations.
    """
    from ..encoders.checkpoint import new_folder
    from ..evaluation.temperature import calibrate, set_temperature
    from ..shards import read_docs

    setup_gpu(gpu_id)
    nlp = load_pipeline(model)
    docs = [doc for path in dev for doc in read_docs(path, nlp.vocab)]
    rows = calibrate(nlp, docs)
    msg.divider(f"Temperature on {len(docs)} sentences")
    table = [
        [name, f"{row.temperature:.3f}", f"{row.nll:.4f}", _percent(row.ece)]
        for name, row in zip(("before", "after"), rows, strict=True)
    ]
    header = ["", "Temperature", "NLL (nats)", "ECE (%)"]
    msg.table(table, header=header, divider=True, aligns=["l", "r", "r", "r"])
    best = rows[1].temperature
    if output is not None:
        with new_folder(output) as folder:
            shutil.copytree(model, folder, dirs_exist_ok=True)
            set_temperature(folder, best)
        msg.good(f"Saved the pipeline with temperature {best:.3f}", output)
    elif set_temperature(model, best):
        msg.good(f"Set the temperature to {best:.3f}", model)
    else:
        msg.info(f"Nothing to do: {model} has this temperature")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
