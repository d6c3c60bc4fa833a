"""Score every teacher, the ensemble and the student on the test sets of the targets."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from spacy_xner.annotate import find_ensemble
from spacy_xner.cli._app import command
from spacy_xner.ensemble.build import reuse_teachers
from spacy_xner.evaluation.provenance import provenance
from spacy_xner.evaluation.systems import STUDENT, evaluate_systems
from spacy_xner.shards import read_docs
from spacy_xner.teachers.base import Teacher
from spacy_xner.util import load_pipeline, setup_gpu, write_json

app = typer.Typer(pretty_exceptions_enable=False)


@command("evaluate", group=app)
def evaluate(
    test: Annotated[Path, typer.Argument(help="Folder of <language>-test.spacy files.")],
    ensemble: Annotated[Path, typer.Argument(help="Folder of one ensemble a target.")],
    student: Annotated[Path, typer.Argument(help="The student's pipeline.")],
    output: Annotated[Path, typer.Argument(help="JSON file for the scores.")],
    targets: Annotated[str, typer.Option(help="Targets; those without a test set are passed over")],
    labels: Annotated[str, typer.Option(help="Classes that count.")] = "PER LOC ORG",
    seed: Annotated[int, typer.Option(help="Seed of the training, for the record.")] = 0,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Score all systems and write one file with the scores and where they come from."""
    paths = {target: test / f"{target}-test.spacy" for target in targets.split()}
    paths = {target: path for target, path in paths.items() if path.is_file()}
    output.unlink(missing_ok=True)
    if not paths:
        msg.warn("No target has a test set: nothing is scored")
        return
    setup_gpu(gpu_id)
    pupil = load_pipeline(student)
    ensembles = {target: load_pipeline(ensemble / target) for target in paths}
    known: dict[str, Teacher] = {}
    for nlp in ensembles.values():
        reuse_teachers(find_ensemble(nlp), known)
        find_ensemble(nlp).keep_similarity = False  # nobody reads it here
    docs = {target: list(read_docs(path, pupil.vocab)) for target, path in paths.items()}
    report = evaluate_systems(ensembles, {STUDENT: pupil}, docs, labels.split())
    models = {f"ensemble for {target}": nlp for target, nlp in ensembles.items()}
    models["student"] = pupil
    report["provenance"] = provenance(models=models, files=paths, seed=seed)
    write_json(output, report)
    msg.good("Wrote the scores", output)


if __name__ == "__main__":
    app()
