from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_xner.decode import (
    FLOOR,
    MAX_BATCH,
    decode,
    forward_backward,
    pad,
    span_probability,
    token_marginals,
    transitions,
    viterbi,
)
from spacy_xner.errors import XnerError
from spacy_xner.labels import iob2_tags, tags_to_entities


def brute_force(probs, labels):
    """All valid tag sequences of one document with their probabilities."""
    tags = iob2_tags(labels)
    probs = np.maximum(probs, FLOOR)
    found = {}
    for sequence in product(range(len(tags)), repeat=len(probs)):
        names = [tags[i] for i in sequence]
        pairs = zip(["O", *names], names, strict=False)
        if all(b[0] != "I" or a in (f"B{b[1:]}", f"I{b[1:]}") for a, b in pairs):
            found[sequence] = float(np.prod(probs[range(len(probs)), sequence]))
    total = sum(found.values())
    return {sequence: value / total for sequence, value in found.items()}


@st.composite
def documents(draw, *, tokens=st.integers(1, 5), labels=st.integers(1, 2)):
    """Label names and one document's distribution, zeros and certainties included."""
    n_tokens, names = draw(tokens), ["A", "B"][: draw(labels)]
    row = st.lists(st.integers(0, 9), min_size=len(names) * 2 + 1, max_size=len(names) * 2 + 1)
    rows = [draw(row.filter(any)) for _ in range(n_tokens)]
    array = np.array(rows, dtype=float).reshape(n_tokens, 2 * len(names) + 1)
    return names, array / array.sum(axis=1, keepdims=True)


@settings(max_examples=60, deadline=None)
@given(documents())
def test_everything_equals_brute_force(case):
    labels, probs = case
    sequences = brute_force(probs, labels)
    batch = pad([probs])

    path = tuple(viterbi(batch)[0].tolist())
    assert sequences[path] == pytest.approx(max(sequences.values()))

    marginals = np.zeros_like(probs)
    spans: dict = {}
    tags = iob2_tags(labels)
    for sequence, value in sequences.items():
        marginals[range(len(probs)), sequence] += value
        for entity in tags_to_entities([tags[i] for i in sequence]):
            spans[entity] = spans.get(entity, 0.0) + value
    assert token_marginals([probs])[0] == pytest.approx(marginals, abs=1e-9)

    rows = [array[0] for array in (batch, *forward_backward(batch))]
    for (start, end, label), expected in spans.items():
        column = tags.index(f"B-{label}")
        assert span_probability(*rows, start, end, column) == pytest.approx(expected, abs=1e-9)

    (entities,) = decode([probs], labels)
    assert [entity[:3] for entity in entities] == tags_to_entities([tags[i] for i in path])
    for entity in entities:
        assert entity.score == pytest.approx(spans[entity[:3]], abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(documents(tokens=st.integers(1, 30)))
def test_marginals_sum_to_one_and_scores_are_probabilities(case):
    labels, probs = case
    assert token_marginals([probs])[0].sum(axis=1) == pytest.approx(np.ones(len(probs)))
    (entities,) = decode([probs], labels)
    end = 0
    for entity in entities:
        assert 0.0 <= entity.score <= 1.0
        assert end <= entity.start < entity.end <= len(probs)
        end = entity.end


@settings(max_examples=30, deadline=None)
@given(st.lists(documents(tokens=st.integers(0, 25), labels=st.just(2)), max_size=6))
def test_padding_and_batching_change_nothing(cases):
    docs = [probs for _, probs in cases]
    together = decode(docs, ["A", "B"])
    alone = [decode([probs], ["A", "B"])[0] for probs in docs]
    assert [[e[:3] for e in doc] for doc in together] == [[e[:3] for e in doc] for doc in alone]
    for a, b in zip(together, alone, strict=True):
        assert [e.score for e in a] == pytest.approx([e.score for e in b])


def test_more_documents_than_a_batch_holds():
    random = np.random.default_rng(0)
    lengths = [*range(40), *[3] * (MAX_BATCH + 50), 500]
    docs = [random.dirichlet(np.full(5, 0.3), size=n).reshape(n, 5) for n in lengths]
    for probs, entities in zip(docs, decode(docs, ["A", "B"]), strict=True):
        (alone,) = decode([probs], ["A", "B"])
        assert [e[:3] for e in entities] == [e[:3] for e in alone]
        assert [e.score for e in entities] == pytest.approx([e.score for e in alone])


def test_transitions():
    allowed = transitions(2)
    tags = iob2_tags(["A", "B"])
    pairs = {(tags[i], tags[j]) for i, j in zip(*np.nonzero(~allowed), strict=True)}
    assert pairs == {
        *((tag, "I-A") for tag in ("O", "B-B", "I-B")),
        *((tag, "I-B") for tag in ("O", "B-A", "I-A")),
    }


def test_an_entity_cannot_begin_with_inside():
    # The most probable tags one by one would be I-A I-A; the constraint turns the first into B-A.
    probs = np.array([[0.1, 0.3, 0.6], [0.1, 0.1, 0.8]])
    ((entity,),) = decode([probs], ["A"])
    assert entity[:3] == (0, 2, "A")


def test_documents_without_tokens():
    assert decode([], ["A"]) == []
    assert decode([np.zeros((0, 3))], ["A"]) == [[]]
    certain = np.array([[0.0, 1.0, 0.0]])
    first, second, third = decode([np.zeros((0, 3)), certain, np.zeros((0, 3))], ["A"])
    assert (first, third) == ([], [])
    assert second[0][:3] == (0, 1, "A")
    assert [len(rows) for rows in token_marginals([np.zeros((0, 3)), certain])] == [0, 1]


def test_a_long_document_stays_finite():
    probs = np.tile([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.2, 0.3, 0.5]], (2000, 1))
    (entities,) = decode([probs], ["A"])
    assert entities
    assert np.isfinite([entity.score for entity in entities]).all()
    assert np.isfinite(token_marginals([probs])[0]).all()


@pytest.mark.parametrize("shape", [(4, 4), (4,), (0, 2), (1, 4, 5)])
def test_wrong_shapes(shape):
    with pytest.raises(XnerError, match="X003"):
        decode([np.ones((1, 5)) / 5, np.ones(shape)], ["A", "B"])
