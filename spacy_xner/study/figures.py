"""What the figures of a study's report show: curves over sources, weights, calibration, slices."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from .comparisons import ORDERS, level_row
from .results import BINS, Result
from .rows import DERIVED, UPPER_BOUND, Row, complete, seeds_of
from .statistics import mean_sd

# The parts of a cell's cost that it takes to get the model; scoring it is none.
TEACHERS, WORK = "teachers_seconds", ("train_seconds", "annotate_seconds")


def row_costs(row: Row, targets: Sequence[str]) -> list[float]:
    """Seconds to get the models of a row, one number a run that covers all targets.

    Students of their own targets share their teachers, which are counted once.

    row (Row): Any; derived rows have no cost of their own.
    targets (Sequence[str]): Of the setting.
    """
    found = []
    for run in complete(row, targets):
        costs = [cell.cost for cell in row.cells.get(run, ())]
        teachers = max((cost.get(TEACHERS, 0.0) for cost in costs), default=0.0)
        parts = [cost[part] for cost in costs for part in WORK if part in cost]
        if parts:
            found.append(teachers + sum(parts))
    return found


def run_averages(row: Row, targets: Sequence[str]) -> list[float]:
    """The macro average of F1 over the targets, one number a run that covers them all."""
    return [
        fmean(score.f1 for score in scores.values()) for scores in complete(row, targets).values()
    ]


def curves(rows: Sequence[Row], targets: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """F1 and cost over the number of sources.

    rows (Sequence[Row]): All.
    targets (Mapping[str, Sequence[str]]): By setting.
    RETURNS (List[Dict[str, Any]]): For each setting, mode, system and kind of "order" (of
        `ORDERS`, empty without any) with two points or more: "points" of "k", "f1" and "cost"
        (seconds) with "mean", "sd" over orders and seeds, "low" and "high"; "runs" and "seeds".
    """
    result = []
    kinds: dict[tuple[str, str, str], set[str]] = {}
    for row in filter(_has_curve, rows):
        found = kinds.setdefault((*row.name[:2], row.name.mode), set())
        found.update(kind for kind in ORDERS if row.name.order.startswith(kind))
    # One and all sources alone are no order, and make a curve where there is no other.
    names = [
        (*name, kind)
        for name, found in kinds.items()
        for kind in [kind for kind in ORDERS if kind in found] or [""]
    ]
    for setting, system, mode, kind in names:
        points = []
        for k in sorted(
            {row.name.k for row in rows if row.name[:2] == (setting, system) and row.name.k}
        ):
            merged = level_row(rows, setting, system, mode, k, kind)
            f1 = run_averages(merged, targets[setting])
            if f1:
                point = {
                    "k": k,
                    "f1": _band(f1),
                    "cost": _band(row_costs(merged, targets[setting])),
                }
                runs = complete(merged, targets[setting])
                points.append({**point, "runs": len(runs), "seeds": seeds_of(runs)})
        if len(points) > 1:
            name = {"setting": setting, "system": system, "mode": mode, "order": kind}
            result.append({**name, "points": points})
    return result


def _has_curve(row: Row) -> bool:
    return row.name.system not in (*DERIVED, UPPER_BOUND)


def _band(values: Sequence[float]) -> dict[str, float | None]:
    mean, sd = mean_sd(values)
    low, high = (min(values), max(values)) if values else (None, None)
    return {"mean": mean, "sd": sd, "low": low, "high": high}


def mean_weights(cells: Iterable[Result]) -> dict[str, dict[str, float]]:
    """How much each source was heard, by target: the mean over cells.

    cells (Iterable[Result]): Of one row; a cell may say nothing.
    RETURNS (Dict[str, Dict[str, float]]): Target to source to weight.
    """
    found: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for cell in cells:
        for target, weights in cell.weights.items():
            for source, weight in weights.items():
                found[target, source].append(weight)
    result: dict[str, dict[str, float]] = {}
    for (target, source), values in found.items():
        result.setdefault(target, {})[source] = fmean(values)
    return result


def reliability(cells: Iterable[Result]) -> dict[str, Any] | None:
    """The reliability diagram of a row.

    cells (Iterable[Result]): Of one row.
    RETURNS (Optional[Dict[str, Any]]): "bins" with "lower", "upper", "spans", "confidence" and
        "accuracy" (empty bins are left out), and "ece", their mean gap weighted by spans. None
        where no cell has any.
    Naeini et al. 2015; Guo et al. 2017, see `evaluation.calibration`.
    """
    sums = [[0.0, 0.0, 0.0] for _ in range(BINS)]
    for cell in cells:
        for number, row in enumerate(cell.calibration):  # some have none
            for column, value in enumerate(row):
                sums[number][column] += value
    bins = [
        {
            "lower": number / BINS,
            "upper": (number + 1) / BINS,
            "spans": int(spans),
            "confidence": scores / spans,
            "accuracy": right / spans,
        }
        for number, (spans, scores, right) in enumerate(sums)
        if spans
    ]
    if not bins:
        return None
    total = sum(row["spans"] for row in bins)
    gaps = sum(row["spans"] * abs(row["accuracy"] - row["confidence"]) for row in bins)
    return {"bins": bins, "ece": gaps / total}


def slices(cells: Iterable[Result]) -> dict[str, dict[str, dict[str, float | int | None]]]:
    """Precision, recall and F1 of parts of the entities.

    cells (Iterable[Result]): Of one row; their counts are added up.
    RETURNS (Dict): By kind and name "precision", "recall", "f1" (None where there is nothing to
        divide by) and "gold", the number of entities.
    """
    sums: dict[str, dict[str, list[int]]] = {}
    for cell in cells:
        for kind, rows in cell.slices.items():
            for name, row in rows.items():
                total = sums.setdefault(kind, {}).setdefault(name, [0, 0, 0])
                for column, value in enumerate(row):
                    total[column] += value
    return {
        kind: {name: _scores(*rows[name]) for name in sorted(rows)} for kind, rows in sums.items()
    }


def _scores(right: int, found: int, gold: int) -> dict[str, float | int | None]:
    return {
        "precision": right / found if found else None,
        "recall": right / gold if gold else None,
        "f1": 2 * right / (found + gold) if found + gold else None,
        "gold": gold,
    }
