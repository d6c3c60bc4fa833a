import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from spacy.tokens import Doc
from spacy.training import Corpus
from spacy.vocab import Vocab

from spacy_xner.decode import ScoredEntity
from spacy_xner.errors import XnerError
from spacy_xner.shards import read_docs, write_docs
from spacy_xner.silver import (
    KEY,
    VERSION,
    Silver,
    has_silver,
    read_silver,
    set_hard_reading,
    slice_silver,
    write_silver,
)


def make_doc(n_tokens):
    return Doc(Vocab(), words=[f"w{i}" for i in range(n_tokens)])


def make_annotations(n_tokens, labels=("LOC", "ORG", "PER"), seed=0):
    random = np.random.default_rng(seed)
    return Silver(
        tuple(labels),
        random.dirichlet(np.full(1 + 2 * len(labels), 0.3), size=n_tokens),
        random.random(n_tokens),
        0.75,
        {"english": 0.75, "swahili": 0.25},
    )


@pytest.mark.parametrize("n_tokens", [0, 1, 50])
def test_round_trip_on_disk(tmp_path, n_tokens):
    doc, silver = make_doc(n_tokens), make_annotations(n_tokens)
    assert not has_silver(doc)
    write_silver(doc, silver)
    path = tmp_path / "silver.spacy"
    write_docs(path, [doc, make_doc(3)])
    first, second = read_docs(path, Vocab())
    assert has_silver(first)
    assert not has_silver(second)
    found = read_silver(first)
    assert found.labels == silver.labels
    assert found.distribution.shape == (n_tokens, 7)
    assert found.distribution == pytest.approx(silver.distribution, abs=1 / 255)
    assert found.token_weights == pytest.approx(silver.token_weights, abs=0.51 / 255)
    assert (found.doc_weight, found.teacher_weights) == (0.75, silver.teacher_weights)


@settings(max_examples=100, deadline=None)
@given(arrays(float, (3, 9), elements=st.integers(0, 1000).map(float)))
def test_rounding_moves_no_probability_by_more_than_one_level(counts):
    counts[:, 0] += 1
    rows = counts / counts.sum(axis=1, keepdims=True)
    doc = make_doc(3)
    write_silver(doc, Silver(("A", "B", "C", "D"), rows, np.ones(3), 1.0, {}))
    found = read_silver(doc).distribution
    assert found.sum(axis=1) == pytest.approx(np.ones(3))
    assert found == pytest.approx(rows, abs=1 / 255)


def test_many_small_probabilities_add_up():
    # Each of the small ones is rounded up to a whole level: they must not crowd out the large one.
    rows = np.full((1, 9), 0.51 / 255)
    rows[0, 0] = 1.0 - rows[0, 1:].sum()
    doc = make_doc(1)
    write_silver(doc, Silver(("A", "B", "C", "D"), rows, np.ones(1), 1.0, {}))
    assert read_silver(doc).distribution == pytest.approx(rows, abs=1 / 255)


def test_one_byte_a_probability():
    doc = make_doc(10)
    write_silver(doc, make_annotations(10))
    assert len(doc.user_data[KEY]["distribution"]) == 70
    assert len(doc.user_data[KEY]["token_weights"]) == 10


@pytest.mark.parametrize(
    "change",
    [
        {"distribution": np.ones((5, 7)) / 7},
        {"distribution": np.ones((4, 5)) / 5},
        {"distribution": np.ones(28)},
        {"token_weights": np.ones(5)},
        {"token_weights": np.ones((4, 1))},
    ],
)
def test_wrong_shapes_are_not_written(change):
    doc = make_doc(4)
    with pytest.raises(XnerError, match="X003"):
        write_silver(doc, make_annotations(4)._replace(**change))
    assert not has_silver(doc)


def remove(key):
    return lambda data: {k: v for k, v in data.items() if k != key}


def put(**changes):
    return lambda data: {**data, **changes}


DAMAGE = {
    "not a mapping": lambda data: [1, 2],
    "nothing": lambda data: None,
    "a version that is text": put(version="1"),
    **{f"no {key}": remove(key) for key in ("version", "labels", "distribution")},
    **{f"no {key}": remove(key) for key in ("token_weights", "doc_weight", "teachers")},
    "no teacher_weights": remove("teacher_weights"),
    "a distribution too short": lambda data: {**data, "distribution": data["distribution"][:-1]},
    "a row too few": lambda data: {**data, "distribution": data["distribution"][7:]},
    "no bytes": put(distribution=[0.1] * 28),
    "text for bytes": put(distribution="x" * 28),
    "a zero row": lambda data: {**data, "distribution": bytes(7) + data["distribution"][7:]},
    "weights too long": lambda data: {**data, "token_weights": data["token_weights"] + b"\0"},
    "labels too many": put(labels=["A", "B", "C", "D"]),
    "labels that are a number": put(labels=3),
    "a doc weight that is text": put(doc_weight="much"),
    "no doc weight": put(doc_weight=None),
    "a doc weight that is no number": put(doc_weight=float("nan")),
    "an infinite doc weight": put(doc_weight=float("inf")),
    "a negative doc weight": put(doc_weight=-0.5),
    "a teacher too many": put(teachers=["a", "b", "c"]),
    "teacher weights that are text": put(teacher_weights=["a", "b"]),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_annotations(damage):
    doc = make_doc(4)
    write_silver(doc, make_annotations(4))
    doc.user_data[KEY] = damage(doc.user_data[KEY])
    with pytest.raises(XnerError, match="X005.*annotate"):
        read_silver(doc)


def test_annotations_of_another_document():
    short, long = make_doc(3), make_doc(4)
    write_silver(short, make_annotations(3))
    long.user_data[KEY] = short.user_data[KEY]
    with pytest.raises(XnerError, match="X005"):
        read_silver(long)


def test_a_newer_version():
    doc = make_doc(2)
    doc.user_data[KEY] = {"version": VERSION + 1, "shape": "unheard of"}
    with pytest.raises(XnerError, match=f"X004.*version {VERSION + 1}.*at most version {VERSION}"):
        read_silver(doc)


def test_slices():
    silver = make_annotations(10)
    part = slice_silver(silver, 3, 7)
    assert np.array_equal(part.distribution, silver.distribution[3:7])
    assert np.array_equal(part.token_weights, silver.token_weights[3:7])
    assert part.teacher_weights == silver.teacher_weights


def test_hard_reading():
    doc = make_doc(8)
    entities = [ScoredEntity(1, 3, "PER", 0.9), ScoredEntity(4, 6, "LOC", 0.4)]
    confidence = np.array([0.95, 0.45, 0.9, 0.3, 0.9, 0.9, 0.9, 0.5])
    set_hard_reading(doc, entities, confidence, threshold=0.5)
    # A sure entity counts as a whole; an unsure one, and an unsure token outside, are missing.
    assert [token.ent_iob_ for token in doc] == ["O", "B", "I", "", "", "", "O", "O"]
    assert [(ent.start, ent.end, ent.label_) for ent in doc.ents] == [(1, 3, "PER")]
    group = doc.spans["silver"]
    assert [(s.start, s.end, s.label_) for s in group] == [(1, 3, "PER"), (4, 6, "LOC")]
    assert group.attrs["scores"] == [0.9, 0.4]


@pytest.mark.parametrize(
    ("threshold", "iob"), [(0.0, ["B", "O"]), (0.9, ["B", ""]), (1.0, ["", ""])]
)
def test_thresholds(threshold, iob):
    doc = make_doc(2)
    entities = [ScoredEntity(0, 1, "PER", 0.95)]
    set_hard_reading(doc, entities, np.array([0.95, 0.8]), threshold=threshold)
    assert [token.ent_iob_ for token in doc] == iob


def test_hard_reading_replaces_an_earlier_one_and_takes_empty_documents():
    doc = make_doc(2)
    set_hard_reading(doc, [ScoredEntity(0, 2, "PER", 1.0)], np.ones(2), threshold=0.5)
    set_hard_reading(doc, [], np.ones(2), threshold=0.5)
    assert (doc.ents, len(doc.spans["silver"])) == ((), 0)
    empty = make_doc(0)
    set_hard_reading(empty, [], np.zeros(0), threshold=0.5)
    assert len(empty.spans["silver"]) == 0


def test_stock_ner_learns_from_the_same_file(tmp_path, gold_docs, make_silver):
    path = tmp_path / "silver.spacy"
    write_docs(path, [make_silver(doc) for doc in gold_docs])
    nlp = spacy.blank("xx")
    nlp.add_pipe("ner")
    examples = list(Corpus(path)(nlp))
    optimizer = nlp.initialize(lambda: examples)
    assert set(nlp.get_pipe("ner").labels) == {"LOC", "PER"}
    losses = [nlp.update(examples, sgd=optimizer)["ner"] for _ in range(20)]
    assert losses[-1] < losses[0] / 2
