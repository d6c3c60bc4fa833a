"""Where a figure comes from: versions, model, data, machine, command."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from spacy.language import Language

from ..hashing import hash_file, hash_folder

PACKAGES = (
    "spacy-xner",
    "spacy",
    "thinc",
    "numpy",
    "torch",
    "transformers",
    "spacy-transformers",
    "seqeval",
)


def package_versions() -> dict[str, str]:
    """The versions of the installed packages that figures may depend on."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def git_commit(folder: Path) -> str | None:
    """The commit that is checked out in the repository around a folder; None outside of one."""
    try:
        result = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "--verify", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:  # git is not installed
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def model_info(nlp: Language) -> dict[str, Any]:
    """Name, version and hash of a pipeline; the hash is None if it was not loaded from disk."""
    path = nlp.path
    return {
        "name": f"{nlp.meta['lang']}_{nlp.meta['name']}",
        "version": nlp.meta["version"],
        "sha256": hash_folder(Path(path)) if path is not None else None,
    }


def data_info(path: Path) -> dict[str, str]:
    """Name and MD5 of a data file, or name and SHA-256 of a folder."""
    if path.is_dir():
        return {"folder": path.name, "sha256": hash_folder(path)}
    return {"file": path.name, "md5": hash_file(path)}


def _without_folder(argument: str) -> str:
    """An argument that names an absolute path is cut to its last part: no machine is named."""
    name, equals, path = argument.rpartition("=")  # name=path and --option=path
    return name + equals + (Path(path).name if Path(path).is_absolute() else path)


def provenance(
    *, models: Mapping[str, Language], files: Mapping[str, Path], seed: int | None = None
) -> dict[str, Any]:
    """Everything needed to find out later how a result file was made. Names no host or folder.

    models (Mapping[str, Language]): The pipelines that were used, by role.
    files (Mapping[str, Path]): The data files or folders that were read, by name.
    seed (Optional[int]): The seed, if chance played a part.
    RETURNS (Dict[str, Any]): JSON-able: "date" (UTC), "command", "commit" (None outside of a git
        repository), "seed", "machine", "packages", "models", "data".
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *map(_without_folder, sys.argv[1:])]),
        "commit": git_commit(Path.cwd()),
        "seed": seed,
        "machine": {
            "platform": platform.platform(),
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
        },
        "packages": package_versions(),
        "models": {role: model_info(nlp) for role, nlp in models.items()},
        "data": {name: data_info(path) for name, path in files.items()},
    }
