import json

import pytest
from made_cells import SIZES, TARGETS, payload, whole_study, write

from spacy_xner.study.comparisons import adjust
from spacy_xner.study.figures import curves, reliability, slices
from spacy_xner.study.results import read_cells
from spacy_xner.study.statistics import holm, verdict
from spacy_xner.study.summary import digest, setting_targets, summarise


def summary_of(tmp_path, *payloads, expected=()):
    return summarise(read_cells(write(tmp_path, *payloads)), expected, samples=20)


def rows_by(section, **wanted):
    return [row for row in section["rows"] if all(row[k] == v for k, v in wanted.items())]


def test_a_whole_study_is_json(tmp_path):
    found = summary_of(tmp_path, *whole_study(seeds=(0, 1)))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    (section,) = found["sections"]
    assert section["settings"]["rich"] == {
        "targets": list(TARGETS),
        "sources": ["en", "es", "fr", "pt"],
    }
    assert list(section["settings"]) == ["rich", "family"]
    ids = [row["id"] for row in section["rows"]]
    assert len(ids) == len(set(ids))
    oracles = [row["system"] for row in section["rows"] if row["oracle"]]
    assert oracles == ["single-crossed", "single-best"]
    (bound,) = rows_by(section, competitor=False)
    assert bound["against"] == {}
    assert {row["system"] for row in section["rows"] if row["main"]} >= {"ner", "mtmt", "hybrid"}


def test_a_row_has_mean_and_deviation_over_seeds(tmp_path):
    cells = [payload("weighted", seed=seed) for seed in (0, 1)]
    (section,) = summary_of(tmp_path, *cells)["sections"]
    (row,) = section["rows"]
    f1 = [sum(s["f1"] for s in cell["scores"].values()) / 3 for cell in cells]
    assert row["f1"]["mean"] == pytest.approx(sum(f1) / 2)
    assert row["f1"]["sd"] == pytest.approx(abs(f1[0] - f1[1]) / 2**0.5)
    assert row["f1"]["seeds"] == 2
    assert row["cost"] == pytest.approx(60 * 4 + 30)
    assert row["ece"] == pytest.approx(0.1)


def test_a_row_without_all_targets_has_no_average(tmp_path):
    cells = [payload("weighted", targets=("amh",)), payload("uniform")]
    (section,) = summary_of(tmp_path, *cells)["sections"]
    (row,) = rows_by(section, system="weighted")
    assert row["f1"] == {"mean": None, "sd": None, "seeds": 0}
    assert row["targets"]["amh"]["mean"] > 0
    assert row["targets"]["hau"]["mean"] is None


def test_students_of_their_own_targets_share_their_teachers(tmp_path):
    own = [payload("weighted", targets=(target,)) for target in TARGETS]
    (row,) = rows_by(summary_of(tmp_path, *own)["sections"][0], system="weighted")
    assert row["cost"] == pytest.approx(len(TARGETS) * 60 * 4 + 30)


def test_other_sizes_are_never_mixed(tmp_path):
    large = {**SIZES, "source": 99}
    sections = summary_of(tmp_path, payload("weighted"), payload("weighted", sizes=large))[
        "sections"
    ]
    assert [section["sizes"]["source"] for section in sections] == [50, 99]
    assert [section["cells"] for section in sections] == [1, 1]


def test_missing_cells_are_listed_and_widen_the_targets(tmp_path):
    there, absent = payload("weighted"), payload("weighted", targets=("xho",))["cell"]
    elsewhere = payload("weighted", study="other")["cell"]
    expected = [{**there["cell"], "sources": tuple(there["cell"]["sources"])}, absent, elsewhere]
    sections = summary_of(tmp_path, there, expected=expected)["sections"]
    assert [section["missing"] for section in sections] == [[absent], [elsewhere]]
    assert [section["expected"] for section in sections] == [2, 1]
    assert sections[0]["rows"][0]["f1"]["mean"] is None
    assert sections[1]["rows"] == []


def test_rankings_give_no_targets(tmp_path):
    cells = read_cells(write(tmp_path, payload("ranking", targets=("xho",)), payload("direct")))
    assert setting_targets(cells) == {"rich": list(TARGETS)}


def test_curves_have_bands_over_orders_and_seeds(tmp_path):
    (section,) = summary_of(tmp_path, *whole_study(seeds=(0, 1)))["sections"]
    found = {(x["system"], x["order"]): x for x in section["curves"]}
    assert {(x["setting"], x["mode"]) for x in section["curves"]} == {("rich", "one")}
    assert set(found) == {(s, o) for s in ("weighted", "direct") for o in ("ranked", "random")}
    points = found["weighted", "ranked"]["points"]
    # Each order begins with a source of its own; all sources are in both.
    assert [(p["k"], p["runs"], p["seeds"]) for p in points] == [(k, 2, 2) for k in (1, 2, 3, 4)]
    firsts = {order: found["weighted", order]["points"][0]["f1"]["mean"] for _, order in found}
    assert firsts["ranked"] > firsts["random"]  # es has 0.5, en 0.4
    assert found["weighted", "random"]["points"][-1] == points[-1]
    for point in points:
        assert point["f1"]["low"] <= point["f1"]["mean"] <= point["f1"]["high"]
        assert point["f1"]["sd"] > 0
    assert [p["cost"]["mean"] for p in points] == [90, 150, 210, 270]
    assert curves([], {}) == []


def test_one_and_all_sources_make_a_curve_where_there_is_no_order(tmp_path):
    cells = [payload("direct", sources=("en",), order="single", quality=0.4), payload("direct")]
    (section,) = summary_of(tmp_path, *cells)["sections"]
    (curve,) = section["curves"]
    assert (curve["order"], [p["k"] for p in curve["points"]]) == ("", [1, 4])


def test_bins_are_added_up(tmp_path):
    cells = read_cells(write(tmp_path, payload("weighted"), payload("weighted", seed=1)))
    found = reliability(cells)
    assert [row["spans"] for row in found["bins"]] == [20] * 10
    assert found["bins"][3] == pytest.approx(
        {"lower": 0.3, "upper": 0.4, "spans": 20, "confidence": 0.35, "accuracy": 0.35}
    )
    assert found["ece"] == pytest.approx(0.0)
    assert reliability([cell._replace(calibration=[]) for cell in cells]) is None


def test_slices_are_added_up(tmp_path):
    cells = read_cells(write(tmp_path, payload("weighted"), payload("weighted", seed=1)))
    found = slices(cells)["class"]
    assert found["PER"] == pytest.approx(
        {"precision": 10 / 16, "recall": 10 / 18, "f1": 20 / 34, "gold": 18}
    )
    assert found["ORG"] == {"precision": None, "recall": None, "f1": None, "gold": 0}
    assert list(found) == ["LOC", "ORG", "PER"]


def test_weights_are_means(tmp_path):
    a, b = payload("weighted"), payload("weighted", seed=1)
    a["weights"], b["weights"] = {"amh": {"en": 0.2}}, {"amh": {"en": 0.4}}
    (section,) = summary_of(tmp_path, a, b)["sections"]
    assert section["rows"][0]["weights"] == {"amh": {"en": pytest.approx(0.3)}}


def test_few_seeds_are_preliminary():
    few, enough = ({"p_value": 0.01, "difference": -0.1, "seeds": seeds} for seeds in (2, 3))
    adjust([few, enough])
    assert (few["preliminary"], enough["preliminary"]) == (True, False)
    assert few["adjusted"] == enough["adjusted"] == 0.02
    assert verdict(few) == verdict(enough) == "worse"


def test_answers_are_corrected_for_their_number(tmp_path):
    (section,) = summary_of(tmp_path, *whole_study(seeds=(0, 1)))["sections"]
    found = [x["comparison"] for x in section["questions"] if x["comparison"]]
    expected = holm([comparison["p_value"] for comparison in found])
    assert len(found) > 3
    assert [comparison["adjusted"] for comparison in found] == expected
    assert [x["verdict"] for x in section["questions"] if x["comparison"]] == [
        verdict(comparison) for comparison in found
    ]


def test_provenance_is_counted(tmp_path):
    a, b = payload("weighted"), payload("weighted", seed=1)
    b["provenance"] = {"machine": "a box", "packages": None, "date": 5}
    found = digest(read_cells(write(tmp_path, a, b)))
    assert found["commits"] == {"abc": 1, "unknown": 1}
    assert found["machines"] == {"platform Linux, cpus 2": 1, "unknown": 1}
    assert found["packages"] == {"spacy": {"3.8.0": 1}}
    assert found["first"] == found["last"] == "2026-01-01T00:00:00+00:00"
