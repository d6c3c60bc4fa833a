"""Run tasks in processes that may fail or die, each with a log of its own."""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from traceback import print_exc
from typing import Any, NamedTuple

from ..errors import XnerError, reason
from ..jobs.local import end_with_parent
from ..jobs.threads import threads_each
from ..util import setup_gpu

# A process that has trained many models is replaced: not all memory comes back.
TASKS_EACH = 12


class Task(NamedTuple):
    """Something to do, all of which can be pickled.

    name: For the log. run, arguments: A function and what it is called with. needs: Names of tasks
    that must be done before it.
    """

    name: str
    run: Callable[..., None]
    arguments: tuple[Any, ...]
    needs: frozenset[str] = frozenset()


class Runner:
    """Runs tasks, and remembers which were done and which failed.

    logs (Path): Folder of the logs.
    jobs (int): Processes, which share the threads of the processor.
    gpu_id (int): The GPU that all of them use, -1 for the CPU.
    end (float): By `time.monotonic`; nothing is begun after it.
    tell (Callable[[str], None]): Is told of each task.
    """

    def __init__(
        self,
        logs: Path,
        *,
        jobs: int = 1,
        gpu_id: int = -1,
        end: float = float("inf"),
        tell: Callable[[str], None] = print,
    ) -> None:
        self.logs = logs
        self.jobs = jobs
        self.gpu_id = gpu_id
        self.end = end
        self.tell = tell
        self.done: set[str] = set()
        self.failed: dict[str, str] = {}

    def run(self, tasks: Sequence[Task]) -> None:
        """Run the tasks that were not done before: of those whose needs are done, the first one.

        One whose process dies is tried once more, alone: it may have died of what ran beside it.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        waiting = [task for task in tasks if task.name not in self.done]
        while dead := self._run_pool(waiting, self.jobs):
            for task in dead:
                for again in self._run_pool([task], 1):
                    self._fail(again, f"its process died twice (see {self._log(again)})")
        if time.monotonic() < self.end:
            for task in waiting:
                missing = ", ".join(sorted(task.needs - self.done))
                self._fail(task, f"it needs {missing}, which nobody makes")

    def _next(self, waiting: list[Task]) -> Task | None:
        """Take the first task that can be begun from the list, if there is one."""
        while hopeless := [task for task in waiting if task.needs & set(self.failed)]:
            for task in hopeless:
                waiting.remove(task)
                self._fail(task, f"it needs {', '.join(sorted(task.needs & set(self.failed)))}")
        for task in waiting:
            if task.needs <= self.done and time.monotonic() < self.end:
                waiting.remove(task)
                return task
        return None

    def _run_pool(self, waiting: list[Task], jobs: int) -> list[Task]:
        """Take tasks from the list until none can be begun or a process dies.

        RETURNS (List[Task]): Those that were running then.
        """
        pool = ProcessPoolExecutor(
            jobs,
            multiprocessing.get_context("spawn"),
            initializer=_set_up,
            initargs=(threads_each(jobs), self.gpu_id),
            max_tasks_per_child=TASKS_EACH,
        )
        running: list[Task] = []
        futures: dict[Future[float], Task] = {}
        with pool:
            try:
                while True:
                    while len(running) < jobs and (task := self._next(waiting)):
                        running.append(task)  # first: an idle process may have died
                        future = pool.submit(_logged, self._log(task), task.run, task.arguments)
                        futures[future] = task
                    if not running:
                        return []
                    for future in wait(futures, return_when=FIRST_COMPLETED).done:
                        self._finish(future, futures[future])
                        running.remove(futures.pop(future))
            except BrokenProcessPool:
                return running

    def _finish(self, future: Future[float], task: Task) -> None:
        try:
            seconds = future.result()
        except BrokenProcessPool:
            raise
        except Exception as err:
            self._fail(task, reason(err))
        else:
            self.done.add(task.name)
            self.tell(f"{task.name}: {seconds:.0f} s")

    def _fail(self, task: Task, why: str) -> None:
        self.failed[task.name] = why
        self.tell(f"{task.name} failed: {why}")

    def _log(self, task: Task) -> Path:
        return self.logs / f"{task.name}.log"


def _set_up(threads: int, gpu_id: int) -> None:
    """Runs first in each process. torch is loaded already, and has read the environment."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    setup_gpu(gpu_id)
    threading.Thread(target=end_with_parent, daemon=True).start()


def _logged(log: Path, run: Callable[..., None], arguments: tuple[Any, ...]) -> float:
    """Run one task; what it prints goes to the log.

    RETURNS (float): Seconds by the clock.
    """
    start = time.monotonic()
    with log.open("w", encoding="utf8") as stream, redirect_stdout(stream), redirect_stderr(stream):
        try:
            run(*arguments)
        except XnerError:
            raise
        except (Exception, SystemExit) as err:
            print_exc(file=stream)
            raise RuntimeError(f"{reason(Exception(err))} (see {log})") from None
    return time.monotonic() - start
