"""Train one student on the silver annotations of all target languages, in one or more rounds."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import srsly
import typer
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.cli.calibrate import calibrate_command
from spacy_xner.corpora.roles import check_student
from spacy_xner.encoders import encoder_path, local_encoder
from spacy_xner.errors import Errors, XnerError
from spacy_xner.evaluation.temperature import configured_temperature, set_temperature
from spacy_xner.locks import lock_folder
from spacy_xner.neighbours import weigh
from spacy_xner.rounds import add_student
from spacy_xner.safety import read_metadata
from spacy_xner.training.development import write_development
from spacy_xner.training.hidden_task import hidden_overrides
from spacy_xner.training.run import train_pipeline
from spacy_xner.util import setup_gpu

app = typer.Typer(pretty_exceptions_enable=False)
# What the annotations say about how they were made.
MADE = ("weights", "top", "pool", "aggregate", "pooled_teacher")


def describe(pipeline: Path, *, sources: str, targets: str, **made: Any) -> None:
    """Say in the pipeline's meta data what it was made from and how, and that data have licences.

    made: Settings, kept under "xner".
    """
    meta = srsly.read_json(pipeline / "meta.json")
    meta["description"] = (
        f"Named entities of: {targets}. Learnt without labels of these languages, from teachers "
        f"of: {sources}."
    )
    meta["license"] = "Follows the licences of the sources' corpora and of the targets' texts"
    meta["xner"] = {"sources": sources.split(), "targets": targets.split(), **made}
    srsly.write_json(pipeline / "meta.json", meta)


def how_made(silver: Path) -> dict[str, Any]:
    """How the ensemble was heard that made the silver annotations."""
    manifest = silver / "manifest.json"
    found = read_metadata(manifest) if manifest.is_file() else {}
    return {key: found[key] for key in MADE if key in found}


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
    min_confidence: Annotated[
        float, typer.Option(help="Leave out less confident texts, 0 for none.")
    ] = 0.0,
    weight_by_confidence: Annotated[
        Literal["true", "false"], typer.Option(help="Weigh texts by their confidence.")
    ] = "false",
    agreement: Annotated[
        float, typer.Option(help="How much tags count that all teachers agree on, 0 for no more.")
    ] = 0.0,
    neighbours: Annotated[
        int, typer.Option(min=0, help="Weigh tokens by so many neighbours, 0 for not at all.")
    ] = 0,
    rounds: Annotated[int, typer.Option(min=1, help="Students, one after the other.")] = 1,
    share: Annotated[
        float, typer.Option(help="Share of a student in the annotations of the next round.")
    ] = 0.5,
    calibrate: Annotated[
        Literal["true", "false"],
        typer.Option(help="Fit the last student's temperature to the sources' development sets."),
    ] = "false",
    hidden_from: Annotated[
        str, typer.Option(help="A pipeline whose token vectors are followed, if any.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Seed of training.")] = 0,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Train the student; progress is shown on the sources' development sets."""
    check_student(sources.split(), targets.split())
    follow = hidden_overrides(hidden_from, output)
    setup_gpu(gpu_id)
    temperature = configured_temperature(config)
    if calibrate == "true" and temperature is None:
        raise XnerError(Errors.X511.format(path=config))
    # No label of a target is seen in training, not even to choose a checkpoint: what is watched is
    # a little of each source's development set, and the last checkpoint is the one that is kept.
    dev = output / "dev.spacy"
    write_development((source / f"{name}-dev.spacy" for name in sources.split()), dev)
    overrides = {
        "paths.dev": str(dev),
        "paths.encoder": encoder_path(encoder, built),
        "system.seed": seed,
        "corpora.train.folders": targets.split(),
        **follow,
    }
    # What is off here is what the config says.
    settings = {
        "min_confidence": min_confidence,
        "weight_by_confidence": weight_by_confidence == "true",
        "agreement": agreement,
    }
    overrides |= {f"corpora.train.{key}": value for key, value in settings.items() if value}
    tests = sorted(against.glob("*.spacy"))
    # Only neighbours need a folder; a name of a hub is looked up once, not for each target.
    path = local_encoder(encoder, built) if neighbours else built
    how: dict[str, Any] = {"epochs": epochs, "gpu_id": gpu_id}
    # Of a source that is the target here, left out of the teachers, no label calibrates anything.
    calibrated_on = [
        source / f"{name}-dev.spacy" for name in sources.split() if name not in targets.split()
    ]
    failures: list[XnerError] = []

    def finish(model: Path, *, last: bool, **made: Any) -> None:
        """Not after training: a run that ends in between would count as done."""
        describe(model, sources=sources, targets=targets, **made)
        if last and calibrate == "true":
            try:
                calibrate_command(model, calibrated_on)
            except XnerError as err:  # hours of training must not be lost for it
                failures.append(err)

    for number in range(1, rounds + 1):
        last = number == rounds
        folder = output if last else output.with_name(f"{output.name}-round{number}")
        labels = silver if number == 1 else silver.with_name(f"{silver.name}-round{number}")
        weighed = labels.with_name(f"{labels.name}-neighbours") if neighbours else labels
        for target in targets.split():
            if number > 1:
                teacher = output.with_name(f"{output.name}-round{number - 1}") / "model-last"
                add_student(silver / target, labels / target, teacher, share=share, force=True)
            if neighbours:
                weigh(labels / target, weighed / target, path, k=neighbours, seed=seed, force=True)
        # Each student is a fresh one: it starts from the encoder, not from the student before it.
        now = {**overrides, "paths.train": str(weighed)}
        made = {**how_made(silver), **settings, "neighbours": neighbours, "rounds": number}
        made["share"] = share if number > 1 else 0.0
        how["finish"] = partial(finish, last=last, **made)
        if train_pipeline(config, folder, overrides=now, against=tests, **how):
            msg.good("Trained the student", folder / "model-last")
            continue
        msg.info("The student was trained from the same inputs: nothing to do")
        if last and temperature is not None:
            # The run that trained it may have been asked otherwise, or had other labels.
            with lock_folder(folder):
                if calibrate == "true":
                    calibrate_command(folder / "model-last", calibrated_on)
                else:
                    set_temperature(folder / "model-last", temperature)
    for err in failures:
        raise err


if __name__ == "__main__":
    app()
