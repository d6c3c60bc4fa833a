"""Open a file that may be packed."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ..errors import Errors, XnerError, reason


@contextmanager
def open_unpacked(raw: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    """Read lines of a file, unpacked as its suffix says (.gz, .zst).

    raw (IO[bytes]): The file as it is.
    path (Path): Its name.
    YIELDS (IO[bytes]): Can be read by lines, and moved forward.
    RAISES (XnerError): X220 if the file is damaged, X221 if the package for it is missing.
    """
    errors: list[type[Exception]] = [EOFError, zlib.error, gzip.BadGzipFile]
    unpacked: Any = raw
    if path.suffix == ".gz":
        unpacked = gzip.GzipFile(fileobj=raw)
    elif path.suffix == ".zst":
        try:
            from backports import zstd
        except ImportError as err:
            raise XnerError(Errors.X221.format(path=path, package="backports.zstd")) from err
        errors.append(zstd.ZstdError)
        unpacked = zstd.ZstdFile(raw, "rb")
    try:
        yield unpacked
    except tuple(errors) as err:
        raise XnerError(Errors.X220.format(path=path, reason=reason(err))) from err
