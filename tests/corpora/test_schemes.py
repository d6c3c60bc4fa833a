import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xner.corpora.schemes import STRAY, parse_tag, to_iob2
from spacy_xner.errors import XnerError
from spacy_xner.labels import entities_to_tags, tags_to_entities


@st.composite
def sentences(draw):
    """Length and entities of a sentence; neighbours of the same label are common."""
    entities, position = [], 0
    for gap, width, label in draw(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(["PER", "LOC", "O"]))
        )
    ):
        start = position + gap
        position = start + width
        entities.append((start, position, label))
    return position + draw(st.integers(0, 2)), entities


def write(length, entities, scheme):
    tags = ["O"] * length
    for n, (start, end, label) in enumerate(entities):
        adjacent = n > 0 and entities[n - 1][1:] == (start, label)
        begin, inside, last, single = {
            "IOB1": ("B" if adjacent else "I", "I", "I", "B" if adjacent else "I"),
            "IOB2": ("B", "I", "I", "B"),
            "BIOES": ("B", "I", "E", "S"),
            "BILUO": ("B", "I", "L", "U"),
        }[scheme]
        for i in range(start, end):
            prefix = begin if i == start else last if i == end - 1 else inside
            tags[i] = f"{single if end - start == 1 else prefix}-{label}"
    return tags


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "BIOES", "BILUO"])
@given(sentence=sentences())
def test_every_scheme_gives_the_same_entities(scheme, sentence):
    length, entities = sentence
    tags, _ = to_iob2(write(length, entities, scheme))
    assert tags_to_entities(tags) == entities
    assert tags == entities_to_tags(length, entities)


@given(sentence=sentences())
def test_strict_iob2_is_untouched(sentence):
    tags = write(*sentence, "IOB2")
    assert to_iob2(tags) == (tags, {})


@given(st.lists(st.sampled_from(["O", *(f"{p}-{x}" for p in "BIESLU" for x in ("A", "B-C"))])))
def test_any_sequence_becomes_strict_and_stays_so(tags):
    fixed, _ = to_iob2(tags)
    assert to_iob2(fixed) == (fixed, {})
    assert [parse_tag(tag)[1] for tag in fixed] == [parse_tag(tag)[1] for tag in tags]


def test_repairs_are_counted_by_kind():
    tags, repaired = to_iob2(["I-PER", "I-LOC", "I-LOC", "O", "S-PER", "B-LOC", "E-LOC", "I-LOC"])
    assert tags == ["B-PER", "B-LOC", "I-LOC", "O", "B-PER", "B-LOC", "I-LOC", "B-LOC"]
    assert repaired == {STRAY: 3, "S-": 1, "E-": 1}


@pytest.mark.parametrize("tag", ["", "o", "B", "B-", "B_PER", "X-PER", "PER", "-"])
def test_unknown_forms_are_refused(tag):
    with pytest.raises(XnerError, match="X214"):
        to_iob2([tag])
