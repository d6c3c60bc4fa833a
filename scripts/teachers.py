"""Train one teacher for each source language, several at a time, or one for all of them."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Literal

import typer
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.encoders import encoder_path
from spacy_xner.ensemble.build import EVALUATORS, trains_evaluator
from spacy_xner.evaluation.temperature import set_temperature
from spacy_xner.jobs.threads import threads_each
from spacy_xner.locks import lock_folder
from spacy_xner.teachers.pooled import POOLED, TRAIN
from spacy_xner.training.development import write_development

app = typer.Typer(pretty_exceptions_enable=False)


@command("teachers", group=app)
def teachers(
    corpus: Annotated[Path, typer.Argument(help="Folder of <language>-train.spacy files.")],
    output: Annotated[Path, typer.Argument(help="Folder for the teachers.")],
    sources: Annotated[str, typer.Option(help="Languages with labels.")],
    config: Annotated[Path, typer.Option(help="Training config.")],
    encoder: Annotated[str, typer.Option(help='"offline", a local folder or a hub name.')],
    built: Annotated[Path, typer.Option(help="Where the offline encoder was built.")],
    epochs: Annotated[float, typer.Option(help="Passes over each corpus.")] = 3.0,
    seed: Annotated[int, typer.Option(help="Seed of training.")] = 0,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
    pooled: Annotated[
        Literal["true", "false"],
        typer.Option(help="One teacher of all sources together in place of one for each."),
    ] = "false",
    jobs: Annotated[int, typer.Option(min=1, help="Teachers trained at once.")] = 1,
    calibrate: Annotated[
        Literal["true", "false"], typer.Option(help="Fit temperatures to the development sets.")
    ] = "false",
    evaluators: Annotated[
        Literal["true", "false"], typer.Option(help="Train similarity evaluators as well.")
    ] = "false",
    evaluator_config: Annotated[
        Path, typer.Option(help="Config of the evaluators, if the teachers' has none.")
    ] = Path("configs/evaluator.cfg"),
) -> None:
    """Train the teachers; one that was trained from the same inputs is left alone.

    Evaluators lie beside the teachers, in a folder 'evaluators', unless the config of the teachers
    trains both tasks in one pipeline.

    A temperature depends on the trained model and the development set alone, so that fitting it
    again changes nothing.
    """
    # One thread each beats all threads for one after the other.
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads_each(jobs))}

    trained = {config: output}
    if evaluators == "true" and not trains_evaluator(config):
        trained[evaluator_config] = output.with_name(EVALUATORS)

    def run(language: str) -> tuple[str, int]:
        dev, model = corpus / f"{language}-dev.spacy", output / language / "model-last"
        fixed = ["--epochs", str(epochs), "--gpu-id", str(gpu_id)]
        if pooled == "true":
            dev = output / POOLED / "dev.spacy"
            write_development((corpus / f"{name}-dev.spacy" for name in sources.split()), dev)
            files = [f"{name}{TRAIN}" for name in sources.split()]
            fixed += ["--paths.train", str(corpus), "--corpora.train.folders", json.dumps(files)]
        else:
            fixed += ["--paths.train", str(corpus / f"{language}{TRAIN}")]
        fixed += ["--paths.dev", str(dev)]
        fixed += ["--paths.encoder", encoder_path(encoder, built), "--system.seed", str(seed)]
        steps = [
            ["train", str(path), "--output", str(folder / language), *fixed]
            for path, folder in trained.items()
        ]
        if calibrate == "true":
            steps.append(["calibrate", str(model), str(dev), "--gpu-id", str(gpu_id)])
        log = output / f"{language}.log"
        code = 0
        with log.open("w", encoding="utf8") as stream:
            for step in steps:
                code = (
                    code
                    or subprocess.run(
                        [sys.executable, "-m", "spacy", "xner", *step],
                        env=environment,
                        stdout=stream,
                        stderr=subprocess.STDOUT,
                        check=False,
                    ).returncode
                )
        if not code and calibrate == "false":
            set_temperature(model, 1.0)  # an earlier run may have calibrated it
        if code:
            msg.fail(f"The teacher '{language}' failed, see {log}", log.read_text("utf8")[-1500:])
        else:
            msg.good(f"Teacher '{language}'", output / language)
        return language, code

    # Each training has a lock of its own; this one is for the logs and temperatures.
    with lock_folder(output), ThreadPoolExecutor(max_workers=jobs) as pool:
        results = list(pool.map(run, [POOLED] if pooled == "true" else sources.split()))
    if any(code for _, code in results):
        sys.exit(1)


if __name__ == "__main__":
    app()
