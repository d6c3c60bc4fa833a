"""What is checked before a file that somebody else made is read, or a pipeline is loaded.

A pipeline's folder should be data. Two things in it can be more: settings that make transformers
run code which lies beside the weights, and names of files that spacy-transformers writes while it
loads. See docs/security.md.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import Errors, XnerError

# Files that describe others are read whole and parsed into much more memory than they fill. Ours
# are a few thousand bytes long.
MAX_METADATA = 16 << 20
DESCRIPTIONS = ("meta.json", "config.cfg")
MODEL = "model"
# With the first transformers runs code that comes with a model; with the second it asks whether to.
CODE_SETTINGS = ("trust_remote_code", "auto_map")
# Of the arguments that a saved transformer may give to its tokenizer. Others can name code to run.
TOKENIZER_ARGUMENTS = {"use_fast"}


def read_limited(path: Path) -> bytes:
    """Read a file that describes others, unless it is too large for one.

    path (Path): A file.
    RETURNS (bytes): All of it.
    RAISES (XnerError): X702 if it has more than `MAX_METADATA` bytes.
    """
    with path.open("rb") as file:
        data = file.read(MAX_METADATA + 1)
    if len(data) > MAX_METADATA:
        raise XnerError(Errors.X702.format(path=path, expected=MAX_METADATA))
    return data


def read_metadata(path: Path) -> Any:
    """Read JSON that describes other files.

    path (Path): A file.
    RETURNS (Any): What it holds.
    RAISES (XnerError): X702 if it is too large.
    RAISES (ValueError): If it is not JSON.
    """
    data = read_limited(path)
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("brackets nested too deeply") from None


def check_pipeline(folder: Path) -> None:
    """Refuse a pipeline's folder that would run code or write elsewhere when it is loaded.

    folder (Path): A saved pipeline. What cannot be read is left to the one who loads it.
    RAISES (XnerError): X702 if a description is too large, X703 for a setting that runs code, X704
        for a name of a file that leads out of its folder.
    """
    for path in _files(folder):
        # spacy-transformers 1.0 saved a folder of that name, which a newer one converts.
        if path.name in DESCRIPTIONS or (path.parent.name == MODEL and path.suffix == ".json"):
            check_description(path)
        elif path.name == MODEL:
            _check_model(path)


def check_description(path: Path) -> None:
    """Refuse a description that is too large, or has transformers run what comes with a model.

    path (Path): JSON, or a config whose name ends with .cfg.
    RAISES (XnerError): X702, X703.
    """
    data = read_limited(path)
    if path.suffix != ".cfg":
        check_settings(_parse(data), where=path)
        return
    from thinc.api import Config

    # Variables may stand for a part of a name, and those of a damaged config for nothing.
    for interpolate in (True, False):
        try:
            found = Config().from_bytes(data, interpolate=interpolate)
        except Exception:  # noqa: S112  # nor can it be loaded: configparser's and thinc's errors
            continue
        check_settings(found, where=path)


def check_settings(settings: Any, *, where: str | Path) -> None:
    """Refuse settings that have transformers run code that comes with a model.

    settings (Any): For example a config, or arguments of `from_pretrained`.
    where (Union[str, Path]): Where they were found, for the message.
    RAISES (XnerError): X703.
    """
    for key, value in _entries(settings):
        if key in CODE_SETTINGS and value not in (False, None):
            raise XnerError(Errors.X703.format(found=key, where=where))


def check_transformer(saved: Any, *, where: str | Path) -> None:
    """Refuse what spacy-transformers saved of a model if loading that is unsafe.

    It writes the tokenizer's files under the names that it finds here, and gives the arguments that
    it finds here to `AutoTokenizer.from_pretrained`.

    saved (Any): "tokenizer" (file name to bytes, and "kwargs") and settings; anything else is left
        alone.
    where (Union[str, Path]): Where it was found, for the message.
    RAISES (XnerError): X703, X704.
    """
    if not isinstance(saved, Mapping) or not isinstance(saved.get("tokenizer"), Mapping):
        return
    files = {**saved["tokenizer"]}
    arguments = files.pop("kwargs", {})
    unknown = set(arguments) - TOKENIZER_ARGUMENTS if isinstance(arguments, Mapping) else {"kwargs"}
    if unknown:
        raise XnerError(Errors.X703.format(found=min(map(str, unknown)), where=where))
    check_settings({**saved, "tokenizer": None, "state": None}, where=where)
    for name, data in files.items():
        check_name(name, where=where)
        if name.endswith(".json"):
            check_settings(_parse(data), where=f"{where}: {name}")


def check_name(name: Any, *, where: str | Path) -> None:
    """Refuse a name of a file that leads out of the folder it is meant for, or that is of code.

    name (Any): From a file.
    where (Union[str, Path]): Which file, for the message.
    RAISES (XnerError): X704.
    """
    plain = isinstance(name, str) and not set(name) & set("/\\:\0")
    if not plain or name in ("", ".", "..") or name.endswith(".py"):
        raise XnerError(Errors.X704.format(name=name, where=where))


def _check_model(path: Path) -> None:
    """Check all that is not thinc's own in a file of thinc's."""
    import srsly

    def unpack(data: Any) -> Mapping[str, Any]:
        try:
            found = srsly.msgpack_loads(data)
        except Exception:  # msgpack has an exception for each kind of damage
            return {}
        return found if isinstance(found, Mapping) else {}

    for shims in unpack(path.read_bytes()).get("shims") or ():
        for data in shims or ():
            check_transformer(unpack(data), where=path)


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder, those behind links included, in order of names."""
    seen = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(root)) in seen:
            folders.clear()  # a link that leads back
            continue
        seen.add(real)
        folders.sort()
        yield from (Path(root, name) for name in sorted(names) if Path(root, name).is_file())


def _parse(data: Any) -> Any:
    """JSON, or None for what is none."""
    try:
        return json.loads(data)
    except (ValueError, TypeError, RecursionError):
        return None


def _entries(value: Any) -> Iterator[tuple[Any, Any]]:
    """All keys with their values in a tree of dictionaries and lists."""
    if isinstance(value, Mapping):
        yield from value.items()
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for part in value:
        yield from _entries(part)
