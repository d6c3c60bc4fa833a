import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xner.errors import XnerError
from spacy_xner.labels import (
    check_label_map,
    entities_to_tags,
    iob2_tags,
    map_label,
    projection,
    split_tag,
    tags_to_entities,
)


def test_tags_of_labels():
    assert iob2_tags(["LOC", "PER"]) == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert iob2_tags([]) == ("O",)


def test_split_tag():
    assert split_tag("O") == ("O", "")
    assert split_tag("B-PER") == ("B", "PER")
    assert split_tag("I-WORK-OF-ART") == ("I", "WORK-OF-ART")


@pytest.mark.parametrize("tag", ["", "B", "B-", "I-", "b-PER", "L-PER", "PER", "O-PER", "o", "-"])
def test_other_tags_are_refused(tag):
    with pytest.raises(XnerError, match="X001"):
        split_tag(tag)
    with pytest.raises(XnerError, match="X001"):
        tags_to_entities(["O", tag])


@pytest.mark.parametrize(
    ("tags", "entities"),
    [
        ([], []),
        (["O", "O"], []),
        (["B-A"], [(0, 1, "A")]),
        (["B-A", "I-A", "B-A"], [(0, 2, "A"), (2, 3, "A")]),
        (["I-A", "O", "B-B"], [(2, 3, "B")]),
        (["B-A", "I-B", "I-A"], [(0, 1, "A")]),
        (["B-A", "O", "I-A"], [(0, 1, "A")]),
    ],
)
def test_entities_are_read_strictly(tags, entities):
    assert tags_to_entities(tags) == entities


@st.composite
def segmentations(draw):
    """A document's length and some of its segments, labelled."""
    sizes = draw(st.lists(st.integers(1, 4), max_size=6))
    ends = np.cumsum([0, *sizes]).tolist()
    labels = draw(st.lists(st.sampled_from(["", "A", "B"]), min_size=6, max_size=6))
    spans = zip(ends, ends[1:], labels, strict=False)
    return ends[-1], [span for span in spans if span[2]]


@given(segmentations())
def test_entities_survive_as_tags(case):
    length, entities = case
    tags = entities_to_tags(length, entities)
    assert len(tags) == length
    assert tags_to_entities(tags) == entities


def test_projection_sums_mass():
    matrix, taught = projection(
        ["PERSON", "CITY", "COUNTRY", "DATE"],
        ["LOC", "PER", "ORG"],
        {"PERSON": "PER", "CITY": "LOC", "COUNTRY": "LOC", "DATE": ""},
    )
    source = np.array([0.1, 0.2, 0.05, 0.15, 0.1, 0.2, 0.05, 0.1, 0.05])
    assert source @ matrix == pytest.approx([0.25, 0.35, 0.15, 0.2, 0.05, 0, 0])
    assert taught.tolist() == [True, True, True, True, True, False, False]


def test_projection_of_the_same_labels_is_the_identity():
    matrix, taught = projection(["A", "B"], ["A", "B"], {})
    assert np.array_equal(matrix, np.eye(5))
    assert taught.all()


def test_a_class_that_the_target_lacks_goes_to_outside():
    matrix, taught = projection(["A", "MISC"], ["A"], {})
    assert matrix[3:, 0].tolist() == [1, 1]
    assert taught.all()


@given(
    st.lists(st.sampled_from("ABCD"), unique=True),
    st.lists(st.sampled_from("ABCD"), unique=True, min_size=1),
)
def test_projection_loses_no_mass(source, target):
    matrix, _ = projection(source, target, {})
    assert matrix.sum(axis=1) == pytest.approx(np.ones(len(matrix)))


def test_label_map_to_an_unknown_class():
    with pytest.raises(XnerError, match="X002.*'PLACE'"):
        projection(["GPE"], ["LOC"], {"GPE": "PLACE"})
    check_label_map({"GPE": "LOC", "DATE": ""}, ["LOC"])


def test_a_map_for_all_other_labels():
    label_map = {"PERSON": "PER", "GPE": "ORG", "*": ""}
    assert [map_label(x, label_map) for x in ("PERSON", "GPE", "DATE")] == ["PER", "ORG", ""]
    assert map_label("DATE", {}) == "DATE"
    matrix, taught = projection(["PERSON", "ORG"], ["PER", "ORG"], label_map)
    assert matrix.argmax(axis=1).tolist() == [0, 1, 2, 0, 0]
    assert taught.tolist() == [True, True, True, False, False]
