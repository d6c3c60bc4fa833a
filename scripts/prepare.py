"""Write the corpora of a benchmark in the form that the other commands read."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.corpora.assets import read_sources
from spacy_xner.corpora.prepare import evaluation_texts, prepare_source, prepare_target
from spacy_xner.corpora.roles import check_roles
from spacy_xner.teachers.pooled import check_pooled

app = typer.Typer(pretty_exceptions_enable=False)


@command("prepare", group=app)
def prepare(
    catalogue: Annotated[Path, typer.Argument(help="JSON file that lists the corpora.")],
    output: Annotated[Path, typer.Argument(help="Folder for the corpora.")],
    sources: Annotated[str, typer.Option(help="Languages with labels.")],
    targets: Annotated[str, typer.Option(help="Languages without.")],
    limit: Annotated[int, typer.Option(help="Sentences a source at most, 0 for all.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 0,
    leave_one_out: Annotated[
        Literal["true", "false"],
        typer.Option(help="Let a language be both; its teacher is not heard on its own text."),
    ] = "false",
    pooled: Annotated[
        Literal["true", "false"], typer.Option(help="Is there to be one teacher of all sources?")
    ] = "false",
) -> None:
    """Convert sources and test sets, and check the unlabelled text for leakage."""
    check_roles(sources.split(), targets.split(), leave_one_out=leave_one_out == "true")
    if pooled == "true":
        check_pooled(sources.split(), targets.split())
    table = read_sources(catalogue)
    rows = []
    for language in sources.split():
        counts = prepare_source(table, language, output, limit=limit, seed=seed)
        rows.append([language, "source", f"{counts['train']} train, {counts['dev']} dev"])
    # The student learns all targets together: no text may hold a sentence of any of them.
    evaluation = list(evaluation_texts(table, targets.split()))
    for language in targets.split():
        counts = prepare_target(table, language, output, evaluation, assets=Path("assets"))
        text = f"{counts['unlabelled']} unlabelled, {counts['test']} test"
        rows.append([language, "target", f"{text}, {counts['dropped']} dropped as leaked"])
    msg.table(rows, header=["Language", "Role", "Sentences"])


if __name__ == "__main__":
    app()
