"""Rows of a study's table: what a system scored on all targets, seed by seed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from ..evaluation.bootstrap import Counts
from .grid import ENGLISH
from .results import RANKING, Result

SETTINGS = ("rich", "family")
ONE, EACH = "one", "each"
SINGLE_MEAN, SINGLE_CHOSEN = "single-mean", "single-chosen"
ORACLES = SINGLE_CROSSED, SINGLE_BEST = "single-crossed", "single-best"
"""Chosen by test scores: those of the other seeds, or all."""
DERIVED = (SINGLE_MEAN, SINGLE_CHOSEN, *ORACLES)
ORDER = ("direct", "pooled", *DERIVED, "uniform", "weighted", "ensemble", "mtmt", "hybrid", "ner")
UPPER_BOUND = "supervised"

Shares = dict[str, dict[str, float]]
"""Target to source to weight."""


class Name(NamedTuple):
    """What the cells of a row have in common.

    setting, system, order: As in a cell; three systems are derived, see `single_rows`.
    k: Number of sources.
    mode: "one" if one model learnt several targets, "each" if each target has its own.
    source: The source where the order is "single", else empty.
    """

    setting: str
    system: str
    order: str
    k: int
    mode: str
    source: str = ""


class Score(NamedTuple):
    """A system on one target, with one seed.

    f1: In [0, 1]; the mean over models.
    counts: Of each model: shape (models, sentences, 3). One model but for the mean of several.
    """

    f1: float
    counts: Counts


class Row(NamedTuple):
    """A row of the table.

    name: See above.
    runs: By run (a seed, and more where rows are merged) and target.
    cells: By run, those that it is made of; empty for derived rows.
    choices: Derived rows: the source that was chosen for each target, where it is the same in all
        runs.
    """

    name: Name
    runs: dict[str, dict[str, Score]]
    cells: dict[str, list[Result]]
    choices: Mapping[str, str] = MappingProxyType({})


Choice = dict[str, dict[str, Row]]
"""By target and run the row that is taken there."""


def complete(row: Row, targets: Sequence[str]) -> dict[str, dict[str, Score]]:
    """The runs of a row that cover all targets: only these have an average.

    row (Row): Any.
    targets (Sequence[str]): Of the setting.
    RETURNS (Dict[str, Dict[str, Score]]): By run, with these targets alone, in their order.
    """
    return {
        run: {target: scores[target] for target in targets}
        for run, scores in row.runs.items()
        if all(target in scores for target in targets)
    }


def row_name(cell: Result) -> Name:
    """Which row a cell belongs to."""
    mode = EACH if len(cell.targets) == 1 else ONE
    # The upper bound's "source" is the target itself, so that each target would be a row.
    single = cell.order == "single" and cell.system != UPPER_BOUND
    source = cell.sources[0] if single else ""
    return Name(cell.setting, cell.system, cell.order, len(cell.sources), mode, source)


def build_rows(cells: Iterable[Result]) -> list[Row]:
    """Put the cells of the same row together.

    cells (Iterable[Result]): Of one study with the same sizes; rankings are passed over.
    RETURNS (List[Row]): In the order of the table, see `table_order`.
    """
    groups: defaultdict[Name, list[Result]] = defaultdict(list)
    for cell in cells:
        if cell.system != RANKING:
            name = row_name(cell)
            # Of all sources, a target that is one itself has one less than others.
            groups[name._replace(k=0) if name.order == "all" else name].append(cell)
    rows = []
    for name, found in groups.items():
        row = Row(name._replace(k=max(len(cell.sources) for cell in found)), {}, {})
        for cell in found:
            run = str(cell.seed)
            row.cells.setdefault(run, []).append(cell)
            for target in cell.targets:
                f1 = cell.scores[target]["f1"] or 0.0
                row.runs.setdefault(run, {})[target] = Score(f1, cell.counts[target][np.newaxis])
        rows.append(row)
    return sorted(rows, key=lambda row: table_order(row.name))


def table_order(name: Name) -> tuple[object, ...]:
    """Settings and modes apart; then systems from the plainest to the upper bound."""
    known = (*ORDER, UPPER_BOUND)
    rank = known.index(name.system) if name.system in known else len(known)
    # A single source before several of the same system; English, the usual one, first.
    return (
        SETTINGS.index(name.setting) if name.setting in SETTINGS else len(SETTINGS),
        name.setting,
        name.mode != ONE and name.system != UPPER_BOUND,
        rank,
        name.order not in ("single", "all"),
        name.k,
        name.source not in ENGLISH,
        name.source,
        name.order,
    )


def merge(rows: Sequence[Row], name: Name) -> Row:
    """One row with the runs of several, for example of all orders of the same number of sources.

    rows (Sequence[Row]): Their runs are kept apart by order and source.
    name (Name): Of the merged row.
    """
    runs = {_apart(row, run): scores for row in rows for run, scores in row.runs.items()}
    cells = {_apart(row, run): found for row in rows for run, found in row.cells.items()}
    return Row(name, runs, cells)


def _apart(row: Row, run: str) -> str:
    return f"{row.name.order}/{row.name.source}/{run}"


def seeds_of(runs: Iterable[str]) -> int:
    """How many seeds some runs have, merged or not."""
    return len({run.rpartition("/")[2] for run in runs})


def mean_rankings(cells: Iterable[Result]) -> dict[str, Shares]:
    """The ranking of the sources by setting and target: the mean over all ranking cells.

    cells (Iterable[Result]): Others are passed over.
    RETURNS (Dict[str, Shares]): By setting, which sources compete in.
    """
    found: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
    for cell in cells:
        for target, weights in cell.ranking.items():
            for source, weight in weights.items():
                found[cell.setting, target, source].append(weight)
    result: dict[str, Shares] = {}
    for (setting, target, source), values in found.items():
        result.setdefault(setting, {}).setdefault(target, {})[source] = fmean(values)
    return result


def single_rows(rows: Sequence[Row], rankings: Mapping[str, Shares]) -> list[Row]:
    """What students of a single source reach, if one must be picked.

    "single-mean" is the mean over the sources: what a blind pick gives on average. "single-best"
    takes for each target the source of the highest mean F1 on its test set, in the runs that all
    sources have, which nobody can know: an oracle. Scored on what it was chosen by, it is too good:
    "single-crossed" takes for each run the source that is best in the others. "single-chosen" takes
    the one that a ranking without labels puts first. Nothing is said where it takes students that
    are not measured yet: some sources are not all of them.

    rows (Sequence[Row]): See `build_rows`.
    rankings (Mapping[str, Shares]): See `mean_rankings`.
    RETURNS (List[Row]): Four for each setting and mode with single-source students; a target
        without a ranking is missing in the last.
    """
    found: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.name.system == "weighted" and row.name.source:
            found[row.name.setting, row.name.mode].append(row)
    result = []
    for (setting, mode), singles in found.items():
        targets = list(dict.fromkeys(t for r in singles for s in r.runs.values() for t in s))
        best: Choice = {}
        chosen: Choice = {}
        crossed: Choice = {}
        for target in targets:
            measured = {row.name.source: _of_target(row, target) for row in singles}
            measured = {name: row for name, row in measured.items() if row.runs}
            weights = rankings.get(setting, {}).get(target, {})
            if set(weights) <= set(measured):
                rivals = list(measured.values())
                runs = _common_runs(rivals)
                best[target] = dict.fromkeys(runs, _best(rivals, target, runs))
                crossed[target] = {
                    run: _best(rivals, target, others)
                    for run in runs
                    if (others := [other for other in runs if other != run])
                }
            first = max(weights, key=lambda name: weights[name], default=None)
            if first in measured:
                chosen[target] = dict.fromkeys(measured[first].runs, measured[first])
        choices = {SINGLE_CHOSEN: chosen, SINGLE_CROSSED: crossed, SINGLE_BEST: best}
        for system, choice in choices.items():
            name = Name(setting, system, "single", 1, mode)
            result.append(_chosen_row(name, choice))
        mean = Name(setting, SINGLE_MEAN, "single", 1, mode)
        result.append(_mean_row(mean, singles, list(best)))
    return sorted(result, key=lambda row: table_order(row.name))


def _of_target(row: Row, target: str) -> Row:
    """The runs of a row that have a target."""
    return row._replace(runs={run: scores for run, scores in row.runs.items() if target in scores})


def _common_runs(rows: Sequence[Row]) -> list[str]:
    """The runs that all rows have."""
    return [run for run in rows[0].runs if all(run in row.runs for row in rows)]


def _best(rows: Sequence[Row], target: str, runs: Sequence[str]) -> Row:
    """The row that is best on a target in some runs."""
    return max(rows, key=lambda row: sum(row.runs[run][target].f1 for run in runs))


def _chosen_row(name: Name, choice: Choice) -> Row:
    runs: dict[str, dict[str, Score]] = {}
    choices = {}
    for target, by_run in choice.items():
        for run, row in by_run.items():
            runs.setdefault(run, {})[target] = row.runs[run][target]
        sources = {row.name.source for row in by_run.values()}
        if len(sources) == 1:
            choices[target] = sources.pop()
    return Row(name, runs, {}, choices)


def _mean_row(name: Name, singles: Sequence[Row], targets: Sequence[str]) -> Row:
    runs: dict[str, dict[str, Score]] = {}
    for run in dict.fromkeys(run for row in singles for run in row.runs):
        for target in targets:
            found = [r.runs[run][target] for r in singles if target in r.runs.get(run, {})]
            if len(found) == len(singles):
                counts = np.concatenate([score.counts for score in found])
                mean = fmean(score.f1 for score in found)
                runs.setdefault(run, {})[target] = Score(mean, counts)
    return Row(name, runs, {})
