"""Run a study: cell after cell, in several processes, for as long as there is time."""

import shutil
import time
from collections.abc import Callable, Sequence
from typing import get_args

from ..errors import Errors, XnerError
from ..locks import lock_folder
from ..safety import read_metadata
from ..util import write_json
from .cells import Cell, System
from .compute import cell_folder, compute
from .grid import cells, ranking_cell
from .identity import STUDENTS, is_done
from .parts import Place, make_llm, make_pooled, make_teacher
from .results import expected_file
from .tasks import Runner, Task


def run_study(
    place: Place,
    *,
    jobs: int = 1,
    minutes: float = 0.0,
    systems: Sequence[str] = (),
    seeds: Sequence[int] = (),
    tell: Callable[[str], None] = print,
) -> dict[str, str]:
    """Compute the cells that have no result yet.

    place (Place): Where things lie.
    jobs (int): Processes; the processor's threads are shared between them.
    minutes (float): Nothing new is begun after so many; 0 for no limit.
    systems (Sequence[str]): Only these; none for all of the plan.
    seeds (Sequence[int]): Only these; none for all of the plan.
    tell (Callable[[str], None]): Is told how it goes.
    RETURNS (Dict[str, str]): What failed, and why. The other cells are computed all the same.
    RAISES (XnerError): X308 for an unknown system or a seed that is not in the plan, X601 if a
        corpus is missing, X701 if another process computes here, X801 if a result was made from
        other inputs, and what `read_cell` raises.
    """
    _check_corpora(place)
    if unknown := sorted(set(systems) - set(get_args(System))):
        details = {"key": "systems", "value": unknown, "expected": get_args(System)}
        raise XnerError(Errors.X308.format(**details))
    if unknown_seeds := sorted(set(seeds) - set(place.plan.seeds)):
        details = {"key": "seeds", "value": unknown_seeds, "expected": place.plan.seeds}
        raise XnerError(Errors.X308.format(**details))
    end = time.monotonic() + 60 * minutes if minutes else float("inf")
    runner = Runner(place.work / "logs", jobs=jobs, gpu_id=place.gpu_id, end=end, tell=tell)
    with lock_folder(place.work), lock_folder(place.results):
        place.silver.mkdir(exist_ok=True)
        rankings = [ranking_cell(x, place.sources, place.targets) for x in _settings(place)]
        todo = [cell for cell in rankings if not is_done(place, cell)]
        runner.run([cell_task(place, cell) for cell in todo])
        if any(not is_done(place, cell) for cell in rankings):
            return runner.failed
        todo = missing(place, rankings, systems, seeds)
        tell(f"{len(todo)} cells to compute")
        runner.run(tasks_of(place, todo))
        left = sum(not is_done(place, cell) for cell in todo)
        tell(f"{len(todo) - left} cells computed, {left} left")
    return runner.failed


def _check_corpora(place: Place) -> None:
    """Nobody should learn after hours of training that a test set is missing."""
    for key, languages in (("sources", place.sources), ("targets", place.targets)):
        if not languages:
            details = {"key": key, "value": "none", "expected": "one language or more"}
            raise XnerError(Errors.X308.format(**details))
    labels = map(place.train_file, place.sources)
    texts = map(place.text_file, place.targets)
    for path in (*labels, *texts, *map(place.test_file, place.targets)):
        if not path.is_file():
            raise XnerError(Errors.X601.format(path=path))


def _settings(place: Place) -> list[str]:
    """Rich sources are always ranked: it is the order in which they are added."""
    family = "family" in place.plan.settings and set(place.sources) & set(place.targets)
    return ["rich", "family"] if family else ["rich"]


def missing(
    place: Place,
    rankings: Sequence[Cell],
    systems: Sequence[str] = (),
    seeds: Sequence[int] = (),
) -> list[Cell]:
    """The cells without a result, in their order; all cells are listed beside the results.

    rankings (Sequence[Cell]): With results, that of the rich sources first.
    systems (Sequence[str]): Only these; none for all. Who leaves the hybrid out needs no language
        model to check its results.
    seeds (Sequence[int]): Only these; none for all.
    RAISES (XnerError): X801, see `is_done`.
    """
    ranking = read_metadata(place.results / rankings[0].file)["ranking"]
    found = cells(place.plan, place.sources, place.targets, ranking)
    identities = [x.describe(place.plan.name, place.plan.sizes) for x in (*rankings, *found)]
    write_json(expected_file(place.results), identities)
    todo = []
    for cell in found:
        if (systems and cell.system not in systems) or (seeds and cell.seed not in seeds):
            continue
        if is_done(place, cell):
            shutil.rmtree(cell_folder(place, cell), ignore_errors=True)  # a kill may have left it
        else:
            todo.append(cell)
    return todo


def tasks_of(place: Place, todo: Sequence[Cell]) -> list[Task]:
    """All that is to be done, in order: the teachers of a cell, and then it."""
    pooled = {(cell.sources, cell.seed) for cell in todo if cell.system == "pooled"}
    tasks: dict[str, Task] = {}
    for cell in todo:
        if cell.system == "direct" and (cell.sources, cell.seed) in pooled:
            needed = [pooled_task(place, cell)]  # the same model, which is trained once
        else:
            needed = teacher_tasks(place, cell)
        for task in (*needed, cell_task(place, cell, needs=[x.name for x in needed])):
            tasks.setdefault(task.name, task)
    return list(tasks.values())


def pooled_task(place: Place, cell: Cell) -> Task:
    """The task of training one model on all sources of a cell."""
    name = f"pooled-{'-'.join(cell.sources)}-seed{cell.seed}"
    return Task(name, make_pooled, (place, cell.sources, cell.seed))


def teacher_tasks(place: Place, cell: Cell) -> list[Task]:
    """What must be made before a cell can be."""
    if cell.system == "pooled":
        return [pooled_task(place, cell)]
    kind = STUDENTS[cell.system][1] if cell.system in STUDENTS else "teacher"
    tasks = []
    if cell.system in STUDENTS or cell.system == "ensemble":
        for source in cell.sources:
            name = f"{kind}-{source}-seed{cell.seed}"
            tasks.append(Task(name, make_teacher, (place, source, cell.seed, kind)))
    if cell.system == "hybrid":
        name = f"llm-{'-'.join(cell.sources)}-seed{cell.seed}"
        tasks.append(Task(name, make_llm, (place, cell.sources, cell.seed)))
    return tasks


def cell_task(place: Place, cell: Cell, needs: Sequence[str] = ()) -> Task:
    """The task of computing a cell."""
    name = f"{cell.setting}-{cell.file.stem}"
    return Task(name, compute, (place, cell), frozenset(needs))
