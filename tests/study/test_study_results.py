import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_cells import SIZES, TARGETS, counts, payload, write

from spacy_xner.errors import XnerError
from spacy_xner.study.results import canonical, decode_digits, read_cell, read_cells
from spacy_xner.study.score import pack_counts


def spoilt(tmp_path, change, system="weighted"):
    """A result file in which something was changed."""
    found = payload(system)
    change(found)
    path = tmp_path / "cell.json"
    path.write_text(json.dumps(found), encoding="utf8")
    return path


@given(st.lists(st.tuples(*[st.integers(0, 60)] * 3), min_size=1, max_size=30))
def test_counts_come_back_up_to_the_largest_digit(rows):
    packed = pack_counts(np.array(rows))
    back = np.array([decode_digits(packed[name]) for name in ("right", "found", "gold")]).T
    assert back.tolist() == np.minimum(rows, 35).tolist()


@pytest.mark.parametrize("text", ["A", "-", "1 2", "٣"])
def test_other_characters_are_no_digits(text):
    with pytest.raises(ValueError, match="no digit"):
        decode_digits(text)


def test_a_cell_is_read(tmp_path):
    cell = read_cell(spoilt(tmp_path, lambda found: None))
    assert (cell.system, cell.targets, cell.sizes) == ("weighted", TARGETS, SIZES)
    assert cell.counts["hau"].tolist() == counts(0.5, seed=100).tolist()
    assert cell.slices["class"]["PER"] == [5, 8, 9]
    assert cell.ranking == {}


def test_a_ranking_has_no_scores(tmp_path):
    cell = read_cell(spoilt(tmp_path, lambda found: None, "ranking"))
    assert cell.scores == cell.counts == {}
    assert cell.ranking["amh"]["es"] == 0.6


def test_what_may_be_absent(tmp_path):
    def change(found):
        for name in ("calibration", "slices", "weights", "cost", "provenance"):
            del found[name]
        found["scores"]["amh"]["ece"] = None

    cell = read_cell(spoilt(tmp_path, change))
    assert cell.calibration == []
    assert cell.slices == cell.weights == cell.cost == {}
    assert cell.scores["amh"]["ece"] is None


@pytest.mark.parametrize(
    "path",
    ["format", "key", "cell", "scores", "counts", "cell.system", "cell.targets", "cell.seed"]
    + ["cell.sizes", "cell.study", "scores.hau", "counts.hau", "scores.hau.f1", "counts.hau.gold"],
)
def test_a_missing_field_is_named(tmp_path, path):
    *parents, last = path.split(".")

    def change(found):
        for name in parents:
            found = found[name]
        del found[last]

    with pytest.raises(XnerError, match=rf"X802.*'{last}'.*cell\.json"):
        read_cell(spoilt(tmp_path, change))


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"format": NaN}', '{"a": "\\ud800"}', "[" * 9999]
)
def test_damaged_json(tmp_path, text):
    (tmp_path / "cell.json").write_text(text)
    with pytest.raises(XnerError, match="X809"):
        read_cell(tmp_path / "cell.json")


def test_another_format(tmp_path):
    with pytest.raises(XnerError, match=r"X803.* 2 .*expected 1"):
        read_cell(spoilt(tmp_path, lambda found: found.update(format=2)))


WRONG = {
    "system": lambda x: x["cell"].update(system="magic"),
    "no targets": lambda x: x["cell"].update(targets=[]),
    "a target twice": lambda x: x["cell"].update(targets=["amh", "amh"]),
    "target is a number": lambda x: x["cell"].update(targets=[1]),
    "sizes": lambda x: x["cell"].update(sizes=[1]),
    "f1": lambda x: x["scores"]["amh"].update(f1=1.5),
    "f1 is text": lambda x: x["scores"]["amh"].update(f1="0.5"),
    "digits": lambda x: x["counts"]["amh"].update(right="!" * 30),
    "lengths": lambda x: x["counts"]["amh"].update(gold="2"),
    "no sentence": lambda x: x["counts"].update(amh={"right": "", "found": "", "gold": ""}),
    "too many right": lambda x: x["counts"]["amh"].update(right="9" * 30),
    "bins": lambda x: x.update(calibration=[[1, 2, 3]]),
    "bins are text": lambda x: x.update(calibration="abc"),
    "slice": lambda x: x["slices"]["class"].update(PER=[1, 2]),
    "slices": lambda x: x.update(slices={"class": 3}),
    "weights": lambda x: x.update(weights={"amh": {"en": None}}),
    "cost": lambda x: x.update(cost={"train_seconds": -1}),
    "provenance": lambda x: x.update(provenance="here"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_wrong_value(tmp_path, change):
    with pytest.raises(XnerError, match=r"X804.*cell\.json"):
        read_cell(spoilt(tmp_path, change))


def test_folders_are_searched_and_hidden_files_passed_over(tmp_path):
    write(tmp_path, payload("weighted"), payload("weighted", setting="family"))
    (tmp_path / "rich" / ".half.json").write_text("{")
    assert [cell.setting for cell in read_cells(tmp_path)] == ["family", "rich"]


def test_no_folder_and_no_cell(tmp_path):
    with pytest.raises(XnerError, match="X601"):
        read_cells(tmp_path / "nowhere")
    with pytest.raises(XnerError, match="X805"):
        read_cells(tmp_path)


def test_the_same_cell_twice(tmp_path):
    write(tmp_path, payload("weighted"), payload("weighted"))
    assert len(read_cells(tmp_path)) == 1
    write(tmp_path, {**payload("weighted"), "key": "other"})
    with pytest.raises(XnerError, match=r"X806.*0000\.json.*0002\.json"):
        read_cells(tmp_path)


def test_other_test_sentences(tmp_path):
    write(tmp_path, payload("weighted"), payload("uniform", sentences=31))
    with pytest.raises(XnerError, match="X807.*'amh'"):
        read_cells(tmp_path)


def test_other_sizes_may_have_other_sentences(tmp_path):
    more = payload("uniform", sentences=31, sizes={**SIZES, "test": 31})
    assert len(read_cells(write(tmp_path, payload("weighted"), more))) == 2


def test_the_order_of_keys_does_not_matter():
    assert canonical({"a": 1, "b": ("x",)}) == canonical({"b": ["x"], "a": 1})
