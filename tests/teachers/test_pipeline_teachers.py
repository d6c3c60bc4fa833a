import shutil

import numpy as np
import pytest
import spacy
from handmade import add_ensemble, save_ruler, span_teacher, xner_pipeline
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xner.errors import XnerError
from spacy_xner.labels import iob2_tags
from spacy_xner.teachers.base import Teacher
from spacy_xner.teachers.pipeline import make_span_teacher, make_xner_teacher


@Language.component("handmade_unlabelled", assigns=["doc.ents"])
def unlabelled(doc):
    return doc


def best(teacher, doc):
    tags = iob2_tags(teacher.labels)
    (rows,) = teacher.distributions([doc])
    assert rows.shape == (len(doc), len(tags))
    assert np.allclose(rows.sum(axis=1), 1.0)
    return [tags[i] for i in rows.argmax(axis=1)]


@pytest.fixture
def doc():
    """In a vocabulary that no teacher knows."""
    return Doc(Vocab(), words=["Ana", "met", "Bob", "in", "Lagos"])


def test_an_xner_pipeline_gives_its_own_distributions(tagger, doc):
    teacher = make_xner_teacher(tagger)
    nlp = spacy.load(tagger)
    teacher.load()
    assert isinstance(teacher, Teacher)
    assert teacher.labels == ("LOC", "PER")
    assert best(teacher, doc) == ["B-PER", "O", "B-PER", "O", "B-LOC"]
    copy = Doc(nlp.vocab, words=[token.text for token in doc])
    expected = nlp.get_pipe("xner").predict([copy])[0]
    assert np.array_equal(teacher.distributions([doc])[0], expected)
    assert not doc.ents
    assert not doc.spans


def test_nothing_is_loaded_before_it_is_needed(tagger, doc, monkeypatch):
    loaded = []
    load = spacy.load
    monkeypatch.setattr(spacy, "load", lambda path: loaded.append(path) or load(path))
    teacher = make_xner_teacher(tagger)
    assert loaded == []
    teacher.distributions([doc])
    teacher.distributions([doc])
    teacher.load()
    assert loaded == [tagger]


def test_decisions_become_distributions_of_a_stated_certainty(names, doc):
    teacher = make_span_teacher(names, certainty=0.8)
    assert teacher.labels == ("DATE", "GPE", "PERSON")
    assert best(teacher, doc) == ["B-PERSON", "O", "O", "O", "B-GPE"]
    (rows,) = teacher.distributions([doc])
    assert np.allclose(rows.max(axis=1), 0.8)
    assert np.allclose(np.sort(rows, axis=1)[:, :-1], 0.2 / 6)
    sure = make_span_teacher(names, certainty=1.0).distributions([doc])[0]
    assert set(np.unique(sure)) == {0.0, 1.0}


@pytest.mark.parametrize("certainty", [0.0, -0.5, 1.5])
def test_a_certainty_is_a_probability(certainty):
    with pytest.raises(XnerError, match=r"X308.*certainty"):
        make_span_teacher("somewhere", certainty=certainty)


def test_the_teachers_own_words_vectors_are_looked_up(tmp_path):
    """On a document of a foreign vocabulary, static vectors would be another word's or none."""
    nlp = xner_pipeline(static_vectors=16, updates=60)
    nlp.to_disk(tmp_path / "vectors")
    teacher = make_xner_teacher(str(tmp_path / "vectors"))
    foreign = Vocab()
    for word in ("zebra", "cat", "Bob", "Lagos"):
        foreign.set_vector(word, np.ones(3, dtype="f"))
    doc = Doc(foreign, words=["Ana", "met", "Bob", "in", "Lagos"])
    assert best(teacher, doc) == ["B-PER", "O", "B-PER", "O", "B-LOC"]
    with pytest.raises(RuntimeError, match="E896"):  # what the copy spares us
        nlp.get_pipe("xner").predict([doc])


def test_own_tokens_are_read_and_aligned(names):
    """English splits "York's" where the target does not, and joins nothing it was given."""
    doc = Doc(Vocab(), words=["New", "York's", "mayor", "left"])
    own = make_span_teacher(names, tokens="teacher")
    given = make_span_teacher(names, tokens="target")
    assert best(own, doc) == ["B-GPE", "I-GPE", "O", "O"]
    assert best(given, doc) == ["O"] * 4


def test_target_tokens_may_be_finer_than_the_teachers(names):
    doc = Doc(
        Vocab(), words=["La", "gos", "in", "M", "ay"], spaces=[False, True, True, False, False]
    )
    own = make_span_teacher(names, tokens="teacher")
    assert best(own, doc) == ["B-GPE", "I-GPE", "O", "B-DATE", "I-DATE"]
    assert best(make_span_teacher(names, tokens="target"), doc) == ["O"] * 5


def test_a_teacher_that_merges_tokens_is_aligned_again(tmp_path):
    save_ruler(tmp_path / "names", {"New York": "GPE"})
    nlp = spacy.load(tmp_path / "names")
    nlp.add_pipe("merge_entities")
    nlp.to_disk(tmp_path / "merged")
    doc = Doc(Vocab(), words=["in", "New", "York", "now"])
    for tokens in ("target", "teacher"):
        teacher = make_span_teacher(str(tmp_path / "merged"), tokens=tokens)
        assert best(teacher, doc) == ["O", "B-GPE", "I-GPE", "O"]


@pytest.mark.parametrize("tokens", ["target", "teacher"])
def test_documents_without_words(tagger, names, tokens):
    docs = [Doc(Vocab()), Doc(Vocab(), words=[" ", "\n\n"], spaces=[False, False])]
    for teacher in (
        make_xner_teacher(tagger, tokens=tokens),
        make_span_teacher(names, tokens=tokens),
    ):
        assert [len(rows) for rows in teacher.distributions(docs)] == [0, 2]
        assert teacher.distributions([]) == []


def test_specification_identifies_the_files(names, copy_of):
    folder = copy_of(names)
    teacher = make_span_teacher(str(folder), {"PERSON": "PER"})
    found = teacher.specification()
    assert found["name"] == "en_pipeline"
    assert found["labels"] == ["DATE", "GPE", "PERSON"]
    assert found["label_map"] == {"PERSON": "PER"}
    same = make_span_teacher(names).specification()
    assert (same["sha256"], same["path"]) == (found["sha256"], names)
    patterns = next(folder.glob("entity_ruler/*"))
    patterns.write_bytes(patterns.read_bytes() + b"\n")
    assert make_span_teacher(str(folder)).specification()["sha256"] != found["sha256"]


def test_relocation_only_where_the_path_leads_nowhere(names, copy_of, tmp_path):
    folder = copy_of(names)
    teacher = make_span_teacher(names)
    teacher.relocate(folder)
    assert teacher.path == names
    lost = make_span_teacher(str(tmp_path / "lost"))
    lost.relocate(tmp_path / "lost too")
    assert lost.path == str(tmp_path / "lost")
    lost.relocate(folder)
    assert lost.labels == ("DATE", "GPE", "PERSON")


def test_missing_teacher(tmp_path):
    for path in (str(tmp_path / "none"), "xx_no_such_package"):
        with pytest.raises(XnerError, match=f"X401.*{path}"):
            make_xner_teacher(path).load()


SPOILT = {
    "config.cfg": [b"", b"[nlp]\nlang = 'xx'", b"\xff\xfe"],
    "meta.json": [b"", b"{"],
    "tokenizer": [b"", b"\x00"],
    "xner/model": [b"", b"\x81\xa5nodes", b"\x93\x01\x02\x03"],
    "xner/cfg": [b"{"],
    "vocab/key2row": [b"\x07"],
    "vocab/vectors": [b""],
    "vocab/strings.json": [b"3"],
}


@pytest.mark.parametrize(
    ("name", "data"), [(name, data) for name, all_data in SPOILT.items() for data in all_data]
)
def test_damaged_teacher(name, data, tagger, copy_of):
    folder = copy_of(tagger)
    (folder / name).write_bytes(data)
    with pytest.raises(XnerError) as error:
        make_xner_teacher(str(folder)).load()
    message = str(error.value)
    assert message.startswith("[X401]")
    assert str(folder) in message
    assert "()" not in message
    assert "\n" not in message


def test_teacher_without_what_it_needs(names, tagger, tmp_path):
    nlp = spacy.blank("xx")
    nlp.to_disk(tmp_path / "blank")
    nlp.add_pipe("handmade_unlabelled")
    nlp.to_disk(tmp_path / "unlabelled")
    lacking = [
        make_xner_teacher(names),
        make_xner_teacher(str(tmp_path / "blank")),
        make_span_teacher(str(tmp_path / "blank")),
        make_span_teacher(str(tmp_path / "unlabelled")),
    ]
    for teacher in lacking:
        for _ in range(2):
            with pytest.raises(XnerError, match="X408"):
                teacher.load()
            with pytest.raises(XnerError, match="X408"):
                teacher.specification()
    assert make_span_teacher(tagger).labels == ("LOC", "PER")


def test_labels_can_be_given_where_no_component_names_them(tmp_path, doc):
    """A component of the user's own, of which nothing is known but that it sets entities."""

    @Language.component("handmade_silent")
    def silent(doc):
        names = {"Ana": "PERSON", "Lagos": "GPE", "in": "OTHER"}
        spans = [(token.i, names[token.text]) for token in doc if token.text in names]
        doc.set_ents([spacy.tokens.Span(doc, i, i + 1, label=label) for i, label in spans])
        return doc

    nlp = spacy.blank("xx")
    nlp.add_pipe("handmade_silent")
    nlp.to_disk(tmp_path / "silent")
    path = str(tmp_path / "silent")
    with pytest.raises(XnerError, match=r"X408.*'labels'"):
        make_span_teacher(path).load()
    teacher = make_span_teacher(path, labels=["PERSON", "GPE"])
    assert teacher.labels == ("PERSON", "GPE")
    assert best(teacher, doc) == ["B-PERSON", "O", "O", "O", "B-GPE"]
    assert teacher.specification()["labels"] == ["PERSON", "GPE"]
    ensemble = spacy.blank("xx")
    block = {"PERSON": "PER", "GPE": "LOC"}
    config = {"one": span_teacher(path, labels=["PERSON", "GPE"], label_map=block)}
    add_ensemble(ensemble, config)
    ensemble.to_disk(tmp_path / "ensemble")
    found = spacy.load(tmp_path / "ensemble")("Ana met Bob in Lagos")
    assert [(ent.text, ent.label_) for ent in found.ents] == [("Ana", "PER"), ("Lagos", "LOC")]


def test_given_labels_go_before_those_of_the_components(names, doc):
    teacher = make_span_teacher(names, labels=["PERSON"])
    assert teacher.labels == ("PERSON",)
    assert best(teacher, doc) == ["B-PERSON", "O", "O", "O", "O"]
    assert make_span_teacher(names, labels=[]).labels == ("DATE", "GPE", "PERSON")


def test_a_label_that_no_component_names_is_outside(names, copy_of):
    """E.g. a custom component that sets entities without saying of which kinds."""
    teacher = make_span_teacher(names, tokens="target")
    teacher.load()

    @Language.component("handmade_other", assigns=["doc.ents"])
    def other(doc):
        doc.set_ents([spacy.tokens.Span(doc, 0, 1, label="ZZZ")])
        return doc

    teacher.nlp.add_pipe("handmade_other")
    assert best(teacher, Doc(Vocab(), words=["Ana", "left"])) == ["O", "O"]


def test_too_long_a_text_for_the_teacher(names):
    """The teacher's own limit on characters must not stop what the ensemble accepts."""
    doc = Doc(Vocab(), words=["Ana", "x" * 1_000_000, "Lagos"])
    assert best(make_span_teacher(names), doc) == ["B-PERSON", "O", "B-GPE"]


def test_a_pipeline_that_came_after_the_recogniser_is_not_run(tagger, tmp_path):
    @Language.component("handmade_never")
    def never(doc):
        raise AssertionError("not needed for distributions")

    nlp = spacy.load(tagger)
    nlp.add_pipe("handmade_never")
    nlp.to_disk(tmp_path / "more")
    doc = Doc(Vocab(), words=["Ana", "met", "Bob", "in", "Lagos"])
    assert best(make_xner_teacher(str(tmp_path / "more")), doc)[0] == "B-PER"
    shutil.rmtree(tmp_path / "more")
