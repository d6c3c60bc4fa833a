import numpy as np
import pytest
import spacy
from handmade import xner_pipeline
from spacy.tokens import Doc, Span, SpanGroup
from spacy.vocab import Vocab

import spacy_xner.rounds as module
from spacy_xner.errors import XnerError
from spacy_xner.rounds import add_student, mix
from spacy_xner.shards import read_docs, write_docs
from spacy_xner.silver import Silver, read_silver, write_silver

LABELS = ("LOC", "PER")
SENTENCES = [["Ana", "met", "Bob", "in", "Lagos"], ["Lagos", "is", "big"], []]


def silver_doc(words, *, labels=LABELS, sure=0.8):
    """The ensemble takes all for O."""
    doc = Doc(Vocab(), words=words)
    rows = np.full((len(words), 1 + 2 * len(labels)), (1 - sure) / (2 * len(labels)))
    rows[:, 0] = sure
    weights = {"en": 0.25, "es": 0.75}
    write_silver(doc, Silver(labels, rows, np.full(len(words), 0.6), 0.5, weights))
    spans = [Span(doc, 0, 1, label=labels[0])] if words else []
    doc.spans["silver/en"] = SpanGroup(doc, name="silver/en", spans=spans, attrs={})
    return doc


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Silver of two targets, and a student."""
    folder = tmp_path_factory.mktemp("rounds")
    for target in ("hau", "swa"):
        (folder / "silver" / target).mkdir(parents=True)
        docs = [silver_doc(words) for words in SENTENCES]
        write_docs(folder / "silver" / target / "part-00000.spacy", docs)
    xner_pipeline().to_disk(folder / "student")
    return folder


def test_a_mixture_by_hand():
    silver = Silver(
        ("PER",), np.array([[0.8, 0.2, 0.0]]), np.array([0.5]), 0.7, {"en": 0.4, "es": 0.6}
    )
    found = mix(silver, np.array([[0.0, 1.0, 0.0]]), 0.25)
    assert found.distribution == pytest.approx(np.array([[0.6, 0.4, 0.0]]))
    assert found.teacher_weights == pytest.approx({"en": 0.3, "es": 0.45, "student": 0.25})
    assert (found.token_weights, found.doc_weight) == (silver.token_weights, 0.7)
    twice = mix(found, np.array([[0.0, 1.0, 0.0]]), 0.5)
    assert twice.teacher_weights["student"] == pytest.approx(0.625)
    assert sum(twice.teacher_weights.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_new_silver_is_the_mean_of_both(world, tmp_path, share):
    source = world / "silver/hau"
    (shard,) = add_student(source, tmp_path / "new", world / "student", share=share)
    assert shard["docs"] == 3
    nlp = spacy.load(world / "student")
    answers = nlp.get_pipe("xner").predict([Doc(nlp.vocab, words=words) for words in SENTENCES])
    old, new = (list(read_docs(path, Vocab())) for path in (source, tmp_path / "new"))
    for before, after, probs in zip(old, new, answers, strict=True):
        one, other = read_silver(before), read_silver(after)
        expected = (1 - share) * one.distribution + share * probs
        assert other.distribution == pytest.approx(expected, abs=0.006)
        assert (other.token_weights, other.doc_weight) == (pytest.approx(one.token_weights), 0.5)
        assert other.teacher_weights["student"] == share
        assert len(after.spans["silver/en"]) == len(before.spans["silver/en"])
        assert len(after.spans["silver"].attrs["scores"]) == len(after.spans["silver"])
    named = [ent.text for ent in new[0].ents]
    assert named == (["Ana", "Bob", "Lagos"] if share == 1.0 else [])
    # Where neither O nor a name reaches one half, the token is missing and not O.
    assert new[0][0].ent_iob == {0.0: 2, 0.4: 0, 1.0: 3}[share]


def test_resumed_without_the_student(world, tmp_path, monkeypatch):
    first = add_student(world / "silver", tmp_path / "new", world / "student")
    assert [shard["docs"] for shard in first] == [3, 3]

    def refuse(path):
        raise AssertionError("the student was loaded")

    with monkeypatch.context() as patch:
        patch.setattr(module, "make_xner_teacher", refuse)
        assert add_student(world / "silver", tmp_path / "new", world / "student") == first
        with pytest.raises(XnerError, match="X411"):
            add_student(world / "silver", tmp_path / "new", world / "student", share=0.4)
    (tmp_path / "new" / first[1]["file"]).write_bytes(b"")
    assert add_student(world / "silver", tmp_path / "new", world / "student") == first


def test_another_student_is_another_run(world, tmp_path):
    add_student(world / "silver", tmp_path / "new", world / "student")
    xner_pipeline(seed=1, updates=1).to_disk(tmp_path / "other")
    with pytest.raises(XnerError, match="X411"):
        add_student(world / "silver", tmp_path / "new", tmp_path / "other")


def test_what_cannot_be_mixed(world, tmp_path):
    new, student = tmp_path / "new", world / "student"
    for settings in ({"share": 1.1}, {"threshold": -0.1}):
        with pytest.raises(XnerError, match=f"X308.*{next(iter(settings))}"):
            add_student(world / "silver", new, student, **settings)
    with pytest.raises(XnerError, match="X601"):
        add_student(world / "silver", new, world / "none")
    with pytest.raises(XnerError, match="X433"):
        add_student(world / "silver", world / "silver/new", student)
    assert not new.exists()
    spacy.blank("xx").to_disk(tmp_path / "blank")
    with pytest.raises(XnerError, match="X408"):
        add_student(world / "silver", new, tmp_path / "blank")
    write_docs(tmp_path / "date.spacy", [silver_doc(["today"], labels=("DATE", "PER"))])
    with pytest.raises(XnerError, match=r"X438.*\['LOC', 'PER'\].*\['DATE', 'PER'\]"):
        add_student(tmp_path / "date.spacy", tmp_path / "date", student)


def test_a_document_that_nobody_read_stays_unread(world, tmp_path):
    (tmp_path / "old").mkdir()
    doc = silver_doc(["Ana", "met", "Bob"])
    silver = read_silver(doc)
    rows = np.full_like(silver.distribution, 1 / 5)
    unheard = {"distribution": rows, "token_weights": np.zeros(3), "doc_weight": 0.0}
    write_silver(doc, silver._replace(**unheard))
    write_docs(tmp_path / "old" / "part-00000.spacy", [doc])
    add_student(tmp_path / "old", tmp_path / "new", world / "student", share=0.9)
    (found,) = read_docs(tmp_path / "new", Vocab())
    assert not found.ents
    assert [token.ent_iob for token in found] == [0, 0, 0]
    assert read_silver(found).doc_weight == 0.0
