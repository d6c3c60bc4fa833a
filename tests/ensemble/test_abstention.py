"""A teacher that abstains on a document: as if it had not been there."""

import numpy as np
import pytest
import spacy
from handmade import HandTeacher, votes
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xner.aggregate import Method, aggregate, aggregate_votes, corpus_votes, read_votes
from spacy_xner.ensemble.confidence import make_agreement_weights, make_confidence_weights
from spacy_xner.ensemble.pooling import linear_pool, log_linear_pool
from spacy_xner.ensemble.votes import Votes, choose, fill_unheard, leave_out_silent
from spacy_xner.ensemble.weights import make_fixed_weights, make_uniform_weights
from spacy_xner.errors import XnerError
from spacy_xner.evaluation.pools import Combination, combine, heat
from spacy_xner.evaluation.systems import systems_from_votes
from spacy_xner.inspect import describe
from spacy_xner.pipeline.teacher_ensemble import TeacherEnsemble
from spacy_xner.shards import read_docs, write_docs
from spacy_xner.silver import read_silver
from spacy_xner.teachers.base import abstains
from spacy_xner.training.corpus import make_silver_corpus

WEIGHTS = {
    "uniform": make_uniform_weights(),
    "confidence": make_confidence_weights(),
    "confidence of sentences": make_confidence_weights(level="sentence"),
    "agreement": make_agreement_weights(),
    "agreement of sentences": make_agreement_weights(level="sentence"),
}
POOLS = {"linear": linear_pool, "log-linear": log_linear_pool}
LABELS = ("LOC", "PER")
LENGTHS = (2, 0, 3)
TEXTS = [["Ana", "left"], [], ["Bob", "saw", "Lagos"]]


def make_docs(vocab=None):
    return [Doc(vocab or Vocab(), words=words) for words in TEXTS]


def pooled(opinion, weigh, pool):
    """What the ensemble writes, before it is rounded: distributions and weights."""
    from spacy_xner.ensemble.votes import fill_untaught

    weights = leave_out_silent(weigh(make_docs(), opinion), opinion)
    return fill_unheard(pool(fill_untaught(opinion, weights), weights), weights), weights


@st.composite
def opinions(draw):
    """Votes of three teachers who may not have been taught everything, on three documents."""
    raw = draw(arrays(float, (3, 5, 5), elements=st.integers(0, 9).map(float)))
    raw[:, :, 0] += 1.0
    known = draw(arrays(bool, (3, 2)))
    taught = np.column_stack([np.ones(3, bool), np.repeat(known, 2, axis=1)])
    raw *= taught[:, None, :]
    probs = raw / raw.sum(axis=2, keepdims=True)
    return Votes(("a", "b", "c"), LABELS, probs, taught, LENGTHS)


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
@pytest.mark.parametrize("weigh", WEIGHTS.values(), ids=WEIGHTS)
@given(opinion=opinions(), silent=st.integers(0, 2))
def test_the_pool_is_that_of_the_others(opinion, silent, weigh, pool):
    """On the second document with tokens one abstains; on the first all are heard."""
    heard = opinion.probs.copy()
    heard[silent, 2:] = 0.0
    found, weights = pooled(opinion._replace(probs=heard), weigh, pool)
    others = choose(opinion, [n for i, n in enumerate(opinion.names) if i != silent])
    without, expected = pooled(others, weigh, pool)
    everyone, _ = pooled(opinion, weigh, pool)
    np.testing.assert_allclose(found[2:], without[2:], atol=1e-9)
    np.testing.assert_allclose(found[:2], everyone[:2], atol=1e-9)
    assert (weights[2:, silent] == 0).all()
    np.testing.assert_allclose(np.delete(weights[2:], silent, axis=1), expected[2:], atol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_fixed_weights_are_shared_among_those_who_speak():
    opinion = votes([[[0.2, 0.8, 0]], [[0, 0, 0]], [[0.6, 0.4, 0]]])
    weigh = make_fixed_weights({"a": 1, "b": 5, "c": 3})
    weights = leave_out_silent(weigh([], opinion), opinion)
    np.testing.assert_allclose(weights, [[0.25, 0, 0.75]])
    np.testing.assert_allclose(linear_pool(opinion.probs, weights), [[0.5, 0.5, 0]])


def test_nobody_is_heard_where_those_who_speak_have_no_weight():
    opinion = votes([[[0.2, 0.8, 0]], [[0, 0, 0]]])
    weights = leave_out_silent(make_fixed_weights({"a": 0, "b": 1})([], opinion), opinion)
    assert not weights.any()
    np.testing.assert_allclose(fill_unheard(linear_pool(opinion.probs, weights), weights), 1 / 3)


def test_who_has_read_what():
    probs = np.full((2, 5, 5), 0.2)
    probs[1, :2] = 0.0
    opinion = Votes(("a", "b"), LABELS, probs, np.ones((2, 5), bool), LENGTHS)
    assert opinion.readers.tolist() == [[True, False], [True, True], [True, True]]
    assert opinion._replace(probs=probs[:, :0], lengths=()).readers.shape == (0, 2)
    assert leave_out_silent(opinion.heard / 2.0, opinion)[0].tolist() == [1.0, 0.0]


def test_abstaining_is_not_being_empty():
    assert abstains(np.zeros((2, 5)))
    assert not abstains(np.zeros((0, 5)))
    assert not abstains(np.full((2, 5), np.nan))


# In documents


class Moody(HandTeacher):
    """Says nothing of texts with certain words."""

    def __init__(self, knows, silent, **settings):
        super().__init__(knows, **settings)
        self.silent = silent

    def distributions(self, docs):
        found = super().distributions(docs)
        moody = [any(token.text in self.silent for token in doc) for doc in docs]
        return [np.zeros_like(x) if m else x for x, m in zip(found, moody, strict=True)]


def make_pipe(silent_a, silent_b, **settings):
    a = Moody({"Ana": {"B-PER": 0.9}, "Bob": {"B-PER": 0.8}}, silent_a)
    b = Moody({"Bob": {"B-PER": 0.6}, "Lagos": {"B-LOC": 0.9}}, silent_b)
    weigh = make_uniform_weights()
    return TeacherEnsemble(
        Vocab(),
        teachers={"a": a, "b": b},
        labels=LABELS,
        weights=weigh,
        pool=linear_pool,
        **settings,
    )


def annotated(pipe):
    docs = make_docs(pipe.vocab)
    return list(pipe.pipe(docs))


def test_one_abstains():
    ana, empty, bob = annotated(make_pipe(["Bob"], []))
    assert read_silver(ana).teacher_weights == {"a": 0.5, "b": 0.5}
    assert read_silver(bob).teacher_weights == {"a": 0.0, "b": 1.0}
    assert [(ent.text, ent.label_) for ent in bob.ents] == [("Bob", "PER"), ("Lagos", "LOC")]
    np.testing.assert_allclose(read_silver(bob).distribution[0, 3], 0.6, atol=1 / 255)
    assert (set(ana.spans), set(bob.spans)) == (
        {"silver", "silver/a", "silver/b"},
        {"silver", "silver/b"},
    )
    assert set(empty.spans) == {"silver", "silver/a", "silver/b"}
    assert read_silver(bob).doc_weight == read_silver(empty).doc_weight == 1.0


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_all_abstain(threshold, pool):
    pipe = make_pipe(["Bob"], ["Bob"], threshold=threshold)
    pipe.pool = pool
    ana, _, bob = annotated(pipe)
    silver = read_silver(bob)
    assert (silver.doc_weight, silver.token_weights.tolist()) == (0.0, [0.0] * 3)
    np.testing.assert_allclose(silver.distribution, 0.2, atol=1 / 255)
    assert silver.teacher_weights == {"a": 0.0, "b": 0.0}
    assert [token.ent_iob_ for token in bob] == [""] * 3
    assert list(bob.spans) == ["silver"] and not bob.spans["silver"]
    assert read_silver(ana).doc_weight == 1.0


@pytest.mark.parametrize("rows", [np.full((2, 5), np.nan), np.eye(2, 5), np.full((2, 5), 0.1)])
def test_zeros_at_some_tokens_are_still_an_error(rows):
    rows[1] = 0.0 if rows[1].sum() == 1 else rows[1]
    pipe = make_pipe([], [])
    pipe.teachers["a"].distributions = lambda docs: [rows]
    with pytest.raises(XnerError, match="X407"):
        pipe.predict(make_docs(pipe.vocab)[:1])


# In what reads silver annotations


def test_votes_are_the_same_before_and_after_they_are_written():
    pipe = make_pipe(["Bob"], [])
    docs = make_docs(pipe.vocab)
    asked = pipe.predict(docs)
    pipe.set_annotations(docs, asked)
    before, after = corpus_votes(asked), read_votes(docs)
    assert before.heard.tolist() == after.heard.tolist() == [[1, 1], [1, 1], [0, 1]]
    assert before.spans.tolist() == sorted(after.spans.tolist(), key=lambda x: (x[3], x[0]))


@pytest.mark.parametrize("method", Method)
def test_aggregators_leave_documents_alone_that_nobody_has_read(method, tmp_path):
    docs = annotated(make_pipe(["Bob"], ["Bob"])) + annotated(make_pipe(["Bob"], []))
    found = aggregate_votes(read_votes(docs), method=method)
    np.testing.assert_allclose(found.distribution.sum(axis=1), 1.0)
    (tmp_path / "in").mkdir()
    write_docs(tmp_path / "in" / "part-00000.spacy", docs)
    aggregate(tmp_path / "in", tmp_path / "out", method=method)
    result = list(read_docs(tmp_path / "out", Vocab()))
    silent, read = read_silver(result[2]), read_silver(result[5])
    assert (silent.doc_weight, read.doc_weight) == (0.0, 1.0)
    assert [token.ent_iob_ for token in result[2]] == [""] * 3
    assert read.teacher_weights == {"a": 0.0, "b": 1.0}


def test_documents_that_keep_no_votes_are_still_an_error():
    with pytest.raises(XnerError, match="X430"):
        read_votes(annotated(make_pipe([], [], keep_votes=False)))


def test_readers_and_reports_take_them(tmp_path):
    docs = annotated(make_pipe(["Bob"], ["Bob"]))
    write_docs(tmp_path / "silver.spacy", docs)
    found = describe(docs)
    assert found["docs"] == 3 and found["missing"] == pytest.approx(3 / 5)
    nlp = spacy.blank("xx")
    corpus = make_silver_corpus(str(tmp_path / "silver.spacy"), weight_by_confidence=True)
    assert [read_silver(eg.reference).doc_weight > 0 for eg in corpus(nlp)][-1] is False


def test_a_reader_that_sharpens_takes_them(tmp_path):
    write_docs(tmp_path / "silver.spacy", annotated(make_pipe(["Bob"], ["Bob"])))
    corpus = make_silver_corpus(str(tmp_path / "silver.spacy"), agreement=0.5)
    examples = list(corpus(spacy.blank("xx")))
    assert read_silver(examples[-1].reference).doc_weight == 0.0


def test_who_abstains_finds_nothing_in_an_evaluation():
    from spacy.training import Example

    docs = annotated(make_pipe(["Bob"], []))
    systems = systems_from_votes([Example(doc, doc.copy()) for doc in docs])
    assert [len(eg.x.ents) for eg in systems["a"]] == [1, 0, 0]
    assert [len(eg.x.ents) for eg in systems["b"]] == [0, 0, 2]


def test_other_ways_to_combine_leave_them_out():
    pipe = make_pipe(["Bob"], [])
    docs = make_docs(pipe.vocab)
    asked = pipe.predict(docs)
    pipe.set_annotations(docs, asked)
    expected = [[(s.start, s.end, s.label_) for s in doc.spans["silver"]] for doc in docs]
    found = combine(docs, asked, Combination(), asked)
    assert [[(e.start, e.end, e.label) for e in ents] for ents in found] == expected
    hot = heat(asked, [2.0, 2.0])
    assert np.isfinite(hot.probs).all()
    assert hot.heard.tolist() == asked.heard.tolist()
