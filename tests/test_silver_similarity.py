"""The similarity vectors in silver annotations: kept, cut, carried along, and checked."""

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc, SpanGroup
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_xner.aggregate import aggregate
from spacy_xner.align import project_vectors
from spacy_xner.errors import XnerError
from spacy_xner.rounds import mix
from spacy_xner.shards import read_docs, write_docs
from spacy_xner.silver import KEY, VERSION, Silver, read_silver, slice_silver, write_silver
from spacy_xner.training.agreement import sharpen
from spacy_xner.training.corpus import make_silver_corpus, split_doc
from spacy_xner.training.pair_task import evaluator_vectors


def units(tokens, width, seed=0):
    rows = np.random.default_rng(seed).normal(size=(tokens, width))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def docs(gold_docs, make_silver):
    """Silver documents with similarity and the votes of two teachers."""
    found = [make_silver(doc) for doc in gold_docs]
    for i, doc in enumerate(found):
        rows = units(len(doc), 6, seed=i)
        write_silver(doc, read_silver(doc)._replace(similarity=rows))
        for name in "ab":
            doc.spans[f"silver/{name}"] = SpanGroup(doc, name=name, spans=list(doc.ents))
    return found


def similarity(doc):
    return read_silver(doc).similarity


@given(st.integers(1, 8), st.integers(1, 40), st.integers(0, 100))
def test_cosines_come_back(tokens, width, seed):
    doc = Doc(Vocab(), words=["x"] * tokens)
    rows = units(tokens, width, seed)
    tags = np.tile([1.0, 0.0, 0.0], (tokens, 1))
    write_silver(doc, Silver(("PER",), tags, np.ones(tokens), 1.0, {}, rows))
    found = similarity(doc)
    # Half a step in each component, along and across.
    assert np.abs(found - rows).max() <= 0.5 / 127 + 1e-12
    assert np.abs(found @ found.T - rows @ rows.T).max() <= np.sqrt(width) / 127 + width / 254**2
    write_silver(doc, read_silver(doc))
    assert_array_equal(similarity(doc), found)


def test_without_similarity_nothing_is_written(gold_docs, make_silver):
    doc = make_silver(gold_docs[0])
    assert not [key for key in doc.user_data[KEY] if "similarity" in key]
    assert similarity(doc) is None
    assert slice_silver(read_silver(doc), 0, 2).similarity is None


def test_the_key_is_optional_and_the_version_stays(docs):
    """A reader that does not know the key reads the same document (docs/silver-format.md)."""
    data = docs[0].user_data[KEY]
    assert data["version"] == VERSION == 1
    assert len(data["similarity"]) == len(docs[0]) * data["similarity_width"] == len(docs[0]) * 6
    before = read_silver(docs[0])
    del data["similarity"], data["similarity_width"]
    after = read_silver(docs[0])
    assert_array_equal(after.distribution, before.distribution)
    assert after.similarity is None and before.similarity is not None


@pytest.mark.parametrize(
    "damage",
    [
        {"similarity": b"123"},
        {"similarity_width": None},
        {"similarity_width": 7},
        {"similarity": 5},
    ],
)
def test_damage_is_noticed(docs, damage):
    docs[0].user_data[KEY] |= damage
    with pytest.raises(XnerError, match="X005"):
        read_silver(docs[0])


def test_rows_must_be_as_many_as_tokens(docs):
    silver = read_silver(docs[0])
    with pytest.raises(XnerError, match="X003"):
        write_silver(docs[0], silver._replace(similarity=units(len(docs[0]) + 1, 6)))


def test_files_and_cut_documents_keep_it(docs, tmp_path):
    write_docs(tmp_path / "a.spacy", docs)
    expected = np.concatenate([similarity(doc) for doc in docs])
    read = list(read_docs(tmp_path / "a.spacy", Vocab()))
    assert_array_equal(np.concatenate([similarity(doc) for doc in read]), expected)
    pieces = [piece for doc in read for piece in split_doc(doc, 3)]
    assert max(map(len, pieces)) == 3
    assert_array_equal(np.concatenate([similarity(doc) for doc in pieces]), expected)
    for settings in ({"max_length": 4}, {"agreement": 0.5}, {"weight_by_confidence": True}):
        examples = list(make_silver_corpus(tmp_path / "a.spacy", **settings)(spacy.blank("xx")))
        assert_array_equal(evaluator_vectors(examples), expected)


def test_changed_annotations_keep_it(docs, tmp_path):
    """Aggregation, agreement, neighbours and rounds change other parts."""
    (tmp_path / "in").mkdir()
    write_docs(tmp_path / "in" / "a.spacy", docs)
    aggregate(tmp_path / "in", tmp_path / "out")
    expected = [similarity(doc) for doc in docs]
    for doc, rows in zip(read_docs(tmp_path / "out", Vocab()), expected, strict=True):
        assert_array_equal(similarity(doc), rows)
    silver = read_silver(docs[0])
    assert_array_equal(sharpen(docs[0], silver, 0.5).similarity, expected[0])
    assert_array_equal(mix(silver, silver.distribution, 0.5).similarity, expected[0])
    lighter = silver._replace(token_weights=silver.token_weights * 0.5)
    write_silver(docs[0], lighter)
    assert_array_equal(similarity(docs[0]), expected[0])


def test_vectors_follow_other_tokens():
    vocab = Vocab()
    source = Doc(vocab, words=["New", "York", "rocks", "!"], spaces=[True, True, False, False])
    target = Doc(vocab, words=["New", "Yo", "rk", "rocks!"], spaces=[True, False, True, False])
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.8, 0.6]])
    found = project_vectors(rows, source, target)
    merged = np.array([1.4, 1.4]) / np.sqrt(2 * 1.4**2)
    assert_allclose(found, [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], merged])
    assert project_vectors(rows, source, source) is rows
    with pytest.raises(XnerError, match="X405"):
        project_vectors(rows, source, Doc(vocab, words=["Other"]))
    opposite = project_vectors(
        np.array([[1.0], [-1.0]]),
        Doc(vocab, words=["a", "b"], spaces=[False, False]),
        Doc(vocab, words=["ab"]),
    )
    assert_allclose(opposite, [[0.0]])


def test_what_a_student_asks_for(docs, gold_docs, make_silver):
    def example(doc):
        return Example(Doc(doc.vocab, words=[t.text for t in doc]), doc)

    expected = np.concatenate([similarity(doc) for doc in docs[:2]])
    assert_array_equal(evaluator_vectors([example(doc) for doc in docs[:2]]), expected)
    for doc in (gold_docs[0], make_silver(gold_docs[0])):
        with pytest.raises(XnerError, match="X320.*Amina lives.*keep_similarity"):
            evaluator_vectors([example(docs[0]), example(doc)])
    other = make_silver(gold_docs[0])
    write_silver(other, read_silver(other)._replace(similarity=units(len(other), 3)))
    with pytest.raises(XnerError, match=r"X321.*\[3, 6\]"):
        evaluator_vectors([example(docs[0]), example(other)])
