"""Annotate blocks on this machine: in this process, or in several."""

import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

from spacy.language import Language

from ..errors import Errors, XnerError
from .annotator import Annotator
from .blocks import Block
from .run import Engine
from .shard import Entry, annotate_block
from .threads import threads_each

ATTEMPTS = 3
"""So often may a worker die over a block before the run gives up."""


def in_process(nlp: Language, output: Path, *, key: str, max_failures: float = 0.01) -> Engine:
    """An engine that annotates one block after another here.

    nlp (Language): With loaded teachers.
    output, key, max_failures: See `annotate_block`.
    """

    def engine(blocks: Iterable[Block]) -> Iterator[Entry]:
        for block in blocks:
            yield annotate_block(nlp, block, output, key=key, max_failures=max_failures)

    return engine


def in_processes(
    model: str,
    output: Path,
    *,
    key: str,
    workers: int,
    max_failures: float = 0.01,
    identity: str = "",
    gpu_id: int = -1,
) -> Engine:
    """An engine of several processes, each with its own teachers and its share of the threads.

    A worker that dies is replaced, and its block is done again. Workers end with this process,
    however it ends.

    model (str): Folder or package name of the pipeline.
    output, key, max_failures: See `annotate_block`.
    workers (int): Processes.
    identity (str): See `Annotator`.
    gpu_id (int): The GPU that all of them use, -1 for the CPU.
    """
    settings: dict[str, Any] = {"key": key, "max_failures": max_failures, "identity": identity}
    settings |= {"threads": threads_each(workers), "gpu_id": gpu_id}

    def engine(blocks: Iterable[Block]) -> Iterator[Entry]:
        stream = iter(blocks)
        attempts: Counter[int] = Counter()
        waiting: list[Block] = []
        while True:
            yield from _run_pool(stream, waiting, (model, output, settings), workers=workers)
            if not waiting:
                return
            attempts.update(block.number for block in waiting)
            worst = max(waiting, key=lambda block: attempts[block.number])
            if attempts[worst.number] >= ATTEMPTS:
                details = {"attempts": ATTEMPTS, "index": worst.number, "texts": len(worst.items)}
                raise XnerError(Errors.X463.format(**details, workers=workers))

    return engine


def _run_pool(
    stream: Iterator[Block], waiting: list[Block], state: tuple[Any, ...], *, workers: int
) -> Iterator[Entry]:
    """Run until all is done, or a worker dies: `waiting` then holds what was not done."""
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_set_up, initargs=state
    )
    running: dict[Future[Entry], Block] = {}
    try:
        while True:
            # Twice as many as workers: none waits for the reader, and few are held in memory.
            while len(running) < 2 * workers:
                block = waiting.pop() if waiting else next(stream, None)
                if block is None:
                    break
                waiting.append(block)  # until the pool has it
                running[pool.submit(_work, block)] = block
                waiting.pop()
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                entry = future.result()
                del running[future]
                yield entry
    except BrokenProcessPool:
        waiting.extend(running.values())
    finally:
        # Also where this generator is closed or an error passes: nobody waits for a long block.
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.kill()


_annotator: Annotator


def _set_up(model: str, output: Path, settings: dict[str, Any]) -> None:
    """Runs first in each worker; the pipeline is loaded with the first block, where errors show."""
    global _annotator
    os.environ["OMP_NUM_THREADS"] = str(settings["threads"])
    # Ctrl-C goes to all processes of a terminal: the parent alone decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    _annotator = Annotator(model, output, **settings)


def end_with_parent() -> None:
    """Wait in a thread of a worker for the end of its parent, however that ends, and end too."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _work(block: Block) -> Entry:
    return _annotator.annotate(block)
