"""`xner ensemble`: teachers in, an annotating pipeline out."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..errors import Errors, XnerError
from ..safety import read_metadata
from ._app import command

Teachers = Annotated[list[str] | None, typer.Option("--teacher", "-t", help="name=path, repeated.")]


@command("ensemble")
def ensemble_command(
    config: Annotated[Path, typer.Argument(help="Config with a teacher_ensemble.")],
    output: Annotated[Path, typer.Argument(help="Folder for the pipeline.")],
    teacher: Teachers = None,
    span_teacher: Annotated[
        list[str] | None,
        typer.Option("--span-teacher", help="name=path of a pipeline that only sets doc.ents."),
    ] = None,
    prompted: Annotated[
        list[str] | None,
        typer.Option(help="name=path of a pipeline of spacy-llm, or its config; repeated."),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=1, help="How often a prompt is asked; frequencies are certainty.")
    ] = 1,
    cache: Annotated[
        Path, typer.Option(help="Folder for the answers to prompts, so that none is paid twice.")
    ] = Path("cache"),
    guest: Annotated[
        list[str] | None,
        typer.Option(help="Name of a teacher that the config's weights know nothing of; repeated."),
    ] = None,
    evaluator: Annotated[
        list[str] | None,
        typer.Option(help="name=path of a teacher's similarity evaluator, repeated."),
    ] = None,
    keep_similarity: Annotated[
        bool, typer.Option("--keep-similarity", help="Write what the evaluators say.")
    ] = False,
    label_map: Annotated[
        Path | None, typer.Option(help="JSON file: teacher's label to the ensemble's, '' to drop.")
    ] = None,
) -> None:
    """Save a pipeline whose teacher_ensemble asks the given teachers."""
    from ..corpora.label_map import read_label_map
    from ..ensemble.build import build_ensemble, save_ensemble

    named_paths([*(teacher or []), *(span_teacher or []), *(prompted or [])])  # no name twice
    nlp = build_ensemble(
        config,
        named_paths(teacher or []),
        span_teachers=named_paths(span_teacher or []),
        label_map=read_label_map(label_map) if label_map else None,
        guests=guest or [],
        evaluators=named_paths(evaluator or []),
        keep_similarity=keep_similarity,
        prompted=named_paths(prompted or []),
        samples=samples,
        cache=cache,
    )
    save_ensemble(nlp, output)
    names = read_metadata(output / "teacher_ensemble" / "ensemble.json")
    msg.good(f"Saved an ensemble of {', '.join(names['teachers'])}", output)


def named_paths(options: list[str]) -> dict[str, str]:
    """Read options of the form name=path.

    RAISES (XnerError): X412 for another form or a name that comes twice.
    """
    found: dict[str, str] = {}
    for option in options:
        name, equals, path = option.partition("=")
        if not (name and equals and path) or name in found:
            raise XnerError(Errors.X412.format(found=option))
        found[name] = path
    return found
