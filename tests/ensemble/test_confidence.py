import numpy as np
import pytest
import spacy
from handmade import HandTeacher, votes
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_xner.ensemble.confidence import (
    agreements,
    confidences,
    document_means,
    make_agreement_weights,
    make_confidence_weights,
    normalise,
)
from spacy_xner.ensemble.pooling import linear_pool
from spacy_xner.errors import XnerError
from spacy_xner.pipeline.teacher_ensemble import TeacherEnsemble
from spacy_xner.silver import read_silver

# Teacher a is sure, b is not; c says something else.
A, B, C = [0.8, 0.1, 0.1], [0.4, 0.4, 0.2], [0.1, 0.9, 0.0]
MAKERS = [
    make_confidence_weights(),
    make_confidence_weights(level="sentence"),
    make_agreement_weights(),
    make_agreement_weights(level="sentence"),
]


def test_confidence_by_hand():
    found = make_confidence_weights()([], votes([[A], [B]]))
    assert np.allclose(found, [[0.64 / 0.80, 0.16 / 0.80]])
    found = make_confidence_weights(power=1)([], votes([[A], [B]]))
    assert np.allclose(found, [[0.8 / 1.2, 0.4 / 1.2]])
    assert (make_confidence_weights(power=0)([], votes([[A], [B]])) == 0.5).all()


def test_confidence_on_the_sentence_level_is_the_mean_over_tokens():
    two = votes([[A, B], [B, B]])
    found = make_confidence_weights(level="sentence")([], two)
    mean = (0.64 + 0.16) / 2
    assert np.allclose(found, [[mean / (mean + 0.16), 0.16 / (mean + 0.16)]] * 2)


def test_agreement_by_hand():
    # 1 - TV: a, b 0.6; a, c 0.2; b, c 0.5
    assert np.allclose(agreements(np.array([[A], [B], [C]])), [[0.4, 0.55, 0.35]])
    found = make_agreement_weights()([], votes([[A], [B], [C]]))
    assert np.allclose(found, np.array([[0.4, 0.55, 0.35]]) / 1.3)


def test_the_odd_one_out_is_heard_least():
    found = make_agreement_weights()([], votes([[A], [A], [C]]))
    assert found[0, 0] == found[0, 1] > found[0, 2]


def test_teachers_who_rule_each_other_out_are_heard_alike():
    found = make_agreement_weights()([], votes([[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]]))
    assert (found == 0.5).all()


@pytest.mark.parametrize("weigh", MAKERS)
def test_one_teacher_and_no_tokens(weigh):
    assert (weigh([], votes([[A, B]])) == 1.0).all()
    assert weigh([], votes(np.zeros((3, 0, 3)))).shape == (0, 3)
    nothing = votes(np.zeros((2, 0, 3)))._replace(lengths=())
    assert weigh([], nothing).shape == (0, 2)


def test_documents_are_kept_apart_also_empty_ones():
    three = votes([[A, A, B], [B, C, B]])._replace(lengths=(0, 1, 0, 2, 0))
    found = make_confidence_weights(level="sentence")([], three)
    assert np.allclose(found[0], [0.64 / 0.80, 0.16 / 0.80])
    assert np.allclose(found[1], np.array([0.40, (0.81 + 0.16) / 2]) / (0.40 + 0.97 / 2))
    assert (found[1] == found[2]).all()
    assert np.allclose(
        document_means(np.array([[1.0], [2.0], [4.0]]), (0, 1, 0, 2, 0)).T, [[1, 3, 3]]
    )


def test_an_untaught_class_is_no_certainty_and_no_disagreement():
    # DATE and PER; teacher b was never taught DATE, and its O means "O or a date".
    date = [0.1, 0.9, 0.0, 0.0, 0.0]
    taught = [[True] * 5, [True, False, False, True, True]]
    two = votes([[date], [[1.0, 0.0, 0.0, 0.0, 0.0]]], taught=taught)
    assert np.allclose(make_agreement_weights()([], two), 0.5)
    assert np.allclose(make_confidence_weights()([], two), 0.5)


def test_rows_without_a_voice_become_uniform():
    assert np.allclose(normalise(np.array([[0.0, 0.0], [1.0, 3.0]])), [[0.5, 0.5], [0.25, 0.75]])
    found = make_confidence_weights(power=5000)([], votes([[B], [B]]))
    assert (found == 0.5).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.lists(st.integers(0, 4), min_size=1, max_size=4), st.integers(0, 99))
def test_rows_sum_to_one_and_follow_the_teachers(n_teachers, lengths, seed):
    random = np.random.default_rng(seed)
    probs = random.dirichlet(np.full(5, 0.3), size=(n_teachers, sum(lengths)))
    found = votes(probs)._replace(lengths=tuple(lengths))
    order = random.permutation(n_teachers)
    turned = found._replace(probs=probs[order])
    for weigh in MAKERS:
        rows = weigh([], found)
        assert rows.shape == (sum(lengths), n_teachers)
        assert (rows >= 0).all()
        assert np.allclose(rows.sum(axis=1), 1.0)
        assert np.allclose(weigh([], turned), rows[:, order])
    assert ((agreements(probs) >= 0) & (agreements(probs) <= 1)).all()
    assert (confidences(probs) <= 1 + 1e-9).all()


@pytest.mark.parametrize("power", [-1.0, float("inf"), float("nan")])
def test_impossible_powers(power):
    with pytest.raises(XnerError, match=r"X308.*power"):
        make_confidence_weights(power=power)


@pytest.mark.parametrize("make", [make_confidence_weights, make_agreement_weights])
def test_unknown_levels(make):
    with pytest.raises(XnerError, match=r"X308.*level.*'document'"):
        make(level="document")


@pytest.mark.parametrize("weigh", MAKERS)
def test_in_an_ensemble(weigh):
    nlp = spacy.blank("xx")
    teachers = {
        "sure": HandTeacher({"Lagos": {"B-LOC": 0.98}}),
        "also": HandTeacher({"Lagos": {"B-LOC": 0.90}}),
        "odd": HandTeacher({"Lagos": {"B-PER": 0.60}}),
    }
    ensemble = TeacherEnsemble(
        nlp.vocab, teachers=teachers, labels=("LOC", "PER"), weights=weigh, pool=linear_pool
    )
    doc, empty = ensemble.pipe([nlp("Lagos"), nlp("")])
    heard = read_silver(doc).teacher_weights
    assert heard["sure"] > heard["odd"]
    assert heard["also"] > heard["odd"]
    assert [ent.label_ for ent in doc.ents] == ["LOC"]
    assert len(empty) == 0
