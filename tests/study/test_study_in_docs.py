"""The figures of docs/study.md are those of the result files."""

from pathlib import Path

import pytest

from spacy_xner.study.results import read_cells
from spacy_xner.study.summary import summarise

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "study.md").read_text("utf8")
SCALES = (1, 2, 4, 8, 15)
CURVES = {
    "direct transfer, pooled labels": "direct",
    "student of that model": "pooled",
    "student, weighted": "weighted",
    "student, weighted, with a language model": "hybrid",
}
ROWS = {
    "direct transfer from English": ("direct", "single"),
    "direct transfer from all fifteen": ("direct", "all"),
    "student of one source, mean of fifteen": ("single-mean", "single"),
    "student of one source, chosen without labels": ("single-chosen", "single"),
    "student of one source, chosen by an oracle *": ("single-best", "single"),
    "student of fifteen, uniform weights": ("uniform", "all"),
    "student of fifteen, weighted": ("weighted", "all"),
    "spaCy's `ner` on the hard silver": ("ner", "all"),
    "labels of the target, an upper bound": ("supervised", "single"),
}


@pytest.fixture(scope="module")
def section():
    cells = read_cells(ROOT / "results" / "study" / "full")
    (found,) = summarise(cells, samples=1)["sections"]
    return found


def score(f1, seeds):
    """As the tables of the text write it."""
    if f1["mean"] is None:
        return ""
    mean = f"{100 * f1['mean']:.1f}"
    few = "" if seeds >= 3 else f" ({seeds} seed{'s' if seeds > 1 else ''})"
    return (mean if f1["sd"] is None else f"{mean} ± {100 * f1['sd']:.1f}") + few


@pytest.mark.parametrize("label", CURVES)
def test_curves(section, label):
    (curve,) = [
        curve
        for curve in section["curves"]
        if (curve["system"], curve["mode"]) == (CURVES[label], "one")
        and curve["order"] in ("ranked", "")
    ]
    points = {point["k"]: score(point["f1"], point["seeds"]) for point in curve["points"]}
    row = "".join(f" {points[k]} |" if k in points else " |" for k in SCALES)
    assert f"| {label} |{row}\n" in TEXT


@pytest.mark.parametrize("label", ROWS)
def test_rows(section, label):
    (row,) = [
        row
        for row in section["rows"]
        if (row["system"], row["order"]) == ROWS[label]
        and (row["mode"] == "one" or row["system"] == "supervised")
        and row["source"] in ("", "en")
    ]
    assert f"| {label} | {score(row['f1'], row['f1']['seeds'])} |" in TEXT
