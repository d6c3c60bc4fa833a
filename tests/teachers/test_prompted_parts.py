"""The small parts of a prompted teacher: frequencies, readable answers, faults, kept answers."""

import json
import sqlite3

import numpy as np
import pytest
import requests
from handmade import HandTeacher
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab
from spacy_llm.tasks.ner import make_ner_task_v2, make_ner_task_v3

from spacy_xner.errors import XnerError
from spacy_xner.teachers.answers import missing_spans, named_spans
from spacy_xner.teachers.faults import AnswerError, as_fault, faults_of, tell_faults
from spacy_xner.teachers.frequencies import sample_distributions, tag_columns
from spacy_xner.teachers.responses import FILE, Responses, response_key

TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
LISTS, REASONS = make_ner_task_v2(labels=["LOC", "PER"]), make_ner_task_v3(labels=["LOC", "PER"])


# Frequencies


def test_tags_of_a_document():
    ents = ["B-PER", "I-PER", "O", "B-DATE", "B-LOC"]
    doc = Doc(Vocab(), words=["a", "b", "c", "d", "e"], ents=ents)
    assert tag_columns(doc, TAGS).tolist() == [3, 4, 0, 0, 1]
    assert tag_columns(Doc(Vocab()), TAGS).shape == (0,)


@given(
    st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=6),
    st.floats(0.01, 1.0),
)
def test_samples_are_the_mean_of_what_each_says(samples, certainty):
    tags = np.array(samples)
    rows = sample_distributions(tags, 5, certainty)
    alone = [sample_distributions(tags[[i]], 5, certainty) for i in range(len(tags))]
    np.testing.assert_allclose(rows, np.mean(alone, axis=0), atol=1e-12)
    np.testing.assert_allclose(rows.sum(axis=1), 1.0)
    np.testing.assert_allclose(alone[0][np.arange(3), tags[0]], certainty)
    # The more often a tag was chosen, the more probable it is, if certainty is above chance.
    if certainty > 0.21:
        counts = np.stack([np.bincount(column, minlength=5) for column in tags.T])
        assert (rows.argmax(axis=1) == counts.argmax(axis=1)).all()


# Answers


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("1. Ana | True | PER | is a name", ["Ana"]),
        ("Ana | true | per | a name\n2. rain | False | ==NONE== | is weather", ["Ana"]),
        ("1. Ana | True | COLOUR | is a colour", []),
        ("Here you are:\n\n1. Ana | True | PER | is a name\nBye", ["Ana"]),
        ("1. rain | False | ==NONE== | is weather", []),
        ("None", []),
        ("**No entities found.**", []),
        ("1. Ana, a person", None),
        ("| | |", None),
        ("Ana", None),
    ],
)
def test_lines_with_reasons(answer, expected):
    assert named_spans(REASONS, answer) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("PER: Ana, Juma Ali\nLOC: Lagos", ["Ana", "Juma Ali", "Lagos"]),
        ("per: Ana\nloc:", ["Ana"]),
        ("PER: None\nLOC: -", []),
        ("COLOUR: red", None),
        ("Note: nothing\nPER: Ana", ["Ana"]),
        ("No entities", []),
        ("I found Ana", None),
    ],
)
def test_lists_by_label(answer, expected):
    assert named_spans(LISTS, answer) == expected


def test_a_task_with_a_form_of_its_own_is_not_judged():
    task = make_ner_task_v2(labels=["PER"], parse_responses=lambda *args: [])
    assert named_spans(task, "<per>Ana</per>") == []
    assert named_spans(object(), "anything") == []
    assert missing_spans(object(), [], "Ana") == 0


def test_spans_that_are_not_in_the_text():
    assert missing_spans(REASONS, ["ana", "Lagos", "Bob"], "Ana met Bob") == 1
    exact = make_ner_task_v3(labels=["PER"], case_sensitive_matching=True)
    assert missing_spans(exact, ["ana", "Bob"], "Ana met Bob") == 1


# Faults


def http_error(status):
    response = requests.Response()
    response.status_code = status
    error = ValueError("Request failed: sk-secret and a whole prompt")
    error.__cause__ = requests.HTTPError("sk-secret", response=response)
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError("sk-secret"), "timeouts TimeoutError"),
        (requests.ReadTimeout("sk-secret"), "timeouts ReadTimeout"),
        (requests.ConnectionError("sk-secret"), "errors ConnectionError"),
        (requests.exceptions.JSONDecodeError("sk-secret", "", 0), "malformed JSONDecodeError"),
        (json.JSONDecodeError("sk-secret", "", 0), "malformed JSONDecodeError"),
        (KeyError("choices"), "malformed KeyError"),
        (http_error(500), "errors HTTP 500"),
        (AnswerError("refusals"), "refusals"),
    ],
)
def test_kinds_of_faults_without_what_was_said(error, expected):
    assert str(as_fault(error)) == expected


def test_a_teacher_whose_answers_cannot_fail():
    teacher = HandTeacher({})
    assert not faults_of(teacher)
    assert tell_faults({"hand": faults_of(teacher)}) == ""


# Kept answers


def test_answers_are_kept_and_forgotten(tmp_path):
    kept = Responses(tmp_path / "deep" / "cache")
    assert kept.get(b"a") is None
    kept.add(b"a", "Ana\nčž")
    # Another process sees it at once.
    assert Responses(tmp_path / "deep" / "cache").get(b"a") == "Ana\nčž"
    kept.add(b"b", "x")
    kept.remove([b"a", b"none"])
    assert (kept.get(b"a"), kept.get(b"b")) == (None, "x")
    with sqlite3.connect(tmp_path / "deep" / "cache" / FILE) as database:
        assert database.execute("SELECT count(*) FROM responses").fetchone() == (1,)


def test_nothing_is_kept_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = Responses(None)
    kept.add(b"a", "x")
    kept.remove([b"a"])
    assert kept.get(b"a") is None
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(XnerError, match="X453"):
        Responses(tmp_path / "file" / "cache").add(b"a", "x")


def test_what_an_answer_is_known_by():
    model = {"name": "m", "endpoint": "e", "max_tries": 1, "config": {"temperature": 1}}
    key = response_key(model, "prompt", 0)
    assert key == response_key({**model, "max_tries": 9, "interval": 2.0}, "prompt", 0)
    others = [
        response_key({**model, "name": "n"}, "prompt", 0),
        response_key({**model, "config": {"temperature": 0}}, "prompt", 0),
        response_key(model, "other", 0),
        response_key(model, "prompt", 1),
        response_key(model, "lone \ud800", 0),
    ]
    assert len({key, *others}) == 6
