"""`xner verify`: are models, assets and shards what was once written or downloaded?"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from wasabi import msg

from ..errors import Errors, XnerError
from ._app import command


class Kind(NamedTuple):
    """What a folder can be: the file that says so, a name for it, and what finds its faults."""

    sign: str
    name: str
    check: Callable[[Path], list[str]]


@command("verify")
def verify_command(
    paths: Annotated[
        list[Path], typer.Argument(help="Models, projects or folders of silver shards.")
    ],
) -> None:
    """Check files against recorded checksums; exit code 1 if anything is damaged or unknown."""
    faults = 0
    for path in paths:
        kind, found = verify(path)
        for fault in found:
            msg.fail(fault)
        if not found:
            msg.good(f"{path}: {kind}, all as recorded")
        faults += len(found)
    if faults:
        sys.exit(1)


def verify(path: Path) -> tuple[str, list[str]]:
    """Find out what a folder is, and check it.

    path (Path): A folder.
    RETURNS (Tuple[str, List[str]]): What it is, and a line for each fault.
    """
    for kind in KINDS:
        if (path / kind.sign).is_file():
            try:
                return kind.name, kind.check(path)
            except XnerError as err:  # the record itself: the other paths are still looked at
                return kind.name, [str(err)]
    return "unknown", [Errors.X707.format(path=path, signs=", ".join(k.sign for k in KINDS))]


def _project(path: Path) -> list[str]:
    from ..corpora.assets import check_assets, read_assets

    return check_assets(path, read_assets(path, below=""))


def _shards(path: Path) -> list[str]:
    from ..jobs.verify import verify_shards

    return verify_shards(path)


def _model(path: Path) -> list[str]:
    from ..checksums import check_sums

    return check_sums(path)


KINDS = (
    Kind("project.yml", "a project", _project),
    Kind("manifest.jsonl", "silver shards", _shards),
    Kind("SHA256SUMS", "a model", _model),
    Kind("config.cfg", "a model", _model),
)
