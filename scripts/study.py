"""Compute the cells of a study that have no result yet."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.cli.llm import base
from spacy_xner.encoders import OFFLINE, encoder_path
from spacy_xner.study.parts import Place
from spacy_xner.study.plan import read_plan
from spacy_xner.study.run import run_study
from spacy_xner.util import setup_gpu

app = typer.Typer(pretty_exceptions_enable=False)


def numbers(text: str) -> list[int]:
    """The seeds in an option.

    RAISES (typer.BadParameter): For anything but numbers.
    """
    try:
        return [int(x) for x in text.split()]
    except ValueError as error:
        raise typer.BadParameter(f"Found {text!r}, expected numbers such as '0 1'.") from error


@command("study", group=app)
def study(
    plan: Annotated[Path, typer.Argument(help="Config with the plan of the study.")],
    corpus: Annotated[Path, typer.Argument(help="Folder of prepared corpora.")],
    work: Annotated[Path, typer.Argument(help="Folder for what is made on the way.")],
    results: Annotated[Path, typer.Argument(help="Folder for one file a cell.")],
    sources: Annotated[str, typer.Option(help="Languages with labels.")],
    targets: Annotated[str, typer.Option(help="Targets; their own labels teach others at most.")],
    encoder: Annotated[str, typer.Option(help='"offline", a local folder or a hub name.')],
    built: Annotated[Path, typer.Option(help="Where the offline encoder was built.")],
    llm: Annotated[str, typer.Option(help="The language model, by the same names.")] = OFFLINE,
    llm_built: Annotated[
        Path, typer.Option(help="Where the offline language model is built.")
    ] = Path("encoders/llm"),
    systems: Annotated[str, typer.Option(help="Only these systems of the plan.")] = "",
    seeds: Annotated[str, typer.Option(help="Only these seeds of the plan.")] = "",
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    minutes: Annotated[
        float, typer.Option(min=0.0, help="Begin nothing new after so many, 0 for no limit.")
    ] = 0.0,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Compute; a study that was stopped or killed goes on where it was."""
    found = read_plan(plan)
    if "hybrid" in (systems.split() or found.systems) and llm == OFFLINE:
        base(llm_built)
    setup_gpu(gpu_id)
    place = Place(
        plan=found,
        sources=tuple(sources.split()),
        targets=tuple(targets.split()),
        corpus=corpus,
        encoder=encoder_path(encoder, built),
        llm=encoder_path(llm, llm_built),
        work=work,
        results=results,
        gpu_id=gpu_id,
    )
    failures = run_study(
        place,
        jobs=jobs,
        minutes=minutes,
        systems=systems.split(),
        seeds=numbers(seeds),
        tell=msg.info,
    )
    for name, why in failures.items():
        msg.fail(name, why)
    if failures:
        sys.exit(1)
    msg.good("The results", results)


if __name__ == "__main__":
    app()
