"""Run a study: cell after cell, in several processes, for as long as there is time."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr, redirect_stdout
from itertools import groupby
from pathlib import Path
from traceback import print_exc
from typing import Any

from ..cli._util import write_json
from ..errors import XnerError, reason
from ..jobs.local import end_with_parent
from ..locks import lock_folder
from ..safety import read_metadata
from .cells import Cell
from .compute import STUDENTS, compute, compute_ranking, is_done
from .grid import cells, ranking_cell
from .parts import RANKING, Place, make_teacher

# A process that has trained many models is replaced: not all memory comes back.
TASKS_EACH = 12
Task = tuple[str, Callable[..., None], tuple[Any, ...]]
"""A name for the log, a function and its arguments; all of it can be pickled."""


def run_study(
    place: Place,
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    jobs: int = 1,
    minutes: float = 0.0,
    systems: Sequence[str] = (),
    tell: Callable[[str], None] = print,
) -> list[str]:
    """Compute the cells that have no result yet.

    place (Place): Where things lie.
    sources, targets (Sequence[str]): Languages, see `grid.cells`.
    jobs (int): Processes; the processor's threads are shared between them.
    minutes (float): Nothing new is begun after so many; 0 for no limit.
    systems (Sequence[str]): Only these; none for all of the plan.
    tell (Callable[[str], None]): Is told how it goes.
    RETURNS (List[str]): What failed, and why. The other cells are computed all the same.
    RAISES (XnerError): X701 if another process computes here, X801 if a result was made from
        other inputs, and what the ranking raises.
    """
    end = time.monotonic() + 60 * minutes if minutes else float("inf")
    failures: list[str] = []
    with lock_folder(place.work):
        todo = missing(place, sources, targets, tell=tell)
        todo = [cell for cell in todo if not systems or cell.system in systems]
        tell(f"{len(todo)} cells to compute")
        for wave in waves(place, todo, targets):
            for tasks in wave:
                failures += run_tasks(tasks, place.work / "logs", jobs=jobs, end=end, tell=tell)
    return failures


def missing(
    place: Place,
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    tell: Callable[[str], None] = print,
) -> list[Cell]:
    """The cells without a result; the ranking, on which their sources hang, is computed first."""
    known = ranking_cell(sources, targets, 0)
    if not (is_done(place, known) and (place.influence / RANKING).is_file()):
        tell("ranking of the sources")
        compute_ranking(place, known)
    ranking = read_metadata(place.results / known.file)["ranking"]
    found = cells(place.plan, sources, targets, ranking)
    identities = [cell.describe(place.plan.name, place.plan.sizes) for cell in [known, *found]]
    write_json(expected_file(place.results), identities)
    return [cell for cell in found if not is_done(place, cell)]


def expected_file(results: Path) -> Path:
    """Where the list of all cells of the plan lies, for `xner report --expected`."""
    return results.with_name(f"{results.name}-cells.json")


def waves(
    place: Place, todo: Sequence[Cell], targets: Sequence[str]
) -> Iterator[tuple[list[Task], list[Task]]]:
    """Cut the cells into runs of one seed: first the teachers that they need, then they.

    Within a run nothing needs what another makes, so that all can be done at once.
    """
    made: set[tuple[str, int, str]] = set()
    for seed, group in groupby(todo, key=lambda cell: cell.seed):
        batch = list(group)
        needed = dict.fromkeys(
            (source, seed, kind)
            for cell in batch
            for kind in _kinds(cell)
            for source in cell.sources
        )
        teachers = [x for x in needed if x not in made]
        made.update(teachers)
        yield (
            [
                (f"{kind}-{source}-{seed}", make_teacher, (place, source, targets, seed, kind))
                for source, seed, kind in teachers
            ],
            [("-".join((cell.setting, cell.file.stem)), compute, (place, cell)) for cell in batch],
        )


def _kinds(cell: Cell) -> tuple[str, ...]:
    if cell.system == "ensemble":
        return ("teacher",)
    return STUDENTS[cell.system][1:2] if cell.system in STUDENTS else ()


def run_tasks(
    tasks: Sequence[Task],
    logs: Path,
    *,
    jobs: int,
    end: float = float("inf"),
    tell: Callable[[str], None] = print,
) -> list[str]:
    """Run tasks, each with a log of its own.

    tasks (Sequence[Task]): Independent of each other.
    logs (Path): Folder of the logs.
    jobs (int): Processes.
    end (float): By `time.monotonic`; nothing is begun after it.
    tell (Callable[[str], None]): Is told of each that is done.
    RETURNS (List[str]): What failed, and why.
    """
    logs.mkdir(parents=True, exist_ok=True)
    threads = max(1, (os.cpu_count() or 1) // jobs)
    failures = []
    waiting = list(tasks)
    with ProcessPoolExecutor(
        jobs,
        multiprocessing.get_context("spawn"),
        initializer=_set_up,
        initargs=(threads,),
        max_tasks_per_child=TASKS_EACH,
    ) as pool:
        running: dict[Future[float], str] = {}
        while running or waiting:
            while waiting and len(running) < jobs and time.monotonic() < end:
                name, run, arguments = waiting.pop(0)
                running[pool.submit(_logged, logs / f"{name}.log", run, arguments)] = name
            if not running:
                break
            future = next(as_completed(running))
            name = running.pop(future)
            try:
                tell(f"{name}: {future.result():.0f} s")
            except BrokenProcessPool:
                failures.append(f"{name}: its process died")
                break
            except Exception as err:
                failures.append(f"{name}: {reason(err)}")
                tell(failures[-1])
    return failures


def _set_up(threads: int) -> None:
    os.environ["OMP_NUM_THREADS"] = str(threads)
    threading.Thread(target=end_with_parent, daemon=True).start()


def _logged(log: Path, run: Callable[..., None], arguments: tuple[Any, ...]) -> float:
    """Run one task; what it prints goes to the log."""
    start = time.monotonic()
    with log.open("w", encoding="utf8") as stream, redirect_stdout(stream), redirect_stderr(stream):
        try:
            run(*arguments)
        except XnerError:
            raise
        except Exception as err:
            print_exc(file=stream)
            raise RuntimeError(f"{reason(err)} (see {log})") from None
    return time.monotonic() - start
