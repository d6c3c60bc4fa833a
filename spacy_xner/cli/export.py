"""`xner export`: a pipeline that runs without torch and transformers."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from wasabi import msg

from ..util import load_pipeline
from ._app import command


@command("export")
def export_command(
    model: Annotated[Path, typer.Argument(help="Folder of a trained pipeline.")],
    output: Annotated[Path, typer.Argument(help="Folder for the new one; an old one is replaced.")],
    runtime: Annotated[
        Literal["onnx", "torch"], typer.Option(help="What runs the encoder.")
    ] = "onnx",
    precision: Annotated[
        Literal["int8", "float32"], typer.Option(help="Of the weights, with --runtime onnx.")
    ] = "int8",
    vocabulary: Annotated[
        list[Path] | None,
        typer.Option(
            help="Keep the word embeddings that this text needs: .txt, .jsonl or .spacy; repeated."
        ),
    ] = None,
    least: Annotated[
        int, typer.Option(min=0, help="Fill up to so many pieces with the most probable others.")
    ] = 0,
) -> None:
    """Copy a pipeline in the form in which it is used: faster and smaller on a CPU.

    With the runtime onnx the result needs spaCy, onnxruntime and tokenizers, and neither torch nor
    transformers. It predicts and cannot be trained.
    """
    from ..corpora.raw_text import read_text
    from ..pipeline.export import check_target, export_pipeline, save_export, torch_components
    from ..pipeline.trim import trim_pipeline

    check_target(model, output)
    nlp = load_pipeline(model)
    if vocabulary:
        texts = (record.text for path in vocabulary for record in read_text(path))
        msg.info(f"Word pieces: {trim_pipeline(nlp, texts, least=least)}")
    if runtime == "onnx":
        nlp = export_pipeline(nlp, precision=precision)
        if others := torch_components(nlp):
            msg.warn(f"These components need torch still: {', '.join(others)}")
    how = {"runtime": runtime} | ({"precision": precision} if runtime == "onnx" else {})
    save_export(nlp, output, **how)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file()) / 1e6
    msg.good(f"Exported the pipeline, {size:.0f} MB", output)
