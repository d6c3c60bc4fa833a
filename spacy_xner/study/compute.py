"""Compute one cell and write its result file."""

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..cli._util import load_pipeline, write_json
from ..cli.similarity import rank
from ..encoders import local_encoder
from ..encoders.checkpoint import read_manifest
from ..errors import Errors, XnerError
from ..evaluation.provenance import provenance
from ..evaluation.systems import entities_of
from ..hashing import hash_file, hash_json
from ..safety import read_metadata
from ..silver import read_silver
from .cells import FORMAT, Cell
from .parts import (
    RANKING,
    Place,
    cost,
    make_ensemble,
    make_llm,
    teacher_folder,
    test_docs,
    train_model,
    train_on_labels,
    write_silver,
)
from .score import score_cell, texts_of

# The recipe of the student, of its teachers, and how these are combined.
STUDENTS = {
    "uniform": ("student", "teacher", "uniform"),
    "weighted": ("student", "teacher", "weighted"),
    "ner": ("ner", "teacher", "weighted"),
    "mtmt": ("mtmt", "tasks", "weighted"),
    "hybrid": ("student", "teacher", "weighted"),
}
# What the teachers cost, in the result by the name on the right.
TEACHERS = {"train_seconds": "teachers_seconds", "annotate_seconds": "annotate_seconds"}


def cell_key(place: Place, cell: Cell) -> str:
    """SHA-256 over what decides a cell: itself, recipes, texts and labels, the encoder.

    Versions of packages do not count; they are in the result's provenance.
    """
    kinds = STUDENTS[cell.system][:2] if cell.system in STUDENTS else ("direct", "teacher")
    recipes = {kind: place.plan.recipes[kind] for kind in (*kinds, "llm")}
    if cell.system != "hybrid":
        del recipes["llm"]
    read = [*map(place.train_file, cell.sources), *map(place.text_file, cell.targets)]
    read += map(place.test_file, cell.targets)
    return hash_json(
        {
            "cell": cell.describe(place.plan.name, place.plan.sizes),
            "recipes": {
                kind: [x.epochs, x.overrides, hash_file(x.config, algorithm="sha256")]
                for kind, x in recipes.items()
            },
            "read": {file.name: hash_file(file, algorithm="sha256") for file in read},
            "encoder": str(read_manifest(Path(place.encoder)) or place.encoder),
        }
    )


def is_done(place: Place, cell: Cell) -> bool:
    """Is there a result of this cell?

    RAISES (XnerError): X801 if there is one of other data or recipes.
    """
    path = place.results / cell.file
    if not path.is_file():
        return False
    found, expected = read_metadata(path).get("key"), cell_key(place, cell)
    if found != expected:
        raise XnerError(Errors.X801.format(path=path, found=found, expected=expected))
    return True


def compute_ranking(place: Place, cell: Cell) -> None:
    """Weigh the sources for each target by raw text alone, for the orders and the weights."""
    start = time.perf_counter()
    file = place.influence / RANKING
    if not file.is_file():
        known = [f"{name}={place.train_file(name)}" for name in cell.sources]
        new = [f"{name}={place.text_file(name)}" for name in cell.targets]
        encoder = local_encoder(place.encoder, Path(place.encoder))
        rank(known, new, encoder=encoder, output=file, seed=cell.seed, gpu_id=place.gpu_id)
    entries = read_metadata(file)["targets"]
    ranking = {target: entry["weights"] for target, entry in entries.items()}
    write_cell(place, cell, {"ranking": ranking}, seconds=time.perf_counter() - start)


def compute(place: Place, cell: Cell) -> None:
    """Train, score and write a cell whose teachers are there.

    RAISES (XnerError): See `train_model` and `score_cell`.
    """
    start = time.perf_counter()
    folder = place.work / "cells" / "-".join([cell.setting, cell.file.stem])
    if cell.system == "ensemble":
        found = _ensemble(place, cell)
    elif cell.system in STUDENTS:
        found = _student(place, cell, folder)
    else:
        found = _direct(place, cell, folder)
    write_cell(place, cell, found, seconds=time.perf_counter() - start)
    shutil.rmtree(folder, ignore_errors=True)  # hundreds of models would fill a disk


def _direct(place: Place, cell: Cell, folder: Path) -> dict[str, Any]:
    """A model of labels; with those of the target itself it is an upper bound."""
    size = "supervised" if cell.system == "supervised" else "source"
    model = train_on_labels(place, "direct", cell.sources, folder, seed=cell.seed, size=size)
    nlp = load_pipeline(model)
    found = _score(place, dict.fromkeys(cell.targets, nlp))
    return {**found, "cost": cost(folder) | found["cost"]}


def _ensemble(place: Place, cell: Cell) -> dict[str, Any]:
    """The teachers together, as they are."""
    pipelines = {
        target: make_ensemble(place, cell.sources, target, cell.seed, system="weighted")
        for target in cell.targets
    }
    found = _score(place, pipelines)
    return {**found, "cost": _teachers_cost(place, cell, "teacher") | found["cost"]}


def _student(place: Place, cell: Cell, folder: Path) -> dict[str, Any]:
    """A student of the teachers' silver annotations."""
    recipe, kind, how = STUDENTS[cell.system]
    llm = (
        make_llm(place, cell.sources, cell.targets, cell.seed) if cell.system == "hybrid" else None
    )
    silver, weights, known = folder / "silver", {}, {}
    for target in cell.targets:
        nlp = make_ensemble(place, cell.sources, target, cell.seed, system=how, kind=kind, llm=llm)
        docs = write_silver(place, nlp, target, silver / target)
        known[target] = texts_of(docs)
        weights[target] = mean_weights(docs)
    model = train_model(
        place,
        place.plan.recipes[recipe],
        folder / "student",
        seed=cell.seed,
        folder=silver,
        names=cell.targets,
        sources=cell.sources,
    )
    found = _score(place, dict.fromkeys(cell.targets, load_pipeline(model)), known)
    costs = _teachers_cost(place, cell, kind)
    for name, seconds in (cost(llm) if llm else {}).items():
        costs[TEACHERS[name]] += seconds
    return {**found, "weights": weights, "cost": costs | cost(folder / "student") | found["cost"]}


def _teachers_cost(place: Place, cell: Cell, kind: str) -> dict[str, float]:
    """Processor time of the teachers; of each it was measured once."""
    found = [cost(teacher_folder(place, name, cell.seed, kind)) for name in cell.sources]
    return {total: sum(x.get(part, 0.0) for x in found) for part, total in TEACHERS.items()}


def _score(
    place: Place, pipelines: Mapping[str, Language], known: Mapping[str, set[str]] | None = None
) -> dict[str, Any]:
    start = time.process_time()
    examples = {
        target: entities_of(nlp, test_docs(place, target, Vocab()))
        for target, nlp in pipelines.items()
    }
    found = score_cell(examples, known)
    return {**found, "cost": {"score_seconds": time.process_time() - start}}


def mean_weights(docs: Sequence[Doc]) -> dict[str, float]:
    """How much each teacher was heard, on average over documents with silver annotations."""
    rows = [read_silver(doc).teacher_weights for doc in docs]
    return {name: fmean(row[name] for row in rows) for name in (rows[0] if rows else ())}


def write_cell(place: Place, cell: Cell, found: Mapping[str, Any], *, seconds: float) -> None:
    """Write the result file, with where it comes from.

    found (Mapping[str, Any]): Scores and the like.
    seconds (float): How long it took by the clock, without what was there already.
    """
    files = {target: place.test_file(target) for target in cell.targets}
    made = provenance(models={}, files=files, seed=cell.seed)
    result = {
        "format": FORMAT,
        "key": cell_key(place, cell),
        "cell": cell.describe(place.plan.name, place.plan.sizes),
        **found,
        "provenance": {**made, "seconds": seconds},
    }
    write_json(place.results / cell.file, result)
