"""The ensemble's second answer: how alike the evaluators of its teachers find two words."""

import numpy as np
import pytest
import spacy
from handmade import (
    HandTeacher,
    PairTeacher,
    add_ensemble,
    evaluator_pipeline,
    save_ruler,
    span_teacher,
    xner_pipeline,
    xner_teacher,
)
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc

from spacy_xner.ensemble.build import build_ensemble, save_ensemble
from spacy_xner.errors import XnerError
from spacy_xner.pipeline.find import find_evaluator
from spacy_xner.silver import read_silver
from spacy_xner.teachers.cached import CachedTeacher
from spacy_xner.teachers.pipeline import make_xner_teacher

TEXT = "Ana met Bob in Lagos"
KNOWS = {"Ana": {"B-PER": 0.9}, "Lagos": {"B-LOC": 0.8}}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipelines")
    xner_pipeline().to_disk(folder / "tagger")
    evaluator_pipeline().to_disk(folder / "evaluator")
    # Both in one pipeline: the evaluator comes in with its own encoder.
    both = xner_pipeline()
    both.add_pipe("similarity_evaluator", source=evaluator_pipeline())
    both.to_disk(folder / "both")
    save_ruler(folder / "names", {"Ana": "PER", "Lagos": "LOC"})
    return {name: str(folder / name) for name in ("tagger", "evaluator", "both", "names")}


def ensemble(teachers, **settings):
    nlp = spacy.blank("xx")
    add_ensemble(nlp, {}, keep_similarity=True, **settings).teachers.update(teachers)
    return nlp


def cosines(doc):
    rows = read_silver(doc).similarity
    return rows @ rows.T


def test_pooled_by_the_weights_of_the_ensemble():
    a = PairTeacher(KNOWS, {"Ana": [1, 0], "Bob": [0.6, 0.8], "met": [0, 1]})
    b = PairTeacher(KNOWS, {"Ana": [1, 0, 0], "Bob": [1, 0, 0], "met": [-1, 0, 0]})
    weights = {"@misc": "spacy-xner.FixedWeights.v1", "weights": {"a": 0.6, "b": 0.3, "c": 0.1}}
    doc = ensemble({"a": a, "b": b, "c": HandTeacher(KNOWS)}, weights=weights)(TEXT)
    found = cosines(doc)
    assert read_silver(doc).similarity.shape == (5, 5)
    # The third has no evaluator: 2/3 and 1/3. Ana-Bob, Ana-met; "in" is known to nobody.
    assert found[0, 2] == pytest.approx(2 / 3 * 0.6 + 1 / 3, abs=0.01)
    assert found[0, 1] == pytest.approx(-1 / 3, abs=0.01)
    assert not found[3].any()
    assert_allclose(np.diag(found)[:3], 1.0, atol=0.02)


def test_off_by_default_and_then_nobody_is_asked():
    teacher = PairTeacher(KNOWS, {"Ana": [1, 0]})
    teacher.vectors = None
    nlp = spacy.blank("xx")
    add_ensemble(nlp, {}).teachers["a"] = teacher
    plain = nlp(TEXT)
    assert read_silver(plain).similarity is None
    other = spacy.blank("xx")
    add_ensemble(other, {}).teachers["a"] = HandTeacher(KNOWS)
    assert other(TEXT).to_bytes() == plain.to_bytes()


def test_batches_and_empty_documents():
    teachers = {"a": PairTeacher(KNOWS, {"Ana": [1.0, 0.0], "Lagos": [0.0, 1.0]})}
    texts = [TEXT, "", "Lagos", "", "Ana Lagos"]
    alone = [cosines(ensemble(teachers)(text)) for text in texts]
    for doc, expected in zip(ensemble(teachers).pipe(texts, batch_size=3), alone, strict=True):
        assert_array_equal(cosines(doc), expected)
        assert len(expected) == len(doc)


@pytest.mark.parametrize("how", ["beside", "inside", "span"])
def test_evaluators_of_pipelines(folders, how):
    """The vectors are those of the evaluator itself, wherever it is."""
    blocks = {
        "beside": xner_teacher(folders["tagger"], evaluator=folders["evaluator"]),
        "inside": xner_teacher(folders["both"]),
        "span": span_teacher(folders["names"], tokens="target", evaluator=folders["evaluator"]),
    }
    nlp = spacy.blank("xx")
    pipe = add_ensemble(nlp, {"a": blocks[how]}, keep_similarity=True)
    doc = nlp(TEXT)
    lone = evaluator_pipeline()
    (rows,) = find_evaluator(lone).predict([lone.make_doc(TEXT)])
    assert_allclose(read_silver(doc).similarity, rows, atol=0.5 / 127 + 1e-6)
    assert ("evaluator" in pipe.teachers["a"].specification()) == (how != "inside")


def test_raw_text_is_aligned(folders):
    nlp = spacy.blank("xx")
    blocks = {"a": xner_teacher(folders["both"], tokens="teacher")}
    add_ensemble(nlp, blocks, keep_similarity=True)
    doc = nlp(Doc(nlp.vocab, words=["Ana", "met", "Bob", "in", "Lagos!"]))
    assert read_silver(doc).similarity.shape == (5, 4)
    assert np.linalg.norm(read_silver(doc).similarity, axis=1) == pytest.approx(
        np.ones(5), abs=0.02
    )


def test_nobody_has_an_evaluator(folders):
    nlp = ensemble({"a": HandTeacher(KNOWS)})
    with pytest.raises(XnerError, match=r"X440.*\['a'\].*evaluator"):
        nlp(TEXT)
    nlp = spacy.blank("xx")
    add_ensemble(nlp, {"a": xner_teacher(folders["tagger"])}, keep_similarity=True)
    with pytest.raises(XnerError, match="X440"):
        nlp(TEXT)


def test_a_pipeline_that_is_no_evaluator(folders, tmp_path):
    wrong = {"tagger": "X441.*'xner'", "gone": r"X401.*'a'.*gone"}
    for name, message in wrong.items():
        path = folders.get(name, str(tmp_path / name))
        nlp = spacy.blank("xx")
        block = xner_teacher(folders["tagger"], evaluator=path)
        add_ensemble(nlp, {"a": block}, keep_similarity=True)
        with pytest.raises(XnerError, match=message):
            nlp(TEXT)


@pytest.mark.parametrize(
    "answer",
    [
        lambda docs: [np.zeros((len(doc) + 1, 2)) for doc in docs],
        lambda docs: [np.zeros((len(doc), 2 + i)) for i, doc in enumerate(docs)],
    ],
)
def test_vectors_of_a_wrong_shape(answer):
    teacher = PairTeacher(KNOWS, {"Ana": [1, 0]})
    nlp = ensemble({"a": teacher})
    nlp(TEXT)
    teacher.vectors = answer
    with pytest.raises(XnerError, match="X442.*'a'"):
        list(nlp.pipe([TEXT, "Ana"]))


def test_saved_moved_and_changed(folders, tmp_path, monkeypatch):
    """Evaluators move along with teachers, and one that was trained again is noticed."""
    (tmp_path / "old").mkdir()
    monkeypatch.chdir(tmp_path / "old")
    xner_pipeline().to_disk("teacher_en")
    evaluator_pipeline().to_disk("evaluator_en")
    nlp = spacy.blank("xx")
    block = xner_teacher("teacher_en", evaluator="evaluator_en")
    add_ensemble(nlp, {"en": block}, keep_similarity=True)
    expected = nlp(TEXT)
    nlp.to_disk("ensemble")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old").rename(tmp_path / "new")
    assert spacy.load("new/ensemble")(TEXT).to_bytes() == expected.to_bytes()
    evaluator_pipeline(seed=1).to_disk("new/evaluator_en")
    with pytest.raises(XnerError, match="X406.*'en'"):
        spacy.load("new/ensemble")(TEXT)


def test_built_with_evaluators(folders, tmp_path):
    from handmade import ENSEMBLE

    (tmp_path / "e.cfg").write_text(ENSEMBLE, encoding="utf8")
    paths = {"a": folders["tagger"], "b": folders["both"]}
    evaluators = {"a": folders["evaluator"]}
    nlp = build_ensemble(tmp_path / "e.cfg", paths, evaluators=evaluators, keep_similarity=True)
    save_ensemble(nlp, tmp_path / "saved")
    doc = spacy.load(tmp_path / "saved")(TEXT)
    assert read_silver(doc).similarity.shape == (5, 8)
    plain = build_ensemble(tmp_path / "e.cfg", paths)
    assert read_silver(plain(TEXT)).similarity is None


# Answers kept on disk


def test_cached_vectors(folders, tmp_path):
    teacher = make_xner_teacher(folders["tagger"], evaluator=folders["evaluator"])
    asked = []
    teacher.load()
    ask = teacher.vectors
    teacher.vectors = lambda docs: asked.append(len(docs)) or ask(docs)
    nlp = spacy.blank("xx")
    docs = [nlp.make_doc(text) for text in (TEXT, "", "Lagos is big")]
    exact = ask(docs)
    for _ in range(2):
        cached = CachedTeacher(teacher, tmp_path)
        for rows, expected in zip(cached.vectors(docs), exact, strict=True):
            assert rows.shape == expected.shape
            assert_allclose(rows, expected, atol=0.5 / 127 + 1e-9)
        # Vectors are no distributions, and the other way about.
        assert [rows.shape[1] for rows in cached.distributions(docs)] == [5, 5, 5]
    assert asked == [3]
    assert CachedTeacher(teacher, tmp_path).has_evaluator
    assert not CachedTeacher(HandTeacher(KNOWS), tmp_path).has_evaluator


def test_silver_is_the_same_from_the_cache(folders, tmp_path):
    """One byte a component in the cache and in the silver: rounded once or twice is the same."""
    teacher = make_xner_teacher(folders["tagger"], evaluator=folders["evaluator"])
    direct = read_silver(ensemble({"a": teacher})(TEXT)).similarity
    for _ in range(2):
        cached = CachedTeacher(teacher, tmp_path)
        assert_array_equal(read_silver(ensemble({"a": cached})(TEXT)).similarity, direct)


def test_an_evaluator_does_not_make_known_distributions_unknown(folders, tmp_path):
    nlp = spacy.blank("xx")
    doc = nlp.make_doc(TEXT)
    CachedTeacher(make_xner_teacher(folders["tagger"]), tmp_path).distributions([doc])
    later = make_xner_teacher(folders["tagger"], evaluator=folders["evaluator"])
    later.distributions = None
    CachedTeacher(later, tmp_path).distributions([doc])
    # Another evaluator's vectors are others.
    CachedTeacher(later, tmp_path).vectors([doc])
    other = make_xner_teacher(folders["both"])
    other.load()
    calls = []
    ask = other.vectors
    other.vectors = lambda docs: calls.append(docs) or ask(docs)
    CachedTeacher(other, tmp_path).vectors([doc])
    assert calls


def test_damaged_vectors_are_refused(folders, tmp_path):
    teacher = make_xner_teacher(folders["both"])
    cached = CachedTeacher(teacher, tmp_path)
    doc = spacy.blank("xx").make_doc(TEXT)
    cached.vectors([doc])
    with cached._database as database:
        database.execute("UPDATE answers SET probs = substr(probs, 1, 7)")
    with pytest.raises(XnerError, match="X414.*7 bytes for 5 tokens"):
        cached.vectors([doc])
