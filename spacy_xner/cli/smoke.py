"""`xner smoke`: does a pipeline predict what it predicted before it was packaged?"""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from wasabi import msg

from ..errors import Errors, XnerError
from ..util import load_pipeline
from ._app import command

if TYPE_CHECKING:
    from spacy.language import Language


@command("smoke")
def smoke_command(
    model: Annotated[str, typer.Argument(help="Name of an installed pipeline, or a folder.")],
    record: Annotated[
        bool, typer.Option("--record", help="Write what it predicts now into its folder.")
    ] = False,
    texts: Annotated[
        Path | None,
        typer.Option(help="With --record: a few texts that may be published; a few of ours."),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Largest difference between two scores.")
    ] = 1e-4,
) -> None:
    """Compare predictions with those before packaging; exit code 1 if one is not the same.

    Record before 'spacy package', which takes the record into the package, and compare where the
    package is installed.
    """
    if texts is not None and not record:
        raise typer.BadParameter("It goes with --record.", param_hint="--texts")
    if record and not Path(model).is_dir():  # what is installed must stay what it is
        raise XnerError(Errors.X601.format(path=model))
    start = time.perf_counter()
    nlp = load_pipeline(model)
    seconds = time.perf_counter() - start
    if record:
        _record(nlp, Path(model), texts)
    else:
        _compare(nlp, model, tolerance, seconds)


def _record(nlp: "Language", folder: Path, path: Path | None) -> None:
    from ..corpora.raw_text import read_text
    from ..smoke import RECORD, default_texts, write_record

    texts = default_texts() if path is None else list(read_text(path))
    if not texts:
        raise typer.BadParameter("It holds no text.", param_hint="--texts")
    found = write_record(nlp, texts, folder)["texts"]
    entities = sum(len(entry["entities"]) for entry in found)
    if not entities:
        msg.warn("The pipeline finds no entity in these texts: a comparison will say little")
    msg.good(f"Recorded {entities} entities in {len(found)} texts", folder / RECORD)


def _compare(nlp: "Language", model: str, tolerance: float, seconds: float) -> None:
    from ..smoke import compare, read_record

    record = read_record(Path(nlp.path or model))
    problems = compare(nlp, record, tolerance=tolerance)
    for problem in problems:
        msg.fail(problem)
    number = len(record["texts"])
    msg.info(f"{model}: loaded in {seconds:.1f} s, {number} texts, {len(problems)} differ")
    if problems:
        sys.exit(1)
    msg.good("All predictions are those before packaging")
