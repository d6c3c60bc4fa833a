"""What decides a cell, as one hash: a result of other inputs is refused."""

from functools import cache
from pathlib import Path
from typing import Any

from ..errors import Errors, XnerError
from ..hashing import hash_json
from ..training.run import digest
from .cells import Cell, System
from .parts import ENSEMBLE, LLM, Place, direct_recipe, target_weights
from .results import read_cell

# The recipe of the student, of its teachers, and how these are combined.
STUDENTS: dict[System, tuple[str, str, str]] = {
    "pooled": ("student", "direct", "uniform"),
    "uniform": ("student", "teacher", "uniform"),
    "weighted": ("student", "teacher", "weighted"),
    "ner": ("ner", "teacher", "weighted"),
    "mtmt": ("mtmt", "tasks", "weighted"),
    "hybrid": ("student", "teacher", "weighted"),
}


def recipes_of(cell: Cell) -> tuple[str, ...]:
    """The names of the recipes by which a cell is made."""
    if cell.system == "ranking":
        return ()
    if cell.system == "ensemble":
        return ("teacher",)
    if cell.system not in STUDENTS:
        return (direct_recipe(cell),)
    kinds = STUDENTS[cell.system][:2]
    return (*kinds, LLM) if cell.system == "hybrid" else kinds


def cell_key(place: Place, cell: Cell) -> str:
    """SHA-256 over what decides a cell: itself, recipes, texts and labels, weights, encoders.

    Versions of packages do not count; they are in the result's provenance.
    """
    read = [*map(place.train_file, cell.sources), *map(place.text_file, cell.targets)]
    parts: dict[str, Any] = {
        "cell": cell.describe(place.plan.name, place.plan.sizes),
        "recipes": {},
        "encoder": _digest(place.encoder),
    }
    for kind in recipes_of(cell):
        recipe = place.plan.recipes[kind]
        parts["recipes"][kind] = [recipe.epochs, recipe.overrides, _digest(recipe.config)]
    if cell.system != "ranking":
        read += map(place.test_file, cell.targets)
    if cell.system in STUDENTS or cell.system == "ensemble":
        parts["ensemble"] = _digest(ENSEMBLE)
    pooled = STUDENTS[cell.system][2] if cell.system in STUDENTS else cell.system
    if len(cell.sources) > 1 and pooled in ("weighted", "ensemble"):
        parts["weights"] = {
            target: target_weights(place, cell.setting, cell.sources, target)
            for target in cell.targets
        }
    if cell.system == "hybrid":
        parts["llm"] = _digest(place.llm)
    parts["read"] = {file.name: _digest(file) for file in read}
    return hash_json(parts)


def is_done(place: Place, cell: Cell) -> bool:
    """Is there a result of this cell?

    RAISES (XnerError): X801 if there is one of other inputs, and what `read_cell` and
        `target_weights` raise.
    """
    path = place.results / cell.file
    if not path.is_file():
        return False
    found, expected = read_cell(path).key, cell_key(place, cell)
    if found != expected:
        raise XnerError(Errors.X801.format(path=path, found=found, expected=expected))
    return True


def _digest(path: Path | str) -> str:
    """Of a file or a folder; the name itself where it is a hub's."""
    found = Path(path)
    if not found.exists():
        return str(path)
    latest = max((x.stat().st_mtime_ns for x in [found, *found.glob("**/*")]), default=0)
    return _digest_at(found, latest)


@cache
def _digest_at(path: Path, latest: int) -> str:
    return digest(path)
