"""`xner weights`: which source each target listens to."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..errors import Errors, XnerError
from ..util import write_json
from ._app import command


@command("weights")
def weights(
    methods: Annotated[
        list[str],
        typer.Argument(
            metavar="METHOD...",
            help="name=path: a file of 'xner similarity', or a folder of silver annotations.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file for the weights.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Picture of the weights, e.g. weights.png.")
    ] = None,
) -> None:
    """Show the weight of each source for each target, by each method."""
    from ..evaluation.provenance import provenance
    from ..weights_report import plot_shares, read_shares

    paths: dict[str, Path] = {}
    for option in methods:
        name, equals, path = option.partition("=")
        if not (name and equals and path) or name in paths:
            raise XnerError(Errors.X420.format(found=option))
        paths[name] = Path(path)
    found = {name: read_shares(path) for name, path in paths.items()}
    for name, shares in found.items():
        msg.divider(name)
        sources = list(dict.fromkeys(source for row in shares.values() for source in row))
        rows = [
            (target, *(f"{row[source]:.2f}" if source in row else "" for source in sources))
            for target, row in shares.items()
        ]
        msg.table(rows, header=("target", *sources), divider=True)
    if plot:
        plot_shares(found, plot)
        msg.good("Drew the weights", plot)
    if output:
        write_json(output, {"methods": found, "provenance": provenance(models={}, files=paths)})
        msg.good("Saved the weights", output)
