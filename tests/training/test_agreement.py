import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span, SpanGroup
from spacy.vocab import Vocab

from spacy_xner.errors import XnerError
from spacy_xner.ml.losses import soft_cross_entropy
from spacy_xner.shards import write_docs
from spacy_xner.silver import Silver, read_silver, write_silver
from spacy_xner.training.agreement import add_agreement, agreed_tags, sharpen
from spacy_xner.training.corpus import make_silver_corpus

LABELS = ("LOC", "PER")


def voted(length, votes, *, untaught=None, weights=None):
    """A silver document, O everywhere with 0.6, whose teachers say {name: [(start, end, label)]}"""
    doc = Doc(Vocab(), words=[f"w{i}" for i in range(length)])
    rows = np.full((length, 5), 0.1)
    rows[:, 0] = 0.6
    weights = np.ones(length) if weights is None else np.array(weights)
    write_silver(doc, Silver(LABELS, rows, weights, 0.5, dict.fromkeys(votes, 0.5)))
    for name, entities in votes.items():
        spans = [Span(doc, start, end, label=label) for start, end, label in entities]
        attrs = {"scores": [1.0] * len(spans), "untaught": (untaught or {}).get(name, [])}
        doc.spans[f"silver/{name}"] = SpanGroup(doc, name=name, spans=spans, attrs=attrs)
    return doc


def test_agreed_tags():
    votes = [[0, 0, 0], [3, 3, 3], [3, 4, 3], [0, -1, 0], [3, -1, 0], [-1, 2, -1], [-1, -1, -1]]
    assert agreed_tags(np.array(votes)).tolist() == [0, 3, -1, 0, -1, -1, -1]
    assert agreed_tags(np.zeros((2, 1), int)).tolist() == [-1, -1]  # one alone agrees with nobody
    assert agreed_tags(np.zeros((2, 0), int)).tolist() == [-1, -1]
    assert agreed_tags(np.zeros((0, 3), int)).tolist() == []


def test_targets_and_weights_by_hand():
    rows, weights = add_agreement(
        np.array([[0.4, 0.6, 0.0], [0.5, 0.5, 0.0]]), np.array([1, -1]), np.array([0.8, 0.8]), 3.0
    )
    assert rows.tolist() == [[0.1, 0.9, 0.0], [0.5, 0.5, 0.0]]
    assert weights.tolist() == [0.8, 0.2]


@given(st.integers(0, 10**6), st.floats(0.0, 20.0))
def test_one_target_is_worth_the_sum_of_both_losses(seed, strength):
    """w CE(q, p) + w strength CE(e, p), for loss and gradient, divided by 1 + strength."""
    random = np.random.default_rng(seed)
    logits, q = random.normal(size=(6, 5)) * 3, random.dirichlet(np.full(5, 0.5), size=6)
    agreed, weights = random.integers(-1, 5, size=6), random.uniform(0.05, 1.0, size=6)
    one_hot = np.eye(5)[np.maximum(agreed, 0)]
    first, d_first = soft_cross_entropy(logits, q, weights)
    # Tokens without an agreed tag add nothing to the second mean, which is over all six as well.
    known = agreed >= 0
    second, d_second = soft_cross_entropy(logits, one_hot, weights * known)
    second, d_second = second * known.sum() / 6, d_second * known.sum() / 6
    rows, new = add_agreement(q, agreed, weights, strength)
    loss, gradient = soft_cross_entropy(logits, rows, new)
    assert loss * (1 + strength) == pytest.approx(first + strength * second)
    assert gradient * (1 + strength) == pytest.approx(d_first + strength * d_second)
    assert rows.sum(axis=1) == pytest.approx(np.ones(6))
    assert ((new > 0) & (new <= weights)).all()


def test_no_strength_changes_nothing():
    q, weights = np.array([[0.4, 0.6, 0.0]]), np.array([0.7])
    rows, new = add_agreement(q, np.array([1]), weights, 0.0)
    assert (rows == q).all() and (new == weights).all()


def test_a_document_is_sharpened_by_its_votes():
    votes = {"a": [(0, 2, "PER"), (3, 4, "LOC")], "b": [(0, 2, "PER")], "c": [(0, 1, "PER")]}
    doc = voted(4, votes, weights=[1.0, 1.0, 0.4, 1.0])
    found = sharpen(doc, read_silver(doc), 1.0)
    assert found.distribution[0] == pytest.approx([0.3, 0.05, 0.05, 0.55, 0.05], abs=0.002)
    assert found.distribution[1] == pytest.approx([0.6, 0.1, 0.1, 0.1, 0.1], abs=0.002)
    assert found.distribution[2] == pytest.approx([0.8, 0.05, 0.05, 0.05, 0.05], abs=0.002)
    assert found.token_weights == pytest.approx([1.0, 0.5, 0.4, 0.5], abs=0.005)
    assert found.doc_weight == 0.5


def test_a_teacher_without_a_class_does_not_disagree_about_it():
    votes = {"a": [(0, 1, "PER")], "b": [(0, 1, "PER")], "c": []}
    denied = voted(2, votes)
    silent = voted(2, votes, untaught={"c": ["PER"]})
    one, other = (sharpen(doc, read_silver(doc), 1.0) for doc in (denied, silent))
    assert one.token_weights.tolist() == [0.5, 1.0]
    assert other.token_weights.tolist() == [1.0, 1.0]
    assert other.distribution[0].argmax() == 3


# The reader


def read(path, nlp, **settings):
    return [eg.reference for eg in make_silver_corpus(path, **settings)(nlp)]


@pytest.fixture
def nlp():
    import spacy

    return spacy.blank("xx")


def test_the_votes_follow_the_pieces(tmp_path, nlp):
    """A cut through an entity takes nothing from the tokens on both sides."""
    votes = {name: [(1, 9, "PER")] for name in "ab"}
    write_docs(tmp_path / "a.spacy", [voted(10, votes), voted(3, {"a": [], "b": []})])
    whole = read(tmp_path / "a.spacy", nlp, agreement=1.0)
    pieces = read(tmp_path / "a.spacy", nlp, agreement=1.0, max_length=5)
    assert [len(doc) for doc in pieces] == [5, 5, 3]
    rows = [np.concatenate([read_silver(d).distribution for d in docs]) for docs in (whole, pieces)]
    assert rows[0] == pytest.approx(rows[1])
    assert rows[0][:10].argmax(axis=1).tolist() == [0, 3, *[4] * 7, 0]


def test_agreement_goes_with_the_other_settings(tmp_path, nlp):
    votes = {"a": [(0, 1, "PER")], "b": []}
    write_docs(tmp_path / "a.spacy", [voted(2, votes), voted(2, votes), Doc(Vocab(), words=["x"])])
    first, gold = read(
        tmp_path / "a.spacy", nlp, agreement=3.0, weight_by_confidence=True, min_confidence=0.5
    )[::2]
    silver = read_silver(first)
    # Whether a document is confident is asked of the ensemble's own distribution.
    assert silver.doc_weight == pytest.approx(0.3, abs=0.002)
    assert silver.token_weights == pytest.approx([0.25, 1.0], abs=0.002)
    assert silver.distribution[1, 0] == pytest.approx(0.9, abs=0.005)
    assert "xner" not in gold.user_data
    assert len(read(tmp_path / "a.spacy", nlp, agreement=3.0, limit=1)) == 1


def test_silver_without_votes(tmp_path, nlp):
    write_docs(tmp_path / "a.spacy", [voted(2, {"a": [], "b": []}), voted(2, {})])
    assert len(read(tmp_path / "a.spacy", nlp)) == 2
    assert len(read(tmp_path / "a.spacy", nlp, agreement=0.5, limit=1)) == 1
    with pytest.raises(XnerError, match=r"X316.*document 2 of '.*a\.spacy'.*agreement = 0\.5"):
        read(tmp_path / "a.spacy", nlp, agreement=0.5)


@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan")])
def test_agreement_out_of_range(tmp_path, value):
    with pytest.raises(XnerError, match="X308.*agreement"):
        make_silver_corpus(tmp_path, agreement=value)
