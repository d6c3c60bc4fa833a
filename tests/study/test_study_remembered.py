"""A teacher that is described by a file, and loaded only if it is asked something."""

import numpy as np
import pytest
import spacy
from handmade import HandTeacher, PairTeacher
from spacy.tokens import Doc

from spacy_xner.study.remembered import RememberedTeacher
from spacy_xner.teachers.base import evaluates
from spacy_xner.teachers.cached import CachedTeacher

KNOWS = {"Ana": {"B-PER": 0.9}}


@pytest.fixture
def remember(tmp_path):
    (tmp_path / "stamp").write_text("trained once")

    def make(teacher):
        return RememberedTeacher(
            teacher, stamp=tmp_path / "stamp", memory=tmp_path / "teacher.json"
        )

    return make


@pytest.fixture
def doc():
    return Doc(spacy.blank("xx").vocab, words=["Ana", "sings"])


def test_the_first_time_it_is_loaded_and_described(remember):
    teacher = HandTeacher(KNOWS)
    found = remember(teacher)
    found.load()
    assert teacher.loads == 1
    assert (found.labels, found.specification()) == (("LOC", "PER"), {"sha256": "hand"})
    assert not evaluates(found)


def test_the_second_time_it_is_only_described(remember):
    remember(HandTeacher(KNOWS)).load()
    teacher = HandTeacher(KNOWS)
    found = remember(teacher)
    found.load()
    assert teacher.loads == 0
    assert (found.labels, found.specification()) == (("LOC", "PER"), {"sha256": "hand"})
    with found.memory_zone():
        pass


def test_it_is_loaded_when_it_is_asked(remember, doc):
    remember(HandTeacher(KNOWS)).load()
    teacher = HandTeacher(KNOWS)
    found = remember(teacher)
    found.load()
    rows = found.distributions([doc])
    assert teacher.loads == 1
    assert np.array_equal(rows[0], HandTeacher(KNOWS).distributions([doc])[0])


def test_what_was_answered_needs_no_teacher(remember, doc, tmp_path):
    first = CachedTeacher(remember(HandTeacher(KNOWS)), tmp_path / "answers")
    expected = first.distributions([doc])
    teacher = HandTeacher(KNOWS)
    rows = CachedTeacher(remember(teacher), tmp_path / "answers").distributions([doc])
    assert np.array_equal(rows[0], expected[0])
    assert (teacher.loads, teacher.calls) == (0, [])


def test_a_teacher_that_was_trained_anew_is_described_anew(remember, tmp_path):
    remember(HandTeacher(KNOWS)).load()
    (tmp_path / "stamp").write_text("trained twice")
    found = remember(HandTeacher(KNOWS, identity="other"))
    found.load()
    assert found.specification() == {"sha256": "other"}


def test_a_damaged_description_is_made_anew(remember, tmp_path):
    (tmp_path / "teacher.json").write_text("{")
    found = remember(HandTeacher(KNOWS))
    found.load()
    assert found.specification() == {"sha256": "hand"}


def test_an_evaluator_is_remembered_too(remember, doc):
    directions = {"Ana": [1.0, 0.0]}
    remember(PairTeacher(KNOWS, directions)).load()
    teacher = PairTeacher(KNOWS, directions)
    found = remember(teacher)
    found.load()
    assert evaluates(found)
    assert found.vectors([]) == []
    assert teacher.loads == 0
    assert np.array_equal(found.vectors([doc])[0], [[1.0, 0.0], [0.0, 0.0]])
    assert teacher.loads == 1
