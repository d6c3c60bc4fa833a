"""SHA-256 sums of the files of a model, in a file beside them that `sha256sum -c` reads too."""

import re
from pathlib import Path

from .errors import Errors, XnerError
from .hashing import hash_file
from .safety import read_limited
from .shards import write_bytes

SUMS = "SHA256SUMS"
# `spacy package` rewrites the one and adds the other.
UNLISTED = (SUMS, "meta.json", "README.md")
_LINE = re.compile(r"(?P<sum>[0-9a-f]{64}) [ *](?P<name>.+)")


def write_sums(folder: Path) -> None:
    """Write the sums of all files of a model, save those that packaging changes.

    folder (Path): The model; an existing list is replaced.
    """
    sums = {n: hash_file(folder / n, algorithm="sha256") for n in _names(folder)}
    _write(folder, sums)


def update_sum(folder: Path, name: str) -> None:
    """Write the sum of one file anew, after the file was changed on purpose.

    folder (Path): The model; one without a list gets none.
    name (str): The file, as seen from the folder.
    RAISES (XnerError): X705 if the list cannot be read.
    """
    if not (folder / SUMS).is_file():
        return
    sums = read_sums(folder / SUMS)
    found = hash_file(folder / name, algorithm="sha256")
    if sums.get(name) != found:
        _write(folder, {**sums, name: found})


def read_sums(path: Path) -> dict[str, str]:
    """Read a list of sums.

    path (Path): Lines of a sum, two spaces, and a name that stays in the folder.
    RETURNS (Dict[str, str]): Name to sum.
    RAISES (XnerError): X705 for any other line, X702 if the file is too large.
    """
    sums = {}
    for number, line in enumerate(read_limited(path).decode("utf8", "replace").splitlines(), 1):
        match = _LINE.fullmatch(line)
        inside = match and (path.parent / match["name"]).resolve().is_relative_to(
            path.parent.resolve()
        )
        if not match or not inside:
            raise XnerError(Errors.X705.format(path=path, number=number, found=line[:100]))
        sums[match["name"]] = match["sum"]
    return sums


def check_sums(folder: Path) -> list[str]:
    """Compare the files of a model with the list of their sums.

    folder (Path): The model.
    RETURNS (List[str]): What is wrong, a line for each file; empty if all is as it was written.
    RAISES (XnerError): As `read_sums`.
    """
    if not (folder / SUMS).is_file():
        return [f"{folder} cannot be verified: found no {SUMS}, which training writes"]
    sums, names = read_sums(folder / SUMS), _names(folder)
    problems = [p for name, found in sums.items() for p in file_problems(folder / name, found)]
    more = [f"{folder / name} is not in {SUMS}" for name in names if name not in sums]
    return problems + more


def file_problems(path: Path, expected: str) -> list[str]:
    """What is wrong with a file.

    path (Path): The file.
    expected (str): Its SHA-256, hexadecimal.
    RETURNS (List[str]): One line if it is missing or has changed, else nothing.
    """
    if not path.is_file():
        return [f"{path} is missing, expected the sha256 {expected}"]
    found = hash_file(path, algorithm="sha256")
    if found != expected:
        return [f"{path} has changed: found the sha256 {found}, expected {expected}"]
    return []


def _names(folder: Path) -> list[str]:
    """The files of a model as seen from its folder, in order; a link to a folder is one too."""
    found = [p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()]
    names = (p.relative_to(folder).as_posix() for p in found)
    return sorted(name for name in names if name not in UNLISTED)


def _write(folder: Path, sums: dict[str, str]) -> None:
    lines = [f"{found}  {name}\n" for name, found in sorted(sums.items())]
    write_bytes(folder / SUMS, "".join(lines).encode("utf8"))
