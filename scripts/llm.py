"""Fine-tune language models on the sources: one for all of them, or one for each."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.cli.llm import base, tune
from spacy_xner.encoders import OFFLINE, encoder_path
from spacy_xner.teachers.guests import GuestKind, check_guests, guest_paths, guest_sources
from spacy_xner.teachers.pooled import TRAIN, check_alone
from spacy_xner.util import setup_gpu

app = typer.Typer(pretty_exceptions_enable=False)


@command("llm", group=app)
def llm(
    corpus: Annotated[Path, typer.Argument(help="Folder of <language>-train.spacy files.")],
    output: Annotated[Path, typer.Argument(help="Folder for the teachers.")],
    sources: Annotated[str, typer.Option(help="Languages with labels.")],
    targets: Annotated[str, typer.Option(help="Languages without.")],
    how: Annotated[GuestKind, typer.Option(help="One for all sources, one for each, or none.")],
    config: Annotated[Path, typer.Option(help="Training config.")],
    model: Annotated[str, typer.Option(help='"offline", a local folder or a hub name.')],
    built: Annotated[Path, typer.Option(help="Where the offline language model is built.")],
    epochs: Annotated[float, typer.Option(help="Passes over the corpora.")] = 2.0,
    limit: Annotated[int, typer.Option(help="Sentences a source at most, 0 for all.")] = 0,
    heard: Annotated[
        Literal["judged", "always"], typer.Option(help="Do other teachers decide who is heard?")
    ] = "judged",
    pooled: Annotated[
        Literal["true", "false"], typer.Option(help="Is there but one other teacher?")
    ] = "false",
    seed: Annotated[int, typer.Option(help="Seed of training.")] = 0,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Train the language models; one that was trained from the same inputs is left alone."""
    languages = sources.split()
    check_guests(how, languages, targets.split())
    if pooled == "true":  # before hours of training
        check_alone(aggregate="none", llm=how, heard=heard)
    wanted = guest_paths(how, output, languages)
    if not wanted:
        msg.info("No language model among the teachers: nothing to do")
        return
    if model == OFFLINE:
        base(built)
    setup_gpu(gpu_id)
    settings: dict[str, Any] = {"system.seed": seed}
    for name, path in wanted.items():
        taught = guest_sources(name, languages)
        tune(
            [corpus / f"{language}{TRAIN}" for language in taught],
            [corpus / f"{language}-dev.spacy" for language in taught],
            Path(path).parent,
            base=encoder_path(model, built),
            config=config,
            epochs=epochs,
            each=limit,
            gpu_id=gpu_id,
            overrides=settings,
        )


if __name__ == "__main__":
    app()
