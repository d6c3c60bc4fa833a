"""Bring the student into the form in which it is evaluated and packaged."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from spacy_xner.cli._app import command
from spacy_xner.cli._util import load_pipeline
from spacy_xner.corpora.raw_text import read_text
from spacy_xner.pipeline.export import export_pipeline
from spacy_xner.pipeline.trim import find_encoders, trim_pipeline
from spacy_xner.training.checkpoints import save_whole

app = typer.Typer(pretty_exceptions_enable=False)


@command("export", group=app)
def export(
    student: Annotated[Path, typer.Argument(help="The trained student.")],
    output: Annotated[Path, typer.Argument(help="Folder for the one that is packaged.")],
    unlabelled: Annotated[Path, typer.Argument(help="Folder of the targets' text.")],
    targets: Annotated[str, typer.Option(help="Languages the student has learnt.")],
    runtime: Annotated[
        Literal["torch", "onnx"], typer.Option(help="What runs a transformer.")
    ] = "torch",
    precision: Annotated[
        Literal["int8", "float32"], typer.Option(help="Of its weights, with onnx.")
    ] = "int8",
    pieces: Annotated[int, typer.Option(min=0, help="Word pieces to keep at least.")] = 60_000,
) -> None:
    """Leave out what the targets do not need, and change the runtime if asked to."""
    nlp = load_pipeline(student)
    if find_encoders(nlp):  # others have no vocabulary, and need no torch
        paths = (unlabelled / f"{target}.jsonl" for target in targets.split())
        texts = (record.text for path in paths for record in read_text(path))
        trim_pipeline(nlp, texts, least=pieces)
        if runtime == "onnx":
            nlp = export_pipeline(nlp, precision=precision)
    save_whole(nlp, output)


if __name__ == "__main__":
    app()
