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

from ..corpora.raw_text import read_text
from ..encoders import local_encoder
from ..encoders.features import load_token_features
from ..ensemble.nn_rank import rank_sources
from ..errors import Errors, XnerError
from ..evaluation.provenance import provenance
from ..evaluation.systems import entities_of
from ..silver import read_silver
from ..training.run import STAMP
from ..util import load_pipeline, write_json
from .cells import FORMAT, Cell
from .grid import ALL
from .identity import STUDENTS, cell_key
from .parts import (
    Place,
    cost,
    direct_recipe,
    make_ensemble,
    pooled_folder,
    teacher_folders,
    test_docs,
    train_model,
    train_on_labels,
    write_silver,
)
from .score import score_cell, texts_of


def compute(place: Place, cell: Cell) -> None:
    """Make, score and write a cell whose teachers are there.

    RAISES (XnerError): X810 if the inputs change meanwhile, and what training and scoring raise.
    """
    start, key = time.perf_counter(), cell_key(place, cell)
    folder = cell_folder(place, cell)
    if cell.system == "ranking":
        found = _ranking(place, cell)
    elif cell.system == "ensemble":
        found = _ensemble(place, cell)
    elif cell.system in STUDENTS:
        found = _student(place, cell, folder)
    else:
        found = _direct(place, cell, folder)
    if cell_key(place, cell) != key:
        raise XnerError(Errors.X810.format(path=place.results / cell.file))
    made = provenance(
        models={},
        files={target: place.test_file(target) for target in cell.targets},
        seed=cell.seed,
    )
    result = {
        "format": FORMAT,
        "key": key,
        "cell": cell.describe(place.plan.name, place.plan.sizes),
        **found,
        "provenance": {**made, "seconds": time.perf_counter() - start},
    }
    write_json(place.results / cell.file, result)
    shutil.rmtree(folder, ignore_errors=True)  # hundreds of models would fill a disk


def cell_folder(place: Place, cell: Cell) -> Path:
    """Where the model of a cell is made."""
    return place.work / "cells" / "-".join([cell.setting, cell.file.stem])


def _ranking(place: Place, cell: Cell) -> dict[str, Any]:
    """Weigh the sources for each target by raw text alone, for orders and weights."""

    def texts(files: Mapping[str, Path]) -> dict[str, list[str]]:
        return {name: [record.text for record in read_text(file)] for name, file in files.items()}

    known = texts({name: place.train_file(name) for name in cell.sources})
    new = texts({name: place.text_file(name) for name in cell.targets})
    encode = load_token_features(local_encoder(place.encoder, Path(place.encoder)))
    found = rank_sources(known, new, encode, seed=cell.seed)
    return {"ranking": {target: entry["weights"] for target, entry in found.targets.items()}}


def _direct(place: Place, cell: Cell, folder: Path) -> dict[str, Any]:
    """A model of labels; with those of the target itself it is an upper bound."""
    size = "supervised" if cell.system == "supervised" else "source"
    # The teacher of a student is the same model, where there is one.
    kept = pooled_folder(place, cell.sources, cell.seed)
    output = kept if (kept / STAMP).is_file() and size == "source" else folder
    how: dict[str, Any] = {"seed": cell.seed, "size": size}
    model = train_on_labels(place, direct_recipe(cell), cell.sources, output, **how)
    nlp = load_pipeline(model)
    found = _score(place, dict.fromkeys(cell.targets, nlp))
    # Without its answers, if it is a teacher too.
    trained = {"train_seconds": cost(output)["train_seconds"]}
    return {**found, "cost": trained | found["cost"]}


def _ensemble(place: Place, cell: Cell) -> dict[str, Any]:
    """The teachers together, as they are."""
    found = _score(place, {target: make_ensemble(place, cell, target) for target in cell.targets})
    return {**found, "cost": _teachers_cost(place, cell, targets=()) | found["cost"]}


def _student(place: Place, cell: Cell, folder: Path) -> dict[str, Any]:
    """A student of the teachers' silver annotations."""
    recipe, kind, how = STUDENTS[cell.system]
    llm = cell.system == "hybrid"
    weights, known = {}, {}
    silver = place.silver if _is_shown(place, cell) else folder / "silver"
    start = time.process_time()
    for target in cell.targets:
        nlp = make_ensemble(place, cell, target, how=how, kind=kind, llm=llm)
        docs = write_silver(place, nlp, target, silver / target)
        known[target] = texts_of(docs)
        weights[target] = mean_weights(docs)
    pooled = time.process_time() - start
    model = train_model(
        place,
        place.plan.recipes[recipe],
        folder / "student",
        seed=cell.seed,
        folder=silver,
        names=cell.targets,
        sources=cell.sources,
        against=[place.test_file(target) for target in cell.targets],
    )
    found = _score(place, dict.fromkeys(cell.targets, load_pipeline(model)), known)
    costs = _teachers_cost(place, cell, kind=kind, llm=llm, targets=cell.targets)
    costs["annotate_seconds"] += pooled
    return {**found, "weights": weights, "cost": costs | cost(folder / "student") | found["cost"]}


def _is_shown(place: Place, cell: Cell) -> bool:
    """Are its silver annotations kept for the report? They hold text of the corpora."""
    what = (cell.setting, cell.system, cell.order, cell.targets, cell.seed)
    return what == ("rich", "weighted", ALL, place.targets, place.plan.seeds[0])


def _teachers_cost(
    place: Place, cell: Cell, *, kind: str = "teacher", llm: bool = False, targets: Sequence[str]
) -> dict[str, float]:
    """Processor time of all teachers, and of what they say about some targets."""
    found = [cost(folder) for folder in teacher_folders(place, cell, kind=kind, llm=llm).values()]
    asked = [x.get("annotate_seconds", {}) for x in found]
    return {
        "teachers_seconds": sum(x.get("train_seconds", 0.0) for x in found),
        "annotate_seconds": sum(x.get(target, 0.0) for x in asked for target in targets),
    }


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
