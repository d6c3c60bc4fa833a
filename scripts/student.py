"""Train one student on the silver annotations of all target languages."""

from pathlib import Path
from typing import Annotated, Any

import srsly
import typer
from spacy.vocab import Vocab
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.cli._util import setup_gpu
from spacy_xner.encoders import encoder_path
from spacy_xner.shards import read_docs, write_docs
from spacy_xner.training.run import train_pipeline

app = typer.Typer(pretty_exceptions_enable=False)


def describe(pipeline: Path, *, sources: str, targets: str) -> None:
    """Say in the pipeline's meta data what it was made from, and that its data have licences."""
    meta = srsly.read_json(pipeline / "meta.json")
    meta["description"] = (
        f"Named entities of: {targets}. Learnt without labels of these languages, from teachers "
        f"of: {sources}."
    )
    meta["license"] = "Follows the licences of the sources' corpora and of the targets' texts"
    srsly.write_json(pipeline / "meta.json", meta)


@command("student", group=app)
def student(
    silver: Annotated[Path, typer.Argument(help="Folder with one folder of shards a target.")],
    source: Annotated[Path, typer.Argument(help="Folder of <language>-dev.spacy files.")],
    output: Annotated[Path, typer.Argument(help="Folder for the student.")],
    sources: Annotated[str, typer.Option(help="Languages of the teachers.")],
    targets: Annotated[str, typer.Option(help="Languages the student learns.")],
    config: Annotated[Path, typer.Option(help="Training config.")],
    encoder: Annotated[str, typer.Option(help='"offline", a local folder or a hub name.')],
    built: Annotated[Path, typer.Option(help="Where the offline encoder was built.")],
    against: Annotated[Path, typer.Option(help="Folder of the targets' test sets, if any.")],
    epochs: Annotated[float, typer.Option(help="Passes over the silver.")] = 3.0,
    seed: Annotated[int, typer.Option(help="Seed of training.")] = 0,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Train the student; progress is shown on the sources' development sets."""
    setup_gpu(gpu_id)
    # No label of a target is seen in training, not even to choose a checkpoint: what is watched is
    # a little of each source's development set, and the last checkpoint is the one that is kept.
    dev = output / "dev.spacy"
    dev.parent.mkdir(parents=True, exist_ok=True)
    docs = (read_docs(source / f"{name}-dev.spacy", Vocab()) for name in sources.split())
    write_docs(dev, [doc for language in docs for doc in list(language)[:50]])
    overrides = {
        "paths.train": str(silver),
        "paths.dev": str(dev),
        "paths.encoder": encoder_path(encoder, built),
        "system.seed": seed,
        "corpora.train.folders": targets.split(),
    }
    tests = sorted(against.glob("*.spacy"))
    settings: dict[str, Any] = {"overrides": overrides, "epochs": epochs, "gpu_id": gpu_id}
    if train_pipeline(config, output, against=tests, **settings):
        describe(output / "model-last", sources=sources, targets=targets)
        msg.good("Trained the student", output / "model-last")
    else:
        msg.info("The student was trained from the same inputs: nothing to do")


if __name__ == "__main__":
    app()
