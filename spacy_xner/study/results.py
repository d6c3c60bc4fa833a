"""Result files of a study, "cells": reading and checking them.

A cell is what one model scored, on the targets that it learnt. The files are not trusted: each
field that is used later is checked here. docs/study.md describes the format.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from ..errors import Errors, XnerError, reason
from ..evaluation.bootstrap import Counts
from ..safety import read_metadata
from .cells import FORMAT, System
from .score import BINS, COLUMNS, DIGITS

RANKING = "ranking"
_VALUES = {digit: value for value, digit in enumerate(DIGITS)}


class Result(NamedTuple):
    """What the result file of one cell says.

    path: Where it was read.
    key: A hash of all that decides the result.
    identity: The field "cell" as it is in the file.
    study, setting, system, order: Names, see `cells.Cell`.
    sources: Languages that were learnt from, in order.
    targets: Languages that this one model learnt and is scored on.
    seed: Of its training.
    sizes: Sentences of a language at most, by use; 0 for all.
    scores: By target "precision", "recall", "f1" in [0, 1], "ece" or None.
    counts: By target, shape (sentences, 3), see `evaluation.bootstrap.Counts`.
    calibration: Ten bins of the span scores: [number, sum of scores, number right], or none.
    slices: By kind and name: [right, found, gold].
    weights: By target, how much each source was heard; may be empty.
    cost: Seconds by part of the work.
    provenance: See `evaluation.provenance`.
    ranking: By target, weights of the sources that no label decides.
    """

    path: Path
    key: str
    identity: dict[str, Any]
    study: str
    setting: str
    system: str
    order: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    seed: int
    sizes: dict[str, int]
    scores: dict[str, dict[str, float | None]]
    counts: dict[str, Counts]
    calibration: list[list[float]]
    slices: dict[str, dict[str, list[int]]]
    weights: dict[str, dict[str, float]]
    cost: dict[str, float]
    provenance: dict[str, Any]
    ranking: dict[str, dict[str, float]]


def expected_file(results: Path) -> Path:
    """Where the list of all cells of the plan lies, for `xner report --expected`."""
    return results.with_name(f"{results.name}-cells.json")


def read_cells(folder: Path) -> list[Result]:
    """Read all cells in a folder and its sub-folders.

    folder (Path): Names that begin with a dot are passed over.
    RETURNS (List[Result]): In order of paths; of two files of the same cell the first.
    RAISES (XnerError): X601 if there is no such folder, X805 if it has no cell, X806 if two cells
        differ in nothing but their key, X807 if they are not of the same test sentences, and what
        `read_cell` raises.
    """
    if not folder.exists():
        raise XnerError(Errors.X601.format(path=folder))
    paths = sorted(p for p in folder.rglob("*.json") if p.is_file() and not p.name.startswith("."))
    if not paths:
        raise XnerError(Errors.X805.format(path=folder))
    cells: dict[str, Result] = {}
    for cell in map(read_cell, paths):
        first = cells.setdefault(canonical(cell.identity), cell)
        if first.key != cell.key:
            raise XnerError(Errors.X806.format(first=first.path, second=cell.path))
    _check_sentences(cells.values())
    return list(cells.values())


def read_cell(path: Path) -> Result:
    """Read and check one cell.

    path (Path): A JSON file.
    RETURNS (Result): All of it.
    RAISES (XnerError): X702 if it is too large, X809 if it is no JSON, X802 if a field is missing,
        X803 for another format, X804 for a value that cannot be right.
    """
    try:
        data = read_metadata(path)
        # NaN and half characters are read by Python, and by nobody who gets our own output.
        json.dumps(data, allow_nan=False, ensure_ascii=False).encode("utf8")
    except XnerError:
        raise
    except (ValueError, RecursionError) as err:
        raise XnerError(Errors.X809.format(path=path, reason=reason(err))) from err
    if not isinstance(data, Mapping):
        raise XnerError(Errors.X809.format(path=path, reason="it holds no mapping"))
    try:
        if _field(data, "format", int) != FORMAT:
            found = repr(data["format"])
            raise XnerError(Errors.X803.format(path=path, found=found, expected=FORMAT))
        return _cell(path, data)
    except KeyError as err:
        raise XnerError(Errors.X802.format(path=path, field=err.args[0])) from err
    except XnerError:
        raise
    except (ValueError, TypeError, AttributeError, OverflowError) as err:
        raise XnerError(Errors.X804.format(path=path, reason=reason(err))) from err


def canonical(identity: Mapping[str, Any]) -> str:
    """One text for equal identities, whatever the order of their keys."""
    return json.dumps(identity, sort_keys=True, ensure_ascii=False)


def decode_digits(text: str) -> list[int]:
    """The numbers in a column that `score.pack_counts` wrote.

    text (str): Digits and small letters.
    RAISES (ValueError): For any other character.
    """
    try:
        return [_VALUES[digit] for digit in text]
    except KeyError as err:
        raise ValueError(f"{err.args[0]!r} is no digit of base 36") from None


def _cell(path: Path, data: Mapping[str, Any]) -> Result:
    identity = _field(data, "cell", dict)
    system = _field(identity, "system", str)
    if system not in get_args(System):
        raise ValueError(f"the system {system!r} is none of {', '.join(get_args(System))}")
    ranks = system == RANKING
    targets = _names(identity, "targets")
    scores = {} if ranks else _by_target(data, "scores", targets)
    counts = {} if ranks else _by_target(data, "counts", targets)
    calibration = [[_number(value) for value in row] for row in data.get("calibration") or []]
    if calibration and [len(row) for row in calibration] != [3] * BINS:
        raise ValueError(f"'calibration' has not {BINS} bins of 3 numbers")
    return Result(
        path=path,
        key=_field(data, "key", str),
        identity=identity,
        study=_field(identity, "study", str),
        setting=_field(identity, "setting", str),
        system=system,
        order=_field(identity, "order", str),
        sources=_names(identity, "sources"),
        targets=targets,
        seed=_field(identity, "seed", int),
        sizes={str(k): int(_number(v)) for k, v in _field(identity, "sizes", dict).items()},
        scores={target: _scores(row) for target, row in scores.items()},
        counts={target: _counts(row) for target, row in counts.items()},
        calibration=calibration,
        slices={
            kind: {name: _triple(row) for name, row in rows.items()}
            for kind, rows in (data.get("slices") or {}).items()
        },
        weights=_shares(data.get("weights") or {}),
        cost={name: _number(v) for name, v in (data.get("cost") or {}).items() if v is not None},
        provenance=_field(data, "provenance", dict) if "provenance" in data else {},
        ranking=_shares(_by_target(data, RANKING, targets)) if ranks else {},
    )


def _field(data: Mapping[str, Any], name: str, kind: type) -> Any:
    value = data[name]
    if not isinstance(value, kind):
        raise ValueError(f"'{name}' is {type(value).__name__}, not {kind.__name__}")
    return value


def _names(identity: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = _field(identity, name, list)
    if not found or not all(isinstance(x, str) for x in found) or len(set(found)) < len(found):
        raise ValueError(f"'{name}' is no list of different names")
    return tuple(found)


def _by_target(data: Mapping[str, Any], name: str, targets: Sequence[str]) -> dict[str, Any]:
    found = _field(data, name, dict)
    return {target: _field(found, target, dict) for target in targets}


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or not isfinite(value) or value < 0:
        raise ValueError(f"{value!r} is no number of 0 or more")
    return float(value)


def _scores(row: Mapping[str, Any]) -> dict[str, float | None]:
    found: dict[str, float | None] = {k: _number(row[k]) for k in ("precision", "recall", "f1")}
    ece = row.get("ece")
    found["ece"] = None if ece is None else _number(ece)
    for name, value in found.items():
        if value is not None and value > 1:
            raise ValueError(f"'{name}' is {value}, not from 0 to 1")
    return found


def _counts(row: Mapping[str, Any]) -> Counts:
    columns = [decode_digits(_field(row, name, str)) for name in COLUMNS]
    if not columns[0] or len({len(column) for column in columns}) > 1:
        raise ValueError("'right', 'found' and 'gold' are not of the same sentences")
    counts = np.array(columns, dtype=np.int64).T
    if (counts[:, 0] > counts[:, 1:].min(axis=1)).any():
        raise ValueError("more entities are right than were found or are in the gold")
    return counts


def _triple(row: Any) -> list[int]:
    if len(row) != 3:
        raise ValueError("a slice has not the 3 numbers: right, found, gold")
    return [int(_number(value)) for value in row]


def _shares(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    return {t: {name: _number(value) for name, value in row.items()} for t, row in rows.items()}


def _check_sentences(cells: Iterable[Result]) -> None:
    """Refuse cells of one study, with the same sizes, that were not scored on the same gold."""
    known: dict[tuple[str, str, str], Result] = {}
    for cell in cells:
        for target, counts in cell.counts.items():
            first = known.setdefault((cell.study, canonical(cell.sizes), target), cell)
            if not np.array_equal(first.counts[target][:, 2], counts[:, 2]):
                raise XnerError(
                    Errors.X807.format(target=target, first=first.path, second=cell.path)
                )
