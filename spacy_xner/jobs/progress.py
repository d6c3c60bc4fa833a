"""How far a job is: a bar for people, and a log that a machine can read."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from .shard import Entry

LOG = "log.jsonl"


class Progress:
    """Counts, rates and the time that is left.

    Durations come from a clock that never goes back; the times in the log are for readers alone.
    """

    def __init__(
        self,
        log: IO[str] | None,
        *,
        share: Callable[[], float | None] = lambda: None,
        title: str = "",
        show: bool | None = None,
    ) -> None:
        """Begin now.

        log (Optional[IO[str]]): Gets a JSON object a line, with the "event" and the "time" (UTC).
        share (Callable[[], Optional[float]]): Which part of the input was read, if that is known.
        title (str): Of the bar.
        show (Optional[bool]): Show the bar; None: on a terminal.
        """
        self.log = log
        self.share = share
        self.texts = self.fresh = 0
        self._start = time.monotonic()
        self._share_before = 0.0
        hidden = None if show is None else not show
        self.bar = tqdm(unit="text", desc=title, disable=hidden)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.close()

    def shard(self, entry: Entry, *, fresh: bool) -> None:
        """Count a shard; see `run.Watcher`."""
        self.texts += entry["texts"]
        share = self.share()
        if fresh:
            self.fresh += entry["texts"]
        else:  # what was done before says nothing about the rate
            self._start = time.monotonic()
            self._share_before = share or 0.0
        if share:
            self.bar.total = max(self.texts, round(self.texts / share))
        self.bar.update(entry["texts"])
        shown = ("index", "file", "texts", "docs", "failed")
        counts = {key: value for key, value in entry.items() if key in shown}
        self.event("shard", fresh=fresh, **counts, **self.rates())

    @contextmanager
    def run(self, **settings: Any) -> Iterator[None]:
        """Write down how a run begins and ends, also where it does not reach its end.

        settings: JSON-able, for the log.
        """
        self.event("start", **settings)
        try:
            yield
        except BaseException as err:
            self.event("stop", reason=f"{type(err).__name__}: {err}", texts=self.texts)
            raise
        self.event("end", texts=self.texts, **self.rates())

    def rates(self) -> dict[str, float | None]:
        """Texts a second of this run, and the seconds that are left, if they are known."""
        elapsed = time.monotonic() - self._start
        share = self.share()
        left = None
        if share is not None and share > self._share_before and self.fresh:
            left = round(elapsed * (1 - share) / (share - self._share_before), 1)
        rate = round(self.fresh / elapsed, 2) if elapsed > 0 else None
        return {"texts_per_second": rate, "seconds_left": left}

    def event(self, name: str, **data: Any) -> None:
        """Write a line to the log."""
        if self.log is None:
            return
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.log.write(json.dumps({"time": stamp, "event": name, **data}) + "\n")
        self.log.flush()


def open_log(output: Path) -> IO[str]:
    """The log in a folder of shards; further runs write on.

    output (Path): The folder; made if needed.
    """
    output.mkdir(parents=True, exist_ok=True)
    return (output / LOG).open("a", encoding="utf8")
