import sqlite3

import numpy as np
import pytest
from handmade import ENSEMBLE, HandTeacher, save_ruler
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xner.annotate import run_key, run_parts
from spacy_xner.ensemble.build import build_ensemble
from spacy_xner.errors import XnerError
from spacy_xner.teachers.base import Teacher
from spacy_xner.teachers.cached import FILE, CachedTeacher, keep_answers, make_cached_teacher
from spacy_xner.teachers.pipeline import make_span_teacher

KNOWS = {"Ana": {"B-PER": 0.7}, "Lagos": {"B-LOC": 1 / 3}}


def doc(*words, spaces=None):
    return Doc(Vocab(), words=list(words), spaces=spaces)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def test_the_teacher_is_asked_once(folder):
    hand = HandTeacher(KNOWS)
    teacher = CachedTeacher(hand, folder)
    assert isinstance(teacher, Teacher)
    docs = [doc("Ana", "sleeps"), doc("Lagos"), doc("Ana", "sleeps"), doc()]
    first = teacher.distributions(docs)
    assert hand.calls == [["Ana sleeps ", "Lagos ", ""]]
    again = CachedTeacher(hand, folder).distributions([doc("Yes"), *docs])
    assert hand.calls[1:] == [["Yes "]]
    for a, b in zip(first, again[1:], strict=True):
        assert a.dtype == np.float64
        np.testing.assert_array_equal(a, b)


def test_answers_are_right_to_three_digits(folder):
    docs = [doc("Ana", "saw", "Lagos")]
    (plain,), (kept,) = (
        teacher.distributions(docs)
        for teacher in (HandTeacher(KNOWS), CachedTeacher(HandTeacher(KNOWS), folder))
    )
    np.testing.assert_allclose(kept, plain, atol=5e-4)
    np.testing.assert_allclose(kept.sum(axis=1), 1.0, atol=1e-12)


def test_teachers_and_tokens_are_told_apart(folder):
    hands = [HandTeacher(KNOWS, identity=name) for name in "ab"]
    for hand in hands:
        teacher = CachedTeacher(hand, folder)
        # The same text in three ways to cut it, and one more with other spaces.
        teacher.distributions([doc("Ana", "B"), doc("AnaB"), doc("A", "naB")])
        teacher.distributions([doc("Ana", "B", spaces=[False, False])])
    assert [sum(map(len, hand.calls)) for hand in hands] == [4, 4]


def test_two_teachers_write_at_the_same_time(folder):
    """Each has a connection of its own, as in two processes."""
    a, b = (CachedTeacher(HandTeacher(KNOWS, identity=name), folder) for name in "ab")
    for word in ("Ana", "Lagos", "x"):
        for teacher in (a, b):
            teacher.distributions([doc(word)])
    with sqlite3.connect(folder / FILE) as database:
        assert database.execute("SELECT count(*) FROM answers").fetchone() == (6,)


def test_a_run_that_breaks_keeps_what_it_has(folder):
    hand = HandTeacher(KNOWS)
    CachedTeacher(hand, folder).distributions([doc("Ana")])

    def broken(docs):
        raise RuntimeError("no memory")

    hand.distributions = broken
    teacher = CachedTeacher(hand, folder)
    with pytest.raises(RuntimeError, match="no memory"):
        teacher.distributions([doc("Ana"), doc("Lagos")])
    assert len(teacher.distributions([doc("Ana")])) == 1


def test_a_teacher_without_a_hash_is_refused(folder):
    with pytest.raises(XnerError, match=r"X413.*sha256"):
        CachedTeacher(HandTeacher(KNOWS, identity=None), folder).load()
    assert not folder.exists()


def test_a_damaged_file_is_named(folder):
    folder.mkdir()
    (folder / FILE).write_bytes(b"not a database" * 100)
    with pytest.raises(XnerError, match=r"X414.*cache.*delete"):
        CachedTeacher(HandTeacher(KNOWS), folder).distributions([doc("Ana")])


def test_an_answer_of_another_length_is_refused(folder):
    teacher = CachedTeacher(HandTeacher(KNOWS), folder)
    teacher.distributions([doc("Ana")])
    with sqlite3.connect(folder / FILE) as database:
        database.execute("UPDATE answers SET probs = ?", (b"1234",))
    with pytest.raises(XnerError, match=r"X414.*4 bytes for 1 tokens"):
        teacher.distributions([doc("Ana")])


def test_settings_of_a_teacher_count(tmp_path, folder):
    """The files are the same, and the answers are not."""
    path = save_ruler(tmp_path / "names", {"Ana": "PER"})
    for certainty in (0.9, 0.6):
        teacher = CachedTeacher(make_span_teacher(path, certainty=certainty), folder)
        (rows,) = teacher.distributions([doc("Ana")])
        assert rows.max() == pytest.approx(certainty, abs=1e-3)


def test_in_an_ensemble(tmp_path, folder):
    """Silver is the same with a warm and a cold cache, and so is the key of a run."""
    config = tmp_path / "ensemble.cfg"
    config.write_text(ENSEMBLE)
    path = save_ruler(tmp_path / "names", {"Ana": "PER", "Lagos": "LOC"})
    text = tmp_path / "text.txt"
    text.write_text("Ana saw Lagos.\n")
    found, keys = [], []
    for _ in range(2):
        nlp = build_ensemble(config, {}, span_teachers={"names": path})
        pipe = nlp.get_pipe("teacher_ensemble")
        pipe.teachers = keep_answers(pipe.teachers, folder)
        found.append(nlp("Ana saw Lagos.").user_data["xner"]["distribution"])
        keys.append(run_key(run_parts(nlp, text)))
    assert (folder / FILE).is_file()
    assert found[0] == found[1]
    assert keys[0] == keys[1]
    teacher = nlp.get_pipe("teacher_ensemble").teachers["names"]
    assert isinstance(teacher, CachedTeacher)
    assert teacher.specification() == teacher.teacher.specification()
    nlp.to_disk(tmp_path / "ensemble")


def test_relocation_reaches_the_teacher(tmp_path, folder):
    teacher = make_cached_teacher(HandTeacher(KNOWS), str(folder))
    moved = []
    teacher.teacher.relocate = moved.append
    teacher.relocate(tmp_path)
    assert moved == [tmp_path]
    assert teacher.label_map == {}
    assert teacher.labels == ("LOC", "PER")
