"""The files of weights by language that `xner similarity` writes, and what their readers share.

    {"version": 1, ..., "targets": {"<target>": {"weights": {"<source>": number}, ...}}}

The numbers are not negative. What else stands there depends on the command; weights that need it
check it themselves. The `weights` of a target are also what `spacy-xner.FixedWeights.v1` takes.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from ..errors import Errors, XnerError, reason
from ..safety import read_metadata

VERSION = 1


def read_weights(
    path: Path,
    *,
    command: str = "xner similarity",
    check: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Read and check a file of weights.

    path (Path): JSON, see above.
    command (str): What writes such a file, for the message.
    check (Optional[Callable[[Dict[str, Any]], None]]): Raises a ValueError, KeyError or TypeError
        for a file that lacks what its reader needs besides.
    RETURNS (Dict[str, Any]): All that it holds.
    RAISES (XnerError): X601 if there is no such file, X421 if it is something else, X702 if it is
        too large.
    """
    if not path.is_file():
        raise XnerError(Errors.X601.format(path=path))
    try:
        data: dict[str, Any] = read_metadata(path)
        if data["version"] != VERSION:
            raise ValueError(f"version {data['version']}, not {VERSION}")
        for entry in data["targets"].values():
            if not all(isfinite(n) and n >= 0 for n in entry["weights"].values()):
                raise ValueError("weights below 0, or not finite")
        if check:
            check(data)
    except XnerError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        details = {"path": path, "reason": reason(err), "command": command}
        raise XnerError(Errors.X421.format(**details)) from err
    return data


def choose_target(targets: Mapping[str, Any], target: str | None) -> Any:
    """The entry of a target, or the only entry there is.

    targets (Mapping[str, Any]): The file's.
    target (Optional[str]): Which; None for the only one.
    RETURNS (Any): Its entry.
    RAISES (XnerError): X423 if there is none, or more than one to choose from.
    """
    if target is None and len(targets) == 1:
        return next(iter(targets.values()))
    if target is None or target not in targets:
        raise XnerError(Errors.X423.format(found=target, expected=list(targets)))
    return targets[target]


def weights_for(path: Path, target: str, names: Sequence[str]) -> dict[str, float]:
    """Read a file: the weights of some teachers for a target.

    path (Path): See `read_weights`.
    target (str): One of the file's.
    names (Sequence[str]): Teachers, which bear the names of languages.
    RETURNS (Dict[str, float]): In their order; not normalised.
    RAISES (XnerError): X601, X421, X422, X423.
    """
    known = choose_target(read_weights(path)["targets"], target)["weights"]
    return weights_of(names, known, path=path)


def weights_of(
    names: Sequence[str], known: Mapping[str, float], *, path: str | Path
) -> dict[str, float]:
    """The weights of the teachers that take part.

    names (Sequence[str]): Teachers, which bear the names of languages.
    known (Mapping[str, float]): Weights by source.
    path (Union[str, Path]): Where they come from, for the message.
    RETURNS (Dict[str, float]): In the order of the teachers; not normalised.
    RAISES (XnerError): X422 for teachers without a weight.
    """
    if missing := [name for name in names if name not in known]:
        raise XnerError(Errors.X422.format(found=missing, path=path, expected=sorted(known)))
    return {name: known[name] for name in names}
