"""`xner aggregate`: new silver annotations from the votes that the old ones keep."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ._app import command


@command("aggregate")
def aggregate_command(
    silver: Annotated[Path, typer.Argument(help="A .spacy file or a folder of shards with votes.")],
    output: Annotated[Path, typer.Argument(help="Folder for the new .spacy shards.")],
    method: Annotated[
        str, typer.Option("--method", "-m", help="vote, bea, bea2 or sequence.")
    ] = "sequence",
    top: Annotated[int, typer.Option(min=1, help="Teachers in the second pass of bea2.")] = 10,
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="What is less probable is marked missing.")
    ] = 0.5,
    force: Annotated[
        bool, typer.Option("--force", "-F", help="Replace the shards of another run.")
    ] = False,
) -> None:
    """Learn from all votes how reliable each teacher is, and annotate again accordingly."""
    from ..aggregate import Method, aggregate

    try:
        chosen = Method(method)
    except ValueError as err:
        raise typer.BadParameter(f"{method!r} is not one of {', '.join(Method)}") from err
    shards, reliability = aggregate(
        silver, output, method=chosen, top=top, threshold=threshold, force=force
    )
    rows = [[name, f"{value:.3f}"] for name, value in reliability.items()]
    msg.table(rows, header=["Teacher", "Reliability"], aligns=["l", "r"])
    msg.good(f"{sum(s['docs'] for s in shards)} documents in {len(shards)} shards", output)
