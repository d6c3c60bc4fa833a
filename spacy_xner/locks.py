"""One writer a folder: a lock that the operating system frees when its process ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import Errors, XnerError

LOCK = ".xner.lock"


@contextmanager
def lock_folder(path: Path) -> Iterator[None]:
    """Keep other processes out of a folder while the block runs.

    The lock is the operating system's (flock), not the file: what a dead process left behind locks
    nothing. The file stays, since removing it would race with the next one who opens it.

    path (Path): The folder; made if needed.
    RAISES (XnerError): X701 if another process, or another lock of this one, holds it.
    """
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / LOCK, timeout=0)
    try:
        with lock:
            yield
    except Timeout as err:
        raise XnerError(Errors.X701.format(path=path)) from err
