"""How much disk space the packages take that a requirement brings along."""

import importlib.util
import json
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def installed_size(requirements: list[str]) -> dict[str, Any]:
    """The installed files of some requirements and of all that these require.

    Python itself is not counted, nor what is installed and not required.

    requirements (List[str]): E.g. "spacy-xner[train]"; versions do not matter.
    RETURNS (Dict[str, Any]): JSON-able: "mb", "packages" (name to MB, the largest first) and
        "missing", what is required and not installed.
    """
    sizes: dict[str, float] = {}
    missing: set[str] = set()
    seen: set[tuple[str, str]] = set()
    queue = [Requirement(text) for text in requirements]
    while queue:
        wanted = queue.pop()
        name = canonicalize_name(wanted.name)
        # "" is the package without extras, which an extra needs as well.
        extras = {"", *wanted.extras} - {extra for known, extra in seen if known == name}
        seen.update((name, extra) for extra in extras)
        if not extras:
            continue
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            missing.add(name)
            continue
        sizes.setdefault(name, _size(found) / 1e6)
        for text in found.requires or ():
            need = Requirement(text)
            if need.marker is None or any(need.marker.evaluate({"extra": x}) for x in extras):
                queue.append(need)
    packages = dict(sorted(sizes.items(), key=lambda item: -item[1]))
    return {"mb": sum(sizes.values()), "packages": packages, "missing": sorted(missing)}


def folder_size(path: Path) -> int:
    """Bytes of the files below a folder, or of one file; compiled Python is left out."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(f.stat().st_size for f in files if f.is_file() and "__pycache__" not in f.parts)


def _size(found: metadata.Distribution) -> int:
    if "editable" in json.loads(found.read_text("direct_url.json") or "{}").get("dir_info", {}):
        # Its list of files holds a link; the sources lie elsewhere.
        spec = importlib.util.find_spec(found.metadata["Name"].replace("-", "_"))
        return folder_size(Path(spec.origin).parent) if spec and spec.origin else 0
    paths = (Path(str(file.locate())) for file in found.files or ())
    return sum(p.stat().st_size for p in paths if p.is_file() and "__pycache__" not in p.parts)
