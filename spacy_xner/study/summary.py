"""The summary of a study: all that its report shows, as one JSON-able mapping."""

import json
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from .comparisons import against_references, is_main, questions
from .figures import curves, mean_weights, reliability, row_costs, run_averages, slices
from .results import RANKING, Result, canonical
from .rows import (
    DERIVED,
    ORACLES,
    UPPER_BOUND,
    Row,
    build_rows,
    mean_rankings,
    single_rows,
    table_order,
)
from .statistics import mean_sd

FORMAT = 1
SAMPLES = 5000


def summarise(
    cells: Sequence[Result], expected: Sequence[Mapping[str, Any]] = (), *, samples: int = SAMPLES
) -> dict[str, Any]:
    """Compute all tables, comparisons and figures of a study.

    cells (Sequence[Result]): See `results.read_cells`.
    expected (Sequence[Mapping[str, Any]]): The identities of all cells that there should be.
    samples (int): Resamples of each bootstrap.
    RETURNS (Dict[str, Any]): JSON-able. "format", "samples"; "sections": one for each study and
        sizes, see `_section`; "provenance", see `digest`.
    RAISES (XnerError): X504 if test sets differ.
    """
    groups: dict[str, tuple[list[Result], list[Mapping[str, Any]]]] = {}
    for cell in cells:
        groups.setdefault(_group(cell.identity), ([], []))[0].append(cell)
    for identity in expected:
        groups.setdefault(_group(identity), ([], []))[1].append(identity)
    return {
        "format": FORMAT,
        "samples": samples,
        "sections": [
            {**json.loads(name), **_section(*group, samples=samples)}
            for name, group in groups.items()
        ],
        "provenance": digest(cells),
    }


def _group(identity: Mapping[str, Any]) -> str:
    """Cells of different sizes are never mixed, and neither are studies."""
    return canonical({"study": identity["study"], "sizes": identity["sizes"]})


def _section(
    cells: Sequence[Result], expected: Sequence[Mapping[str, Any]], *, samples: int
) -> dict[str, Any]:
    """One study with the same sizes.

    RETURNS (Dict[str, Any]): "settings": targets and sources by name; "rows"; "questions", see
        `comparisons.questions`; "curves"; "rankings" by setting; "expected": how many cells there
        should be, 0 if nobody said; "missing": identities; "cells": how many there are.
    """
    targets = setting_targets(cells, expected)
    rankings = mean_rankings(cells)
    rows = build_rows(cells)
    rows = sorted([*rows, *single_rows(rows, rankings)], key=lambda row: table_order(row.name))
    compared = against_references(rows, targets, samples=samples)
    present = {canonical(cell.identity) for cell in cells}
    return {
        "settings": {
            setting: {
                "targets": found,
                "sources": _names(c.sources for c in cells if _is_of(c, setting)),
            }
            for setting, found in targets.items()
        },
        "rows": [
            {
                "id": f"row-{number}",
                **describe_row(row, targets[row.name.setting]),
                "against": compared.get(row.name, {}),
            }
            for number, row in enumerate(rows)
        ],
        "questions": questions(rows, targets, samples=samples),
        "curves": curves(rows, targets),
        "rankings": rankings,
        "expected": len(expected),
        "missing": [dict(x) for x in expected if canonical(x) not in present],
        "cells": len(cells),
    }


def _is_of(cell: Result, setting: str) -> bool:
    return cell.setting == setting and cell.system not in (UPPER_BOUND, RANKING)


def setting_targets(
    cells: Iterable[Result], expected: Iterable[Mapping[str, Any]] = ()
) -> dict[str, list[str]]:
    """The targets that a row of each setting must cover before it has an average.

    cells (Iterable[Result]): Those that there are.
    expected (Iterable[Mapping[str, Any]]): Identities of those that there should be.
    RETURNS (Dict[str, List[str]]): By setting, in alphabetical order.
    """
    identities = [*(cell.identity for cell in cells), *expected]
    found: dict[str, set[str]] = {}
    for identity in identities:
        if identity["system"] != RANKING:
            found.setdefault(identity["setting"], set()).update(identity["targets"])
    return {setting: sorted(names) for setting, names in sorted(found.items(), reverse=True)}


def _names(groups: Iterable[Iterable[str]]) -> list[str]:
    return sorted({name for group in groups for name in group})


def describe_row(row: Row, targets: Sequence[str]) -> dict[str, Any]:
    """One row of the table.

    row (Row): Any.
    targets (Sequence[str]): Of its setting.
    RETURNS (Dict[str, Any]): Its name ("setting", "system", "order", "k", "mode", "source");
        "main": does it belong into the table of systems?; "oracle": was it chosen by test labels?;
        "competitor": false for the upper bound; "f1": "mean", "sd" and "seeds" of the macro
        average; "targets": by target the same; "ece"; "cost" in seconds; "choices", "weights",
        "reliability", "slices".
    """
    averages = run_averages(row, targets)
    mean, sd = mean_sd(averages)
    cells = [cell for found in row.cells.values() for cell in found]
    errors = [s["ece"] for cell in cells for s in cell.scores.values() if s["ece"] is not None]
    costs = row_costs(row, targets)
    return {
        **row.name._asdict(),
        "main": is_main(row.name),
        "oracle": row.name.system in ORACLES,
        "derived": row.name.system in DERIVED,
        "competitor": row.name.system != UPPER_BOUND,
        "f1": {"mean": mean, "sd": sd, "seeds": len(averages)},
        "targets": {target: _target(row, target) for target in targets},
        "ece": fmean(errors) if errors else None,
        "cost": fmean(costs) if costs else None,
        "choices": dict(row.choices),
        "weights": mean_weights(cells),
        "reliability": reliability(cells),
        "slices": slices(cells),
    }


def _target(row: Row, target: str) -> dict[str, Any]:
    values = [scores[target].f1 for scores in row.runs.values() if target in scores]
    mean, sd = mean_sd(values)
    return {"mean": mean, "sd": sd, "seeds": len(values)}


def digest(cells: Iterable[Result]) -> dict[str, Any]:
    """Where the figures come from.

    cells (Iterable[Result]): All.
    RETURNS (Dict[str, Any]): "commits", "machines" and versions of "packages", each with the number
        of cells; "first" and "last" date.
    """
    commits: dict[str, int] = {}
    machines: dict[str, int] = {}
    packages: dict[str, dict[str, int]] = {}
    dates = []
    for cell in cells:
        found = cell.provenance
        _count(commits, found.get("commit") or "unknown")
        _count(machines, _machine(found.get("machine")))
        versions = found.get("packages")
        for name, version in versions.items() if isinstance(versions, Mapping) else ():
            _count(packages.setdefault(str(name), {}), version)
        if isinstance(found.get("date"), str):
            dates.append(found["date"])
    return {
        "commits": commits,
        "machines": machines,
        "packages": packages,
        "first": min(dates, default=None),
        "last": max(dates, default=None),
    }


def _count(counts: dict[str, int], value: Any) -> None:
    counts[str(value)] = counts.get(str(value), 0) + 1


def _machine(found: Any) -> str:
    if not isinstance(found, Mapping) or not found:
        return "unknown"
    return ", ".join(f"{name} {value}" for name, value in found.items())
