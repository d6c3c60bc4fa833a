"""The tables of docs/study.md, and that of README.md, are those of the result files."""

import json
from pathlib import Path

import pytest

from spacy_xner.study.comparisons import compare, level_row
from spacy_xner.study.figures import curves
from spacy_xner.study.results import read_cells
from spacy_xner.study.rows import build_rows, complete, mean_rankings, seeds_of, single_rows
from spacy_xner.study.statistics import mean_sd
from spacy_xner.study.summary import SAMPLES, run_averages, setting_targets

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "study.md").read_text("utf8")
README = (ROOT / "README.md").read_text("utf8")
SCALES = (1, 2, 4, 8, 15)
CURVES = {
    "direct transfer, pooled labels": ("direct", "ranked"),
    "student of that model": ("pooled", "ranked"),
    "student, weighted": ("weighted", "ranked"),
    "student, weighted, three random orders": ("weighted", "random"),
    "student, weighted, with a language model": ("hybrid", "ranked"),
}
DIFFERENCES = {
    "weighted - direct": ("weighted", "direct"),
    "hybrid - weighted": ("hybrid", "weighted"),
    "hybrid - direct": ("hybrid", "direct"),
    "student of that model - direct": ("pooled", "direct"),
    "student of that model - weighted": ("pooled", "weighted"),
}
ROWS = {
    "direct transfer from English": ("direct", "single", "en"),
    "direct transfer from all fifteen": ("direct", "all"),
    "student of that model": ("pooled", "all"),
    "student of one source, mean of fifteen": ("single-mean", "single"),
    "student of one source, chosen without labels": ("single-chosen", "single"),
    "student of one source, chosen by the other seeds' test scores *": ("single-crossed", "single"),
    "student of one source, chosen by an oracle *": ("single-best", "single"),
    "student of fifteen, uniform weights": ("uniform", "all"),
    "student of fifteen, weighted": ("weighted", "all"),
    "the weighted teachers themselves": ("ensemble", "all"),
    "student of two tasks (MTMT)": ("mtmt", "all"),
    "spaCy's `ner` on the hard silver": ("ner", "all"),
    "labels of the target, an upper bound": ("supervised", "single"),
}
EACH = {
    "student of fifteen sources, weighted": ("rich", "weighted"),
    "student of 24 sources, uniform weights": ("family", "uniform"),
    "student of 24 sources, weighted": ("family", "weighted"),
}


@pytest.fixture(scope="module")
def cells():
    return read_cells(ROOT / "results" / "study" / "full")


@pytest.fixture(scope="module")
def targets(cells):
    return setting_targets(cells)


@pytest.fixture(scope="module")
def rows(cells):
    found = build_rows(cells)
    return [*found, *single_rows(found, mean_rankings(cells))]


@pytest.fixture(scope="module")
def find(rows):
    def find(system, order, source="", *, setting="rich", mode="one"):
        (row,) = [
            row
            for row in rows
            if row.name.setting == setting
            and (row.name.system, row.name.order, row.name.source) == (system, order, source)
            and (row.name.mode == mode or system == "supervised")
        ]
        return row

    return find


def few(seeds):
    return "" if seeds >= 3 else f"{seeds} seed{'s' if seeds > 1 else ''}"


def score(row, targets):
    """As the tables of the text write it; nothing without a run of all targets."""
    mean, sd = mean_sd(run_averages(row, targets))
    if mean is None:
        return ""
    told = f"{100 * mean:.1f}" if sd is None else f"{100 * mean:.1f} ± {100 * sd:.1f}"
    seeds = few(seeds_of(complete(row, targets)))
    return told + (f" ({seeds})" if seeds else "")


def difference(a, b, targets):
    found = compare(a, b, targets, samples=SAMPLES)
    if found is None:
        return ""
    low, high = (f"{100 * bound:+.1f}" for bound in found["interval"])
    notes = "; ".join(filter(None, [f"{low} to {high}", few(found["seeds"])]))
    return f"{100 * found['difference']:+.1f} ({notes})"


def line(*texts):
    return "|" + "|".join(f" {text} " if text else " " for text in texts) + "|\n"


@pytest.mark.parametrize("label", ROWS)
def test_systems(find, targets, label):
    row, weighted = find(*ROWS[label]), find("weighted", "all")
    own = "" if row is weighted else difference(weighted, row, targets["rich"])
    assert line(label, score(row, targets["rich"]), own) in TEXT


@pytest.mark.parametrize("label", EACH)
def test_models_of_their_own(find, targets, label):
    first, row = (
        find(system, "all", setting=setting, mode="each")
        for setting, system in (EACH["student of fifteen sources, weighted"], EACH[label])
    )
    ahead = "" if row is first else difference(row, first, targets["rich"])
    assert line(label, score(row, targets["rich"]), ahead) in TEXT


def levels(rows, system, order="ranked"):
    return [level_row(rows, "rich", system, "one", k, order) for k in SCALES]


@pytest.mark.parametrize("label", CURVES)
def test_curves(rows, targets, label):
    expected = line(label, *(score(row, targets["rich"]) for row in levels(rows, *CURVES[label])))
    assert expected in TEXT
    if CURVES[label][1] == "ranked":
        assert expected in README


@pytest.mark.parametrize("label", DIFFERENCES)
def test_differences_at_each_number_of_sources(rows, targets, label):
    pairs = zip(*(levels(rows, system) for system in DIFFERENCES[label]), strict=True)
    assert line(label, *(difference(a, b, targets["rich"]) for a, b in pairs)) in TEXT


def test_costs(rows, targets):
    costs = {
        (curve["system"], point["k"]): f"{point['cost']['mean'] / 60:.1f}"
        for curve in curves(rows, targets)
        if (curve["setting"], curve["mode"]) == ("rich", "one") and curve["order"] != "random"
        for point in curve["points"]
        if point["cost"]["mean"] is not None
    }
    told = [
        " / ".join(costs.get((system, k), "–") for system in ("direct", "weighted", "hybrid"))
        for k in SCALES
    ]
    assert line("processor minutes, direct / weighted / hybrid", *told) in TEXT


def test_how_many_cells_there_are(cells):
    planned = json.loads((ROOT / "results" / "study" / "full-cells.json").read_text("utf8"))
    assert f"**{len(cells)} of {len(planned)} cells" in TEXT
