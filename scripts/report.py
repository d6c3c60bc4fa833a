"""Print the scores of a run, and where its package lies."""

from pathlib import Path
from typing import Annotated

import srsly
import typer
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.errors import Errors, XnerError
from spacy_xner.evaluation.systems import markdown_table
from spacy_xner.evaluation.thresholds import curve_table

app = typer.Typer(pretty_exceptions_enable=False)


@command("report", group=app)
def report(
    scores: Annotated[Path, typer.Argument(help="JSON file of scripts/evaluate.py.")],
    packages: Annotated[Path, typer.Argument(help="Folder of the packages.")],
    package: Annotated[str, typer.Option(help="Name and version of the package.")],
) -> None:
    """Print tables of scores and the path of the wheel."""
    if scores.is_file():
        found = srsly.read_json(scores)
        msg.divider("F1, exact spans")
        print(markdown_table(found))
        msg.divider("Calibration error of the scores, %")
        print(markdown_table(found, "ece"))
        # Scores that were written before there were curves have none.
        for name, curve in found.get("curves", {}).items():
            if curve is not None:
                msg.divider(f"Entities of the {name} from a threshold upwards, average")
                print(curve_table(curve))
    folder = packages / package / "dist"
    wheels = sorted(folder.glob("xx_*.whl"))
    if not wheels:
        raise XnerError(Errors.X601.format(path=folder / "xx_*.whl"))
    msg.good("The student", wheels[-1])
    print(f"pip install --constraint constraints.txt --find-links {folder} {wheels[-1]}")


if __name__ == "__main__":
    app()
