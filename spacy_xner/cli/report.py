"""`xner report`: one page of the results of a study."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from wasabi import msg

from ..errors import Errors, XnerError, reason
from ..util import write_json
from ._app import command


@command("report")
def report(
    cells: Annotated[Path, typer.Argument(help="Folder with the result files of a study.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")],
    silver: Annotated[
        Path | None, typer.Option(help="Folder of silver annotations, one folder a target.")
    ] = None,
    figure_folder: Annotated[
        Path | None, typer.Option(help="Folder for the curves as .svg and .png.")
    ] = None,
    summary: Annotated[Path | None, typer.Option(help="JSON file for all figures.")] = None,
    expected: Annotated[
        Path | None,
        typer.Option(
            help="JSON list of what each cell should have under 'cell'. By default the file "
            "'<cells>-cells.json', which a study writes beside its results, if it is there."
        ),
    ] = None,
    title: Annotated[str, typer.Option(help="Title of the page.")] = "Report of a study",
    samples: Annotated[int, typer.Option(min=1, help="Resamples of each bootstrap.")] = 5000,
) -> None:
    """Make one HTML page of a study's results, which asks no network for anything."""
    from ..shards import write_bytes
    from ..study.plots import plot_curves
    from ..study.report import render
    from ..study.results import expected_file, read_cells
    from ..study.silver_sample import sample_silver
    from ..study.summary import summarise

    listed = expected_file(cells.resolve())
    if expected is None and listed.is_file():
        expected = listed
    wanted = _read_expected(expected) if expected else []
    found = summarise(read_cells(cells), wanted, samples=samples)
    sentences = None
    if silver and silver.is_dir() and not any(silver.iterdir()):
        msg.warn(f"No silver annotations in '{silver}' yet: the page shows none")
    elif silver:
        sentences = sample_silver(silver)
    if summary:
        write_json(summary, found)
        msg.good("Saved the figures", summary)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(output, render(found, title=title, silver=sentences).encode("utf8"))
    msg.good("Saved the report", output)
    if figure_folder:
        for path in plot_curves(found, figure_folder):
            msg.good("Drew", path)
    missing = sum(len(section["missing"]) for section in found["sections"])
    if missing:
        msg.warn(f"{missing} of the expected cells are missing")


def _read_expected(path: Path) -> list[dict[str, Any]]:
    """The identities of all cells that there should be.

    RAISES (XnerError): X702 if the file is too large, X808 if it is no such list.
    """
    from ..safety import read_metadata

    try:
        found = read_metadata(path)
        # What cannot be written again (NaN, half characters) must not come into the summary.
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode("utf8")
    except XnerError:
        raise
    except ValueError as err:
        raise XnerError(Errors.X808.format(path=path, reason=reason(err))) from err
    fields = {"study": str, "setting": str, "system": str, "targets": list, "sizes": dict}
    if not isinstance(found, list) or not all(
        isinstance(row, dict)
        and all(isinstance(row.get(k), kind) for k, kind in fields.items())
        and all(isinstance(target, str) for target in row["targets"])
        for row in found
    ):
        raise XnerError(Errors.X808.format(path=path, reason=f"it has not {', '.join(fields)}"))
    return found
