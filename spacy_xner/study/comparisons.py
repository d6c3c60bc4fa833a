"""Who is compared with whom, and what the two questions of the study get for an answer."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from .grid import ENGLISH
from .rows import (
    DERIVED,
    EACH,
    ONE,
    UPPER_BOUND,
    Name,
    Row,
    complete,
    merge,
    seeds_of,
)
from .statistics import bootstrap_difference, holm, sign_test, verdict

DIRECT, UNIFORM = "direct", "uniform"
SEEDS = 3
"""With fewer, nothing is called better or worse (docs/methods.md)."""
ORDERS = ("ranked", "random")
"""Kinds of orders in which sources are added: by the ranking without labels, and at random."""


def compare(
    a: Row | None, b: Row | None, targets: Sequence[str], *, samples: int
) -> dict[str, Any] | None:
    """Compare two rows on the runs that both have.

    a, b (Optional[Row]): Rows that may come from different settings.
    targets (Sequence[str]): The average is over these.
    samples (int): Resamples of the bootstrap.
    RETURNS (Optional[Dict[str, Any]]): As `statistics.bootstrap_difference`, and "runs", "seeds",
        "languages" (difference of the mean F1 by target) and "sign": "wins", "losses", "ties",
        "p_value". None if a row or a common run is missing.
    """
    if a is None or b is None:
        return None
    all_a, all_b = complete(a, targets), complete(b, targets)
    runs = [run for run in all_a if run in all_b]
    if not runs:
        return None
    languages = {t: fmean(all_a[run][t].f1 - all_b[run][t].f1 for run in runs) for t in targets}
    wins = sum(value > 0 for value in languages.values())
    losses = sum(value < 0 for value in languages.values())
    pairs = [
        (
            np.stack([all_a[run][target].counts for run in runs]),
            np.stack([all_b[run][target].counts for run in runs]),
        )
        for target in targets
    ]
    return {
        **bootstrap_difference(pairs, samples=samples),
        "runs": len(runs),
        "seeds": seeds_of(runs),
        "languages": languages,
        "sign": {
            "wins": wins,
            "losses": losses,
            "ties": len(targets) - wins - losses,
            "p_value": sign_test(wins, losses),
        },
    }


def is_main(name: Name) -> bool:
    """Does a row belong into the table of systems, and not only to a curve over sources?"""
    if name.system in DERIVED or name.system == UPPER_BOUND:
        return True
    if name.order == "single":
        return name.system == DIRECT and name.source in ENGLISH
    return name.order == "all"


def find(
    rows: Iterable[Row], name: Name, *, sources: Sequence[str] = (), elsewhere: bool = False
) -> Row | None:
    """The row of a system that fits best as a partner of another row.

    rows (Iterable[Row]): All there are.
    name (Name): Setting, system, order and mode that are wanted; of another mode if there is none.
    sources (Sequence[str]): One of these is the row's single source.
    elsewhere (bool): May it come from another setting?
    """
    found = [
        row
        for row in rows
        if (row.name.system, row.name.order) == (name.system, name.order)
        and (not sources or row.name.source in sources)
        and (elsewhere or row.name.setting == name.setting)
    ]
    return max(
        found,
        key=lambda row: (row.name.setting == name.setting, row.name.mode == name.mode),
        default=None,
    )


def references(rows: Sequence[Row], name: Name) -> dict[str, Row | None]:
    """The two rows with which each system is compared: by name, None where it is not measured.

    Direct transfer from English learns nothing of a target, so that of another setting serves too.
    """
    direct = Name(name.setting, DIRECT, "single", 1, name.mode)
    uniform = Name(name.setting, UNIFORM, "all", 0, name.mode)
    return {
        DIRECT: find(rows, direct, sources=ENGLISH, elsewhere=True),
        UNIFORM: find(rows, uniform),
    }


def against_references(
    rows: Sequence[Row], targets: Mapping[str, Sequence[str]], *, samples: int
) -> dict[Name, dict[str, dict[str, Any] | None]]:
    """Compare each system of the table with direct transfer and with the uniform student.

    The p-values are adjusted together, see `adjust`; "mark" is 1 for better, -1 for worse, 0 for
    neither or "preliminary". The upper bound is no competitor.

    rows (Sequence[Row]): All.
    targets (Mapping[str, Sequence[str]]): By setting.
    samples (int): Resamples of the bootstrap.
    RETURNS (Dict): By row the comparisons by reference; a row is not compared with itself.
    """
    result: dict[Name, dict[str, dict[str, Any] | None]] = {}
    for row in rows:
        if is_main(row.name) and row.name.system != UPPER_BOUND:
            result[row.name] = {
                key: compare(row, other, targets[row.name.setting], samples=samples)
                for key, other in references(rows, row.name).items()
                if other is not row
            }
    made = [found for row in result.values() for found in row.values() if found is not None]
    adjust(made)
    for found in made:
        marks = {} if found["preliminary"] else {"better": 1, "worse": -1}
        found["mark"] = marks.get(verdict(found), 0)
    return result


def adjust(made: Sequence[dict[str, Any]]) -> None:
    """Add to comparisons what it means that they are looked at together.

    made (Sequence[Dict[str, Any]]): See `compare`. Each gets "adjusted", its p-value by Holm's
        method, and "preliminary": has it fewer common seeds than `SEEDS`?
    """
    for found, p_value in zip(made, holm([found["p_value"] for found in made]), strict=True):
        found["adjusted"] = p_value
        found["preliminary"] = found["seeds"] < SEEDS


def level_row(
    rows: Iterable[Row], setting: str, system: str, mode: str, k: int, kind: str = ""
) -> Row:
    """All runs of a system with so many sources, whatever the order in which they were added.

    A single source and all of them are in every order, and have rows of their own. Of the single
    ones those count that an order begins with, if there are orders.

    rows (Iterable[Row]): All there are.
    k (int): Number of sources.
    kind (str): Only of these orders, one of `ORDERS`.
    """
    every = [
        row
        for row in rows
        if row.name.order in ("all", "single") or row.name.order.startswith(kind)
    ]
    mine = [row for row in every if row.name[:2] == (setting, system) and row.name.mode == mode]
    firsts = first_sources(every, setting)
    found = [
        row
        for row in mine
        if row.name.k == k
        and row.name.system not in DERIVED
        and (not row.name.source or not firsts or row.name.source in firsts)
    ]
    return merge(found, Name(setting, system, "any", k, mode))


def first_sources(rows: Iterable[Row], setting: str) -> set[str]:
    """The sources with which the orders of a setting begin."""
    return {
        cell.sources[0]
        for row in rows
        if row.name.setting == setting and row.name.order not in ("all", "single")
        for cells in row.cells.values()
        for cell in cells
    }


def questions(
    rows: Sequence[Row], targets: Mapping[str, Sequence[str]], *, samples: int
) -> list[dict[str, Any]]:
    """The answers to the two questions of the study.

    1: is a student of all sources better than one of a single source, which is the mean of all,
    chosen without labels, or chosen by an oracle? 2: is it better than direct transfer from the
    same sources; is a student of that model, and is it better than that of the ensemble; and does a
    language model among the teachers help, against a student without it and direct transfer?

    rows (Sequence[Row]): All.
    targets (Mapping[str, Sequence[str]]): By setting.
    samples (int): Resamples of the bootstrap.
    RETURNS (List[Dict[str, Any]]): "question" (1 or 2), "setting", "mode", "order" (of `ORDERS`,
        empty for all sources and where there are no orders), "k", "a" and "b" (the systems),
        "comparison", see `compare` and `adjust`, "verdict" and "preliminary".
    """
    answers: list[dict[str, Any]] = [
        {
            "question": question,
            "setting": name.setting,
            "mode": name.mode,
            "order": name.order,
            "k": name.k,
            "a": a.name.system if a else name.system,
            "b": other,
            "comparison": compare(a, b, targets[name.setting], samples=samples),
        }
        for question, name, a, other, b in _pairs(rows)
    ]
    adjust([answer["comparison"] for answer in answers if answer["comparison"]])
    for answer in answers:
        found = answer["comparison"]
        answer["verdict"] = verdict(found)
        answer["preliminary"] = bool(found and found["preliminary"])
    return answers


def _pairs(
    rows: Sequence[Row],
) -> Iterator[tuple[int, Name, Row | None, str, Row | None]]:
    """Number of the question, name of what is asked about, its row, the other's system and row."""
    for setting in dict.fromkeys(row.name.setting for row in rows):
        for mode in (ONE, EACH):
            mine = [row for row in rows if (row.name.setting, row.name.mode) == (setting, mode)]
            weighted = [row for row in mine if row.name.system == "weighted"]
            whole = next((row for row in weighted if row.name.order == "all"), None)
            k = whole.name.k if whole else 0
            name = Name(setting, "weighted", "", k, mode)
            for system in DERIVED if weighted else ():
                # Of the same mode only: a model of one target is another thing than one of several.
                partner = Name(setting, system, "single", 1, mode)
                yield 1, name, whole, system, next((r for r in rows if r.name == partner), None)
            for k, kind in _levels(mine):
                own, direct, hybrid, pooled = (
                    level_row(rows, setting, system, mode, k, kind)
                    for system in ("weighted", DIRECT, "hybrid", "pooled")
                )
                if not direct.runs:
                    direct = level_row(rows, setting, DIRECT, ONE, k, kind)
                asked = [(own, DIRECT, direct), (hybrid, "weighted", own), (hybrid, DIRECT, direct)]
                if pooled.runs:  # not in every plan, nor with every number of sources
                    asked += [(pooled, DIRECT, direct), (pooled, "weighted", own)]
                for a, other, b in asked:
                    yield 2, a.name._replace(order=kind), a, other, b


def _levels(rows: Sequence[Row]) -> list[tuple[int, str]]:
    """Each number of sources with students, and the kinds of orders in which they were added."""
    found = [row for row in rows if row.name.system in ("weighted", "pooled")]
    most = max((row.name.k for row in found), default=0)
    kinds = [kind for kind in ORDERS if any(row.name.order.startswith(kind) for row in found)]
    # All sources are the same in any order.
    return [
        (k, kind)
        for k in sorted({row.name.k for row in found})
        for kind in ([""] if k == most else kinds or [""])
    ]
