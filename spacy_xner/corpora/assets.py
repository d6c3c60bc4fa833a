"""The files that project.yml lists as assets: checked, or copied from a local mirror.

`spacy project assets` leaves a file with a wrong checksum in place and exits with 0, so the check
is made here.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import srsly

from ..checksums import read_sums
from ..errors import Errors, XnerError
from ..safety import read_limited, read_metadata

BENCHMARK = "assets/masakhaner/"
_URL = re.compile(r"https://raw\.githubusercontent\.com/[^/]+/(?P<name>[^/]+)/[^/]+/(?P<path>.+)")


class Asset(NamedTuple):
    """A file of the project: its place, its md5, its address or "", and its SHA-256 or ""."""

    dest: str
    checksum: str
    url: str = ""
    sha256: str = ""

    @property
    def mirror_path(self) -> str:
        """Where a mirror keeps it: raw/<repository>/<path>, or unlabelled/<language>.txt."""
        match = _URL.fullmatch(self.url)
        return f"raw/{match['name']}/{match['path']}" if match else self.dest[len(BENCHMARK) :]

    def wrong_sum(self, data: bytes) -> tuple[str, str, str] | None:
        """The name of the first sum that is not the file's, the one found and the one expected."""
        found = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if found != self.checksum:
            return "md5", found, self.checksum
        found = hashlib.sha256(data).hexdigest()
        if self.sha256 and found != self.sha256:
            return "sha256", found, self.sha256
        return None


def read_assets(project: Path, *, below: str = BENCHMARK) -> list[Asset]:
    """Read assets from project.yml, and their SHA-256 from assets/*.sha256, if it is there.

    spaCy's projects know md5 alone, which shows damage and no forgery.

    project (Path): The project folder.
    below (str): Only those whose place begins so; by default those of the public benchmark.
    RETURNS (List[Asset]): In the order of the file.
    RAISES (XnerError): X213 if the file cannot be read, X210 if a destination leaves the project,
        X702 if the file is too large, X705 if a list of sums cannot be read.
    """
    sums = {
        f"{file.parent.name}/{name}": found
        for file in sorted((project / "assets").glob("*.sha256"))
        for name, found in read_sums(file).items()
    }
    path = project / "project.yml"
    try:
        entries = srsly.yaml_loads(read_limited(path).decode("utf8")).get("assets") or []
        for dest in (entry["dest"] for entry in entries):
            if not (project / dest).resolve().is_relative_to(project.resolve()):
                raise XnerError(Errors.X210.format(dest=dest))
        return [
            Asset(
                entry["dest"],
                entry["checksum"].lower(),
                entry.get("url") or "",
                sums.get(entry["dest"], ""),
            )
            for entry in entries
            if entry["dest"].startswith(below)
        ]
    except XnerError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise XnerError(Errors.X213.format(path=path, reason=err)) from err


def read_sources(path: Path) -> dict[str, dict[str, str]]:
    """Read a catalogue: language to "format", "labels" and the paths of its files.

    path (Path): E.g. assets/masakhaner.json.
    RAISES (XnerError): X601 if there is no such file, X218 if it holds something else, X702 if
        it is too large.
    """
    if not path.is_file():
        raise XnerError(Errors.X601.format(path=path))
    try:
        found: Any = read_metadata(path)
    except XnerError:
        raise
    except ValueError as err:
        raise XnerError(Errors.X218.format(path=path, reason=err)) from err
    entries = list(found.values()) if isinstance(found, dict) else [None]
    for entry in entries:
        if not isinstance(entry, dict) or not all(isinstance(v, str) for v in entry.values()):
            raise XnerError(Errors.X218.format(path=path, reason=f"it holds {entry or found!r}"))
    return found


def select_assets(
    assets: Iterable[Asset],
    sources: Mapping[str, Mapping[str, str]],
    languages: Iterable[str],
    *,
    path: str | Path = "assets/masakhaner.json",
) -> list[Asset]:
    """Keep the assets that some languages need.

    assets (Iterable[Asset]): All assets.
    sources (Mapping[str, Mapping[str, str]]): See `read_sources`.
    languages (Iterable[str]): Keys of `sources`.
    path (Union[str, Path]): Where `sources` comes from, for the message.
    RETURNS (List[Asset]): In the given order.
    RAISES (XnerError): X212 for a language that `sources` does not have.
    """
    wanted: set[str] = set()
    for language in languages:
        if language not in sources:
            raise XnerError(Errors.X212.format(language=language, path=path, known=list(sources)))
        wanted.update(sources[language].values())
    return [asset for asset in assets if asset.dest in wanted]


def fetch_assets(
    project: Path, assets: Iterable[Asset], *, mirror: Path | None = None
) -> tuple[int, int]:
    """Check the assets that are there, and copy the others from a mirror.

    An asset without a public address is optional. Nothing is overwritten: a file with a wrong
    checksum is an error, in the project and in the mirror. Copies are written under a temporary
    name and renamed.

    project (Path): The project folder.
    assets (Iterable[Asset]): See `read_assets`.
    mirror (Optional[Path]): A folder with raw/<repository>/<path> and unlabelled/<language>.txt.
    RETURNS (Tuple[int, int]): How many were there already, and how many were copied.
    RAISES (XnerError): X208 wrong checksum, X209 not in the mirror, X211 missing without a mirror.
    """
    kept = copied = 0
    missing: list[str] = []
    for asset in assets:
        path = project / asset.dest
        if path.exists():
            _checked(path, asset)
            kept += 1
        elif not asset.url and not (mirror and (mirror / asset.mirror_path).is_file()):
            continue  # unlabelled text that is not public: the train set without labels serves
        elif mirror is None:
            missing.append(asset.dest)
        else:
            origin = mirror / asset.mirror_path
            if not origin.is_file():
                raise XnerError(Errors.X209.format(path=origin, dest=asset.dest))
            # Not at the top: it brings spaCy, which takes seconds, and checks need not wait.
            from ..shards import write_bytes

            data = _checked(origin, asset)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, data)
            copied += 1
    if missing:
        examples = ", ".join(missing[:3])
        raise XnerError(Errors.X211.format(count=len(missing), examples=examples))
    return kept, copied


def check_assets(project: Path, assets: Iterable[Asset]) -> list[str]:
    """Check all assets, and read on where one is wrong.

    project (Path): The project folder.
    assets (Iterable[Asset]): See `read_assets`. One without a public address may be missing.
    RETURNS (List[str]): A line for each file that is missing or has another sum.
    """
    problems = []
    for asset in assets:
        path = project / asset.dest
        if not path.is_file():
            if asset.url:
                problems.append(f"{path} is missing, expected the md5 {asset.checksum}")
        elif wrong := asset.wrong_sum(path.read_bytes()):
            kind, found, expected = wrong
            problems.append(f"{path} has the {kind} {found}, expected {expected}")
    return problems


def _checked(path: Path, asset: Asset) -> bytes:
    data = path.read_bytes()
    if wrong := asset.wrong_sum(data):
        kind, found, expected = wrong
        raise XnerError(Errors.X208.format(kind=kind, found=found, path=path, expected=expected))
    return data
