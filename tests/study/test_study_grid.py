"""Which cells a study has, and in which order."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xner.study.cells import System
from spacy_xner.study.grid import cells, ranking_cell, rich_sources, source_orders
from spacy_xner.study.plan import SIZES, Plan

SOURCES, TARGETS = ["en", "de", "fr", "es"], ["swa", "hau"]
RANKING = {
    "swa": {"en": 0.4, "de": 0.1, "fr": 0.2, "es": 0.3, "hau": 0.5},
    "hau": {"en": 0.1, "de": 0.4, "fr": 0.3, "es": 0.2, "swa": 0.5},
}
PLAN = Plan(
    name="trial",
    settings=("rich", "family"),
    systems=tuple(name for name in System.__args__ if name != "ranking"),
    seeds=(0, 1),
    scales=(1, 2, 4),
    orders=2,
    sizes=dict.fromkeys(SIZES, 5),
    recipes={},
)


def all_cells(**changes):
    return cells(replace(PLAN, **changes), SOURCES + TARGETS, TARGETS, RANKING)


def test_each_cell_has_a_file_of_its_own():
    found = all_cells()
    assert len({cell.file for cell in found}) == len(found) == len(set(found))


def test_the_headline_comes_first():
    found = all_cells()
    first = [(cell.system, len(cell.sources)) for cell in found[:5]]
    assert first == [
        ("direct", 1),
        ("weighted", 4),
        ("uniform", 4),
        ("direct", 4),
        ("ner", 4),
    ]
    assert found[0].sources == ("en",)


def test_english_may_have_its_longer_code():
    sources, ranking = ["eng", "de"], {"swa": {"eng": 0.4, "de": 0.6}}
    first = cells(replace(PLAN, settings=("rich",)), sources, ["swa"], ranking)[0]
    assert (first.system, first.sources) == ("direct", ("eng",))


def test_sources_are_added_in_order():
    ranked = [
        cell.sources for cell in all_cells() if cell.order == "ranked" and cell.system == "weighted"
    ]
    assert set(ranked) == {("de", "en")}  # both 0.25 on average, as all are: by name
    assert {c.order for c in all_cells() if c.system == "direct" and len(c.sources) == 2} == {
        "ranked",
        "random-0",
        "random-1",
    }


def test_the_nearest_source_comes_first():
    ranking = {"swa": {"en": 0.2, "de": 0.5, "fr": 0.3}}
    found = source_orders(["en", "de", "fr"], ["swa"], ranking, random_orders=0)
    assert found == {"ranked": ["de", "fr", "en"]}


@given(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1), st.integers(0, 4))
def test_orders_are_permutations_and_the_same_each_time(names, number):
    ranking = {"x": dict.fromkeys(names, 1.0)}
    found = source_orders(names, ["x"], ranking, random_orders=number)
    assert len(found) == 1 + number
    assert all(sorted(order) == sorted(names) for order in found.values())
    again = source_orders(names[::-1], ["x"], ranking, random_orders=number)
    assert {k: v for k, v in again.items() if k != "ranked"} == {
        k: v for k, v in found.items() if k != "ranked"
    }


def test_all_sources_are_one_cell_whatever_their_order():
    whole = [c for c in all_cells() if c.system == "weighted" and len(c.targets) > 1]
    assert {c.order for c in whole if len(c.sources) == 4} == {"all"}
    assert {c.order for c in whole if len(c.sources) == 1} == {"single"}


def test_no_cell_learns_labels_of_its_targets_but_the_upper_bound():
    for cell in all_cells():
        both = set(cell.sources) & set(cell.targets)
        assert both == (set(cell.targets) if cell.system == "supervised" else set())


def test_one_seed_of_everything_waits_for_all_seeds_of_the_headline():
    found = all_cells(settings=("rich",))
    headline = [i for i, c in enumerate(found) if c.system in ("uniform", "pooled")]
    rest = [i for i, c in enumerate(found) if c.system == "ensemble" or "random" in c.order]
    assert {found[i].seed for i in headline} == {0, 1}
    assert max(headline) < min(rest)


def test_the_hybrid_has_all_seeds_of_a_number_of_sources_before_the_next_in_the_plans_order():
    found = all_cells(settings=("rich",), scales=(4, 1, 2))
    ranked = [i for i, c in enumerate(found) if c.system == "hybrid"][:6]
    told = [(len(found[i].sources), found[i].seed) for i in ranked]
    assert told == [(4, 0), (4, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    assert max(ranked) < min(i for i, c in enumerate(found) if "random" in c.order)


def test_single_sources_that_a_ranking_chooses_come_before_the_others():
    found = all_cells(settings=("rich",), systems=("weighted",))
    singles = [c.sources[0] for c in found if c.order == "single" and c.seed == 0]
    assert singles == ["en", "de", "fr", "es"]  # the first of swa, of hau, and the rest
    assert max(i for i, c in enumerate(found) if c.sources in (("en",), ("de",))) < min(
        i for i, c in enumerate(found) if c.sources == ("fr",)
    )


def test_a_student_of_a_direct_model_of_one_source_is_the_weighted_one():
    found = {len(cell.sources) for cell in all_cells() if cell.system == "pooled"}
    assert found == {2, 4}


def test_family_adds_the_other_targets():
    family = [cell for cell in all_cells() if cell.setting == "family"]
    assert {cell.targets for cell in family} == {("swa",), ("hau",)}
    assert {cell.sources for cell in family if cell.targets == ("swa",)} == {
        ("en", "de", "fr", "es", "hau")
    }


def test_without_labels_of_targets_there_is_no_family_and_no_upper_bound():
    found = cells(PLAN, SOURCES, TARGETS, RANKING)
    assert not [c for c in found if c.setting == "family" or c.system == "supervised"]


@pytest.mark.parametrize("systems", [("direct",), ("weighted", "hybrid")])
def test_a_plan_may_leave_systems_out(systems):
    assert {cell.system for cell in all_cells(systems=systems)} == set(systems)


def test_rich_sources_are_no_targets():
    assert rich_sources(SOURCES + TARGETS, TARGETS) == SOURCES


def test_in_the_rich_setting_only_rich_sources_compete():
    found = ranking_cell("rich", SOURCES + TARGETS, TARGETS)
    assert list(found.sources) == SOURCES
    assert list(ranking_cell("family", SOURCES + TARGETS, TARGETS).sources) == SOURCES + TARGETS


def test_random_orders_of_the_hybrid_need_no_labels_of_targets():
    found = cells(PLAN, SOURCES, TARGETS, RANKING)
    assert {c.order for c in found if c.system == "hybrid"} >= {"random-0", "random-1"}


def test_a_file_says_what_it_is():
    cell = all_cells()[0]
    assert cell.file == Path("rich/direct-single-en-all-seed0.json")
    told = cell.describe("trial", {"source": 5})
    assert (told["study"], told["sizes"], told["system"]) == ("trial", {"source": 5}, "direct")
