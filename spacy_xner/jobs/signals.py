"""End a run cleanly when the process is told to stop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """The process got a signal that asks it to end; no error, so that nobody handles it as one."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


@contextmanager
def stop_on_signals(*signals: signal.Signals) -> Iterator[None]:
    """Raise `Stopped` where a signal comes, by default SIGINT (Ctrl-C) and SIGTERM.

    Outside the main thread, where Python hears no signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Stopped(signum)

    before = {
        found: signal.signal(found, stop) for found in signals or (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for found, handler in before.items():
            signal.signal(found, handler)
