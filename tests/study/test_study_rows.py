import numpy as np
import pytest
from made_cells import SOURCES, TARGETS, counts, payload, whole_study, write

from spacy_xner.study.comparisons import (
    against_references,
    compare,
    find,
    is_main,
    level_row,
    questions,
)
from spacy_xner.study.results import read_cells
from spacy_xner.study.rows import (
    Name,
    Row,
    Score,
    build_rows,
    complete,
    mean_rankings,
    single_rows,
)

RICH = {"rich": list(TARGETS)}


def rows_of(tmp_path, *payloads):
    cells = read_cells(write(tmp_path, *payloads))
    rows = build_rows(cells)
    return rows + single_rows(rows, mean_rankings(cells))


def row_of(rows, system, **wanted):
    """The only row of a system with these parts of its name."""
    (found,) = [
        row
        for row in rows
        if row.name.system == system
        and all(getattr(row.name, key) == value for key, value in wanted.items())
    ]
    return found


def single(source, quality, **more):
    return payload("weighted", sources=(source,), order="single", quality=quality, **more)


def made_row(*scores):
    """A row of one seed, from F1 and counts of each model by target."""
    run = {t: Score(f1, np.array(tables)) for t, (f1, tables) in zip(TARGETS, scores, strict=False)}
    return Row(Name("rich", "weighted", "all", 4, "one"), {"0": run}, {})


def test_models_of_their_own_form_one_row(tmp_path):
    own = [payload("weighted", targets=(target,)) for target in TARGETS[:2]]
    rows = rows_of(tmp_path, payload("weighted"), *own)
    assert sorted(row.name.mode for row in rows) == ["each", "one"]
    each = row_of(rows, "weighted", mode="each")
    assert set(each.runs["0"]) == set(TARGETS[:2])
    assert complete(each, TARGETS) == {}
    assert list(complete(each, TARGETS[:2])["0"]) == list(TARGETS[:2])


def test_all_sources_may_be_fewer_for_a_target_that_is_one(tmp_path):
    rows = rows_of(
        tmp_path,
        payload("weighted", setting="family", targets=("amh",), sources=("en", "hau")),
        payload("weighted", setting="family", targets=("xho",), sources=("en", "hau", "amh")),
    )
    assert [row.name.k for row in rows] == [3]


def test_the_upper_bound_is_one_row(tmp_path):
    bound = [
        payload("supervised", targets=(target,), sources=(target,), order="single")
        for target in TARGETS
    ]
    rows = rows_of(tmp_path, *bound)
    assert len(rows) == 1
    assert len(complete(rows[0], TARGETS)) == 1


def test_single_sources_mean_best_and_chosen(tmp_path):
    cells = [single("en", 0.4), single("es", 0.5), single("pt", 0.9)]
    rows = rows_of(tmp_path, *cells, payload("ranking", sources=("en", "es", "pt")))
    mean, best = row_of(rows, "single-mean"), row_of(rows, "single-best")
    f1 = [cell["scores"]["amh"]["f1"] for cell in cells]
    assert mean.runs["0"]["amh"].f1 == pytest.approx(np.mean(f1))
    assert len(mean.runs["0"]["amh"].counts) == 3
    assert best.choices == dict.fromkeys(TARGETS, "pt")
    # The ranking puts es first, and no label told it.
    chosen = row_of(rows, "single-chosen")
    assert chosen.choices == dict.fromkeys(TARGETS, "es")
    assert chosen.runs["0"]["amh"].f1 == f1[1]


def test_some_single_sources_are_not_all_of_them(tmp_path):
    """The ranking names four sources: a mean of two is no mean, and es is not measured."""
    rows = rows_of(tmp_path, single("en", 0.4), single("pt", 0.9), payload("ranking"))
    for name in ("single-mean", "single-best", "single-crossed", "single-chosen"):
        assert row_of(rows, name).runs == {}


def test_a_seed_in_which_a_source_is_missing_has_no_mean(tmp_path):
    cells = [single("en", 0.4), single("es", 0.5), single("en", 0.4, seed=1)]
    rows = rows_of(tmp_path, *cells, payload("ranking", sources=("en", "es")))
    assert list(row_of(rows, "single-mean").runs) == ["0"]


def test_the_oracle_compares_sources_on_the_seeds_that_all_have(tmp_path):
    """es is better on the common seed; that it has worse ones as well is no disadvantage."""
    cells = [single("en", 0.3), single("es", 0.9), *(single("es", 0.1, seed=s) for s in (1, 2))]
    rows = rows_of(tmp_path, *cells, payload("ranking", sources=("en", "es")))
    best = row_of(rows, "single-best")
    assert best.choices == dict.fromkeys(TARGETS, "es")
    assert list(best.runs) == ["0"]
    assert set(row_of(rows, "single-chosen").runs) == {"0", "1", "2"}


def test_the_crossed_oracle_is_never_scored_on_what_it_was_chosen_by(tmp_path):
    """en has luck with seed 0 and es with seed 1: each is chosen where it has none."""
    cells = [
        *(single("en", quality, seed=seed) for seed, quality in enumerate((0.95, 0.3))),
        *(single("es", quality, seed=seed) for seed, quality in enumerate((0.3, 0.6))),
    ]
    rows = rows_of(tmp_path, *cells, payload("ranking", sources=("en", "es")))
    crossed, best = row_of(rows, "single-crossed"), row_of(rows, "single-best")
    unlucky = [cells[2]["scores"]["amh"]["f1"], cells[1]["scores"]["amh"]["f1"]]
    assert [crossed.runs[seed]["amh"].f1 for seed in "01"] == unlucky
    assert crossed.choices == {}  # not the same in both
    assert best.choices == dict.fromkeys(TARGETS, "en")


def test_the_crossed_oracle_needs_a_second_seed(tmp_path):
    cells = [single("en", 0.4), single("es", 0.5)]
    rows = rows_of(tmp_path, *cells, payload("ranking", sources=("en", "es")))
    assert row_of(rows, "single-crossed").runs == {}
    more = [single("en", 0.4, seed=1), single("es", 0.5, seed=1)]
    rows = rows_of(tmp_path, *cells, *more, payload("ranking", sources=("en", "es")))
    assert row_of(rows, "single-crossed").choices == dict.fromkeys(TARGETS, "es")


def test_without_a_ranking_nothing_is_chosen(tmp_path):
    rows = rows_of(tmp_path, single("en", 0.4))
    assert row_of(rows, "single-chosen").runs == {}
    assert row_of(rows, "single-best").runs


def test_a_ranking_of_another_setting_does_not_choose(tmp_path):
    rows = rows_of(tmp_path, single("en", 0.4), payload("ranking", setting="family"))
    assert row_of(rows, "single-chosen").runs == {}


def test_only_common_seeds_are_compared(tmp_path):
    cells = [payload("weighted", seed=seed, quality=0.7) for seed in (0, 1, 2)]
    cells += [payload("uniform", seed=seed, quality=0.4) for seed in (1, 2, 3)]
    rows = rows_of(tmp_path, *cells)
    found = compare(rows[1], rows[0], TARGETS, samples=20)
    assert (found["runs"], found["seeds"]) == (2, 2)
    assert found["sign"] == {"wins": 3, "losses": 0, "ties": 0, "p_value": 0.25}
    assert set(found["languages"]) == set(TARGETS)
    assert compare(rows[1], None, TARGETS, samples=20) is None
    assert compare(rows[1], rows[0], (*TARGETS, "xho"), samples=20) is None


def test_a_mean_over_models_is_compared_on_equal_gold():
    """A model against itself three times is a tie."""
    table = counts(0.5)
    one = made_row((0.5, [table]))
    three = made_row((0.5, [table, table, table]))
    found = compare(one, three, TARGETS[:1], samples=20)
    assert found["difference"] == pytest.approx(0.0)
    assert found["interval"] == pytest.approx([0.0, 0.0])


def test_the_partner_is_of_the_same_mode_if_there_is_one(tmp_path):
    own = [payload("uniform", targets=(target,)) for target in TARGETS]
    rows = rows_of(tmp_path, payload("uniform"), *own)
    for mode in ("one", "each"):
        assert find(rows, Name("rich", "uniform", "all", 0, mode)).name.mode == mode
    assert find(rows[:1], Name("rich", "uniform", "all", 0, "each")).name.mode == "one"
    assert find(rows, Name("family", "uniform", "all", 0, "one")) is None
    assert find(rows, Name("family", "uniform", "all", 0, "one"), elsewhere=True)


def test_marks_are_corrected_and_the_upper_bound_is_none_of_them(tmp_path):
    rows = rows_of(tmp_path, *whole_study())
    targets = {"rich": list(TARGETS), "family": list(TARGETS)}
    found = against_references(rows, targets, samples=400)
    assert not any(name.system == "supervised" for name in found)
    assert all(is_main(name) for name in found)
    made = [x for row in found.values() for x in row.values() if x]
    assert all(x["adjusted"] >= x["p_value"] for x in made)
    weighted = row_of(rows, "weighted", mode="one", order="all").name
    assert found[weighted]["direct"]["mark"] in (0, 1)
    assert found[weighted]["direct"]["difference"] > 0.1
    english = row_of(rows, "direct", source="en").name
    assert "direct" not in found[english]
    assert found[weighted]["direct"]["mark"] == int(found[weighted]["direct"]["adjusted"] < 0.05)
    # In "family" English taught nobody: that of the other setting is taken.
    family = next(name for name in found if name.setting == "family")
    assert found[family]["direct"] is not None


@pytest.mark.parametrize(("seeds", "mark"), [((0, 1), 0), ((0, 1, 2), 1)])
def test_fewer_than_three_common_seeds_have_no_mark(tmp_path, seeds, mark):
    more = {"sentences": 200}
    direct = [
        payload("direct", order="single", sources=("en",), quality=0.2, seed=seed, **more)
        for seed in (0, 1, 2)
    ]
    students = [payload("weighted", quality=0.9, seed=seed, **more) for seed in seeds]
    rows = rows_of(tmp_path, *direct, *students)
    found = against_references(rows, RICH, samples=400)
    (against,) = [found[row.name]["direct"] for row in rows if row.name.system == "weighted"]
    assert against["adjusted"] < 0.05
    assert against["mark"] == mark


def test_a_level_has_all_orders_and_the_single_sources_they_begin_with(tmp_path):
    rows = rows_of(tmp_path, *whole_study(seeds=(0, 1)))
    two = level_row(rows, "rich", "weighted", "one", 2)
    assert sorted(two.runs) == ["random-0//0", "random-0//1", "ranked//0", "ranked//1"]
    one = level_row(rows, "rich", "weighted", "one", 1)
    assert sorted(one.runs) == ["single/en/0", "single/en/1", "single/es/0", "single/es/1"]
    assert set(level_row(rows, "rich", "weighted", "one", 4).runs) == {"all//0", "all//1"}


def test_without_orders_all_single_sources_count(tmp_path):
    rows = rows_of(tmp_path, single("en", 0.4), single("es", 0.5))
    assert len(level_row(rows, "rich", "weighted", "one", 1).runs) == 2


def test_the_two_questions(tmp_path):
    rows = rows_of(tmp_path, *whole_study(seeds=(0,)))
    targets = {"rich": list(TARGETS), "family": list(TARGETS)}
    found = questions(rows, targets, samples=20)
    first = [x for x in found if (x["question"], x["setting"], x["mode"]) == (1, "rich", "one")]
    assert [(x["k"], x["b"]) for x in first] == [
        (4, f"single-{name}") for name in ("mean", "chosen", "crossed", "best")
    ]
    assert all(x["comparison"]["difference"] > 0 for x in first if x["b"] != "single-crossed")
    assert first[2]["comparison"] is None  # with one seed there are no others to choose by
    # Single-source students of several targets are no measure for a student of one.
    own = [x for x in found if (x["question"], x["setting"], x["mode"]) == (1, "rich", "each")]
    assert [x["comparison"] for x in own] == [None] * 4
    second = [x for x in found if (x["question"], x["setting"], x["mode"]) == (2, "rich", "one")]
    told = [(x["k"], x["order"], x["a"], x["b"]) for x in second if x["comparison"]]
    assert told == [
        *((k, kind, "weighted", "direct") for k in (1, 2, 3) for kind in ("ranked", "random")),
        (4, "", "weighted", "direct"),
        (4, "", "hybrid", "weighted"),
        (4, "", "hybrid", "direct"),
        (4, "", "pooled", "direct"),
        (4, "", "pooled", "weighted"),
    ]
    # Of single sources those count that an order begins with.
    runs = {x["order"]: x["comparison"]["runs"] for x in second if x["k"] == 1 and x["comparison"]}
    assert runs == {"ranked": 1, "random": 1}


def test_a_student_of_the_direct_model_is_compared_without_an_ensemble(tmp_path):
    rows = rows_of(tmp_path, payload("direct", quality=0.3), payload("pooled", quality=0.5))
    found = {(x["a"], x["b"]): x["comparison"] for x in questions(rows, RICH, samples=20)}
    assert found["pooled", "direct"]["difference"] > 0.1
    assert found["weighted", "direct"] is None
    assert not [x for x in questions(rows, RICH, samples=20) if x["question"] == 1]


def test_direct_transfer_of_one_model_meets_students_of_their_own(tmp_path):
    own = [payload("weighted", targets=(target,)) for target in TARGETS]
    rows = rows_of(tmp_path, payload("direct", quality=0.3), *own)
    answers = questions(rows, RICH, samples=20)
    (found,) = [x for x in answers if (x["a"], x["b"]) == ("weighted", "direct")]
    assert (found["mode"], found["k"]) == ("each", len(SOURCES))
    assert found["comparison"] is not None
