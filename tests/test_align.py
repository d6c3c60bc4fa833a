import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xner.align import project_tokens
from spacy_xner.errors import XnerError
from spacy_xner.labels import iob2_tags, tags_to_entities

TAGS = iob2_tags(["LOC", "PER"])


def make_doc(tokens):
    """A document of tokens; a space at a token's end is the one that follows it."""
    words = [token[:-1] if token.endswith(" ") and len(token) > 1 else token for token in tokens]
    spaces = [len(word) < len(token) for word, token in zip(words, tokens, strict=True)]
    return Doc(Vocab(), words=words, spaces=spaces)


def one_hot(tags):
    return np.eye(len(TAGS))[[TAGS.index(tag) for tag in tags]]


# What one side calls one token and the other several. Expected: a tag, or several of equal mass.
MISMATCHES = {
    "identity": (["Ana ", "left"], "B-PER O", ["Ana ", "left"], "B-PER O"),
    "split": (["Dar-es ", "."], "B-LOC O", ["Dar", "-", "es ", "."], "B-LOC I-LOC I-LOC O"),
    "split inside": (["Ana ", "Lima"], "B-PER I-PER", ["Ana ", "Li", "ma"], "B-PER I-PER I-PER"),
    "merged": (["Dar", "-", "es"], "B-LOC I-LOC I-LOC", ["Dar-es"], "B-LOC"),
    "merged inside": (["A ", "b", "c"], "B-LOC I-LOC I-LOC", ["A ", "bc"], "B-LOC I-LOC"),
    "two entities merged": (["A", "b"], "B-LOC B-LOC", ["Ab"], "B-LOC"),
    "end and begin merged": (["A ", "b", "C"], "B-LOC I-LOC B-LOC", ["A ", "bC"], "B-LOC B-LOC"),
    "merged with outside": (["Ana", "'s"], "B-PER O", ["Ana's"], "B-PER"),
    "prefix": (["ku", "Goma"], "O B-LOC", ["kuGoma"], "B-LOC"),
    "shifted": (["ab", "cd"], "B-PER B-LOC", ["a", "bc", "d"], "B-PER I-PER/B-LOC I-LOC"),
    "shifted inside": (["ab", "cd"], "B-PER I-PER", ["a", "bc", "d"], "B-PER I-PER I-PER"),
    "contraction": (["do", "n't ", "go"], "O O O", ["don", "'t ", "go"], "O O O"),
    "elision": (["l'", "Ain"], "O B-LOC", ["l", "'", "Ain"], "O O B-LOC"),
    "emoji": (
        ["Ana", "\U0001f469\u200d\U0001f467 ", "Lima"],
        "B-PER O B-LOC",
        ["Ana", "\U0001f469", "\u200d", "\U0001f467 ", "Lima"],
        "B-PER O O O B-LOC",
    ),
    "flag": (["\U0001f1f0\U0001f1ea"], "B-LOC", ["\U0001f1f0", "\U0001f1ea"], "B-LOC I-LOC"),
    "right to left": (
        ["في ", "القاهرة"],
        "O B-LOC",
        ["في ", "ال", "قاهرة"],
        "O B-LOC I-LOC",
    ),
    "combining mark": (["Jose\u0301 ", "ran"], "B-PER O", ["Jose", "\u0301 ", "ran"],
                       "B-PER I-PER O"),
    "zero-width space": (["Ana\u200bLima"], "B-PER", ["Ana", "\u200b", "Lima"],
                         "B-PER I-PER I-PER"),
    "joined again": (["क्\u200d", "ष"], "B-LOC I-LOC", ["क्\u200dष"], "B-LOC"),
    "no spaces": (["北京", "天安门"], "B-LOC B-LOC", ["北", "京", "天安门"], "B-LOC I-LOC B-LOC"),
    "space token": (["Ana ", " ", "Lima"], "B-PER O B-LOC", ["Ana ", " Lima"], "B-PER B-LOC"),
    "trailing newline": (["Ana"], "B-PER", ["Ana", "\n"], "B-PER O"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISMATCHES.values(), ids=MISMATCHES)
def test_mismatches(case):
    source, source_tags, target, expected = case
    rows = project_tokens(one_hot(source_tags.split()), make_doc(source), make_doc(target))
    wanted = [one_hot(tags.split("/")).mean(axis=0) for tags in expected.split()]
    assert rows == pytest.approx(np.stack(wanted))


def test_uncertain_rows_keep_their_class_mass():
    source = np.array([[0.1, 0.4, 0.1, 0.3, 0.1]])
    first, second = project_tokens(source, make_doc(["ab"]), make_doc(["a", "b"]))
    assert first == pytest.approx(source[0])
    assert second == pytest.approx([0.1, 0.0, 0.5, 0.0, 0.4])


def test_a_doubt_beside_an_entity_does_not_cut_it():
    # "Greater London's": the clitic is almost surely outside, and what is left of it is all B.
    source = one_hot(["B-LOC", "I-LOC", "O"])
    source[2] = [0.98, 0.02, 0.0, 0.0, 0.0]
    tokens = make_doc(["Greater ", "London", "'s"]), make_doc(["Greater ", "London's"])
    merged = project_tokens(source, *tokens)[1]
    assert merged[2] > 0.9
    assert merged[1] < 0.05
    assert merged[0] == 0.0


def test_punctuation_does_not_outvote_the_name_it_is_glued_to():
    certain = 0.9 * one_hot(["O", "B-LOC", "O", "O"]) + 0.1 / 5
    merged = project_tokens(certain, make_doc(["(", "Mbeya", ")", "."]), make_doc(["(Mbeya)."]))[0]
    assert merged.argmax() == 1
    assert merged[0] == pytest.approx(certain[1, 0])


def test_documents_without_tokens():
    empty = make_doc([])
    assert project_tokens(np.zeros((0, 5)), empty, empty).shape == (0, 5)
    rows = project_tokens(np.zeros((0, 5)), empty, make_doc(["\n"]))
    assert rows.tolist() == [[1, 0, 0, 0, 0]]


def test_wrong_number_of_rows():
    doc = make_doc(["a ", "b"])
    with pytest.raises(XnerError, match="X003"):
        project_tokens(one_hot(["O"]), doc, doc)


def test_another_text():
    with pytest.raises(XnerError, match="X405.*'a b'.*'a bc'"):
        project_tokens(one_hot(["O", "O"]), make_doc(["a ", "b"]), make_doc(["a ", "bc"]))


TEXT = "Añu lívẽd in দিল্লি الرياض 北京 \U0001f469\u200d\U0001f467 o\u0301k"


@st.composite
def splittings(draw):
    """The text cut at random places."""
    cuts = sorted(draw(st.sets(st.integers(1, len(TEXT) - 1), max_size=14)))
    pieces = [TEXT[a:b] for a, b in zip([0, *cuts], [*cuts, len(TEXT)], strict=True)]
    return make_doc(pieces)


@settings(max_examples=80, deadline=None)
@given(splittings(), splittings(), st.integers(0, 1000))
def test_rows_sum_to_one_for_any_two_splittings(source, target, seed):
    rows = np.random.default_rng(seed).dirichlet(np.full(5, 0.5), size=len(source))
    result = project_tokens(rows, source, target)
    assert result.shape == (len(target), 5)
    assert result.sum(axis=1) == pytest.approx(np.ones(len(target)))
    assert (result >= 0).all()


@settings(max_examples=80, deadline=None)
@given(splittings(), st.data())
def test_splitting_tokens_further_keeps_entities(source, data):
    pieces = []
    for token in source:
        cut = data.draw(st.integers(0, len(token) - 1))
        parts = [token.text[:cut], token.text[cut:] + token.whitespace_]
        pieces += [part for part in parts if part]
    target = make_doc(pieces)
    tags, inside = [], []
    for _ in source:
        tags.append(data.draw(st.sampled_from(["O", "B-LOC", "B-PER", *inside])))
        inside = [] if tags[-1] == "O" else [f"I{tags[-1][1:]}"]
    rows = project_tokens(one_hot(tags), source, target)
    found = tags_to_entities([TAGS[i] for i in rows.argmax(axis=1)])
    assert characters(target, found) == characters(source, tags_to_entities(tags))


def characters(doc, entities):
    return [(doc[a].idx, doc[b - 1].idx + len(doc[b - 1]), label) for a, b, label in entities]
