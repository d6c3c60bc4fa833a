"""Annotate blocks with Ray Data, on this machine or on a cluster."""

import re
import signal
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from ..corpora.raw_text import Place, TextSource
from ..errors import Errors, TooManyFailuresError, XnerError, reason
from .annotator import Annotator
from .blocks import Block, read_block
from .run import Engine
from .shard import Entry


class Actor:
    """Holds the teachers, and makes shards of the blocks it is told of."""

    def __init__(
        self, model: str, source: dict[str, Any], output: str, settings: dict[str, Any]
    ) -> None:
        """Load the teachers.

        model (str): Folder or package name of the pipeline.
        source (Dict[str, Any]): Arguments of `TextSource`.
        output (str): Folder of the shards.
        settings (Dict[str, Any]): Of `Annotator`.
        """
        self.annotator = Annotator(model, Path(output), threads=1, **settings)
        self.annotator.load()
        self.source = TextSource(**source)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Read a block from its place and write its shard.

        row (Dict[str, Any]): "index", "count" and "sha256" of the block, and its place.
        RETURNS (Dict[str, Any]): The `Entry`, or an "error" that ends the run.
        """
        place = Place(row["file"], row["offset"], row["number"])
        try:
            block = read_block(self.source, row["index"], place, row["count"])
            if block.sha256 != row["sha256"]:
                details = {"path": self.annotator.output, "file": f"part-{block.number:06d}"}
                raise XnerError(Errors.X461.format(**details))
            return {**self.annotator.annotate(block), "error": ""}
        except XnerError as err:
            # As a value: Ray would wrap it in pages of its own.
            empty = dict.fromkeys(Entry.__annotations__, "")
            return {**empty, "index": 0, "texts": 0, "docs": 0, "failed": 0, "error": str(err)}


def with_ray(
    model: str,
    output: Path,
    source: dict[str, Any],
    *,
    key: str,
    workers: int,
    address: str = "",
    max_failures: float = 0.01,
    identity: str = "",
) -> Engine:
    """An engine of Ray actors; Ray replaces those that die and does their blocks again.

    What travels are positions in the input, not texts: the input and the output must lie under the
    same paths on all machines.

    model (str): Folder or package name of the pipeline.
    output (Path): Folder of the shards.
    source (Dict[str, Any]): Arguments of `TextSource`.
    key (str): Of the run.
    workers (int): Actors.
    address (str): Of a running cluster, "" to start Ray here.
    max_failures (float): See `annotate_block`.
    identity (str): See `Annotator`.
    RAISES (XnerError): X464 if Ray is not installed; the engine raises X465 if Ray fails.
    """
    try:
        import ray
    except ImportError as err:
        raise XnerError(Errors.X464) from err

    settings = {"key": key, "max_failures": max_failures, "identity": identity}

    def engine(blocks: Iterable[Block]) -> Iterator[Entry]:
        rows = [block_row(block) for block in blocks]
        if not rows:
            return
        try:
            _start(ray, address, workers)
            actors: Any = {
                "fn_constructor_args": (model, source, str(output.resolve()), settings),
                "compute": ray.data.ActorPoolStrategy(size=workers),
                "num_cpus": 1,
            }
            # A block a row and a row a task: what is redone after a fault is one block.
            data: Any = ray.data.from_items(rows, override_num_blocks=len(rows))
            for found in data.map(Actor, **actors).iter_rows():
                if error := found.pop("error"):
                    raise (TooManyFailuresError if "[X460]" in error else XnerError)(error)
                yield cast(Entry, found)
        except (ray.exceptions.RayError, ConnectionError, TimeoutError) as err:
            raise XnerError(Errors.X465.format(reason=reason(err))) from err
        finally:
            ray.shutdown()

    return engine


def _start(ray: Any, address: str, workers: int) -> None:
    if match := re.fullmatch(r"(?P<host>[\w.-]+):(?P<port>\d+)", address):
        # Ray tries for minutes.
        socket.create_connection((match["host"], int(match["port"])), timeout=10).close()
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.verbose_stats_logs = False
    # Reading the rows takes a slot beside the actors.
    here = {} if address else {"num_cpus": workers + 1, "include_dashboard": False}
    before = signal.getsignal(signal.SIGTERM)
    ray.init(address=address or None, log_to_driver=False, logging_level="error", **here)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray sets its own, which ends without a word


def block_row(block: Block) -> dict[str, Any]:
    """What an actor must know to read a block."""
    place = block.place._asdict()
    return {"index": block.number, "count": len(block.items), "sha256": block.sha256, **place}
