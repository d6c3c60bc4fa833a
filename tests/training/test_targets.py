import numpy as np
import pytest
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_xner.errors import XnerError
from spacy_xner.labels import iob2_tags
from spacy_xner.silver import Silver, write_silver
from spacy_xner.training.targets import label_names, targets

LABELS = ["LOC", "PER"]
TAGS = iob2_tags(LABELS)


def gold(words, tags, spaces=None):
    return Doc(Vocab(), words=words, ents=tags, spaces=spaces)


def example(reference, words=None, spaces=None):
    words = words or [t.text for t in reference]
    spaces = spaces or [bool(t.whitespace_) for t in reference]
    return Example(Doc(reference.vocab, words=words, spaces=spaces), reference)


def names(distribution):
    """The certain tag of each row."""
    assert distribution.max(axis=1).tolist() == [1.0] * len(distribution)
    return [TAGS[i] for i in distribution.argmax(axis=1)]


def silver(words, rows, weights=None, *, labels=LABELS, doc_weight=1.0):
    doc = Doc(Vocab(), words=words)
    weights = np.ones(len(doc)) if weights is None else np.array(weights)
    write_silver(doc, Silver(tuple(labels), np.array(rows), weights, doc_weight, {"a": 1.0}))
    return doc


def test_gold_entities():
    doc = gold(["Ana", "Lima", "left", "Rio", "Lagos"], ["B-PER", "I-PER", "O", "B-LOC", "B-LOC"])
    distribution, weights = targets(example(doc), LABELS, {})
    assert names(distribution) == ["B-PER", "I-PER", "O", "B-LOC", "B-LOC"]
    assert weights.tolist() == [1] * 5


def test_label_map_and_unknown_labels():
    doc = gold(["a", "b", "c", "d"], ["B-PERSON", "I-PERSON", "B-DATE", "B-MISC"])
    distribution, weights = targets(example(doc), LABELS, {"PERSON": "PER", "DATE": ""})
    assert names(distribution) == ["B-PER", "I-PER", "O", "O"]
    assert weights.tolist() == [1] * 4


def test_missing_tokens_weigh_nothing():
    doc = gold(["a", "b", "c", "d"], ["O"] * 4)
    doc.set_ents([Span(doc, 0, 1, "PER")], missing=[doc[2:3]], default="outside")
    distribution, weights = targets(example(doc), LABELS, {})
    assert names(distribution) == ["B-PER", "O", "O", "O"]
    assert weights.tolist() == [1, 1, 0, 1]


def test_no_annotation_at_all_teaches_nothing():
    doc = Doc(Vocab(), words=["a", "b"])
    for words in (None, ["a", "b"], ["a b"]):
        eg = example(doc, words, [False] * len(words) if words == ["a b"] else None)
        assert not targets(eg, LABELS, {})[1].any()


def test_blocked_tokens_are_outside():
    doc = Doc(Vocab(), words=["a", "b"])
    doc.set_ents([], blocked=[doc[0:1]], default="outside")
    distribution, weights = targets(example(doc), LABELS, {})
    assert names(distribution) == ["O", "O"]
    assert weights.tolist() == [1, 1]


def test_gold_in_other_tokens():
    doc = gold(
        ["Ana", "Lima", "left", "."], ["B-PER", "I-PER", "O", "O"], [True, True, False, False]
    )
    distribution, weights = targets(
        example(doc, ["A", "na", "Lima", "left."], [0, 1, 1, 0]), LABELS, {}
    )
    assert names(distribution)[:3] == ["B-PER", "I-PER", "I-PER"]
    assert weights[:3].tolist() == [1, 1, 1]


def test_silver_rows_and_weights():
    rows = [[0.2, 0.2, 0.2, 0.2, 0.2], [0.0, 0.6, 0.4, 0.0, 0.0]]
    doc = silver(["a", "b"], rows, [1.0, 0.4], doc_weight=0.5)
    distribution, weights = targets(example(doc), LABELS, {})
    assert distribution == pytest.approx(np.array(rows), abs=1 / 255)
    assert weights == pytest.approx([0.5, 0.2])


def test_silver_goes_before_gold():
    doc = silver(["a"], [[0.0, 1.0, 0.0, 0.0, 0.0]])
    doc.set_ents([Span(doc, 0, 1, "PER")])
    assert names(targets(example(doc), LABELS, {})[0]) == ["B-LOC"]
    assert label_names(example(doc)) == {"LOC", "PER"}


def test_silver_columns_are_moved_by_name():
    doc = silver(["a"], [[0.0, 0.0, 0.0, 0.4, 0.0, 0.6, 0.0]], labels=["ORG", "HUMAN", "LOC"])
    distribution, _ = targets(example(doc), LABELS, {"ORG": "", "HUMAN": "PER"})
    assert distribution == pytest.approx(np.array([[0.0, 0.6, 0.0, 0.4, 0.0]]))


def test_silver_that_lacks_a_class_is_unknown_outside():
    """Its O may be a class that nobody looked for: the weight is 1 - p(O)."""
    rows = [[1.0, 0.0, 0.0], [0.4, 0.6, 0.0], [0.0, 0.0, 1.0]]
    doc = silver(["a", "b", "c"], rows, [1.0, 0.5, 1.0], labels=["PER"], doc_weight=0.5)
    distribution, weights = targets(example(doc), LABELS, {})
    expected = [[1.0, 0, 0, 0, 0], [0.4, 0, 0, 0.6, 0], [0, 0, 0, 0, 1.0]]
    assert distribution == pytest.approx(np.array(expected), abs=1 / 255)
    assert weights == pytest.approx([0.0, 0.25 * 0.6, 0.5], abs=1 / 255)
    assert weights[0] == 0.0
    complete = silver(["a"], [[0.4, 0.0, 0.0, 0.6, 0.0]])
    assert targets(example(complete), LABELS, {})[1].tolist() == [1.0]


def test_a_class_that_the_map_drops_from_silver_is_not_one_too_few():
    """All of the component's classes are there; what is dropped adds to O."""
    doc = silver(["a"], [[0.4, 0.2, 0.0, 0.4, 0.0, 0.0, 0.0]], labels=["LOC", "ORG", "PER"])
    distribution, weights = targets(example(doc), LABELS, {"ORG": ""})
    assert distribution == pytest.approx(np.array([[0.8, 0.2, 0, 0, 0]]), abs=1 / 255)
    assert weights.tolist() == [1.0]


def test_silver_with_a_class_too_many():
    doc = silver(["a"], [[1.0, 0.0, 0.0]], labels=["ORG"])
    with pytest.raises(XnerError, match="X305.*ORG.*'tagger'.*label_map"):
        targets(example(doc), LABELS, {}, name="tagger")


def test_silver_in_other_tokens():
    rows = [[0.0, 0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0]]
    doc = silver(["Ana", "left"], rows, [0.6, 0.2])
    eg = example(doc, ["A", "na", "left"], [False, True, True])
    distribution, weights = targets(eg, LABELS, {})
    assert names(distribution) == ["B-PER", "I-PER", "O"]
    assert weights == pytest.approx(np.full(3, 0.4))


def test_documents_without_tokens():
    for doc in (Doc(Vocab()), silver([], np.zeros((0, 5)))):
        distribution, weights = targets(example(doc), LABELS, {})
        assert (distribution.shape, weights.shape) == ((0, 5), (0,))


def test_label_names():
    assert label_names(example(gold(["a", "b"], ["B-X", "B-Y"]))) == {"X", "Y"}
    assert label_names(example(gold(["a"], ["O"]))) == set()
