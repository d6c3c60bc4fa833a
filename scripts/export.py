"""Bring the student into the form in which it is evaluated and packaged."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.corpora.raw_text import read_text
from spacy_xner.pipeline.export import (
    check_target,
    export_pipeline,
    save_export,
    torch_components,
)
from spacy_xner.pipeline.trim import can_trim, find_encoders, trim_pipeline
from spacy_xner.util import load_pipeline

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
    check_target(student, output)
    nlp = load_pipeline(student)
    how: dict[str, str] = {"runtime": runtime}
    if can_trim(nlp):
        paths = (unlabelled / f"{target}.jsonl" for target in targets.split())
        texts = (record.text for path in paths for record in read_text(path))
        trim_pipeline(nlp, texts, least=pieces)
    elif find_encoders(nlp):
        msg.info("The whole vocabulary is kept: only that of a Unigram tokenizer can be trimmed")
    if runtime == "onnx" and find_encoders(nlp):
        nlp = export_pipeline(nlp, precision=precision)
        how["precision"] = precision
    if runtime == "onnx" and (others := torch_components(nlp)):
        msg.warn(f"These components need torch still: {', '.join(others)}")
    save_export(nlp, output, **how)


if __name__ == "__main__":
    app()
