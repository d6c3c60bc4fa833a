import logging
import pickle
import shutil
import time

import numpy as np
import pytest
import spacy
from handmade import (
    HandTeacher,
    add_ensemble,
    ruler_pipeline,
    save_ruler,
    span_teacher,
    xner_pipeline,
    xner_teacher,
)
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_xner.ensemble.pooling import linear_pool
from spacy_xner.ensemble.weights import make_fixed_weights, make_uniform_weights
from spacy_xner.errors import XnerError
from spacy_xner.pipeline.teacher_ensemble import TeacherEnsemble
from spacy_xner.silver import has_silver, read_silver

TEXT = "Ana met Bob in Lagos"


def hand_ensemble(teachers, *, weights=None, labels=("LOC", "PER"), **settings):
    """A pipeline with an ensemble of `HandTeacher`."""
    nlp = spacy.blank("xx")
    weigh = make_fixed_weights(weights) if weights else make_uniform_weights()
    pipe = TeacherEnsemble(
        nlp.vocab, teachers=teachers, labels=labels, weights=weigh, pool=linear_pool, **settings
    )
    nlp._components.append(("teacher_ensemble", pipe))
    nlp._pipe_meta["teacher_ensemble"] = nlp.get_factory_meta("teacher_ensemble")
    return nlp


def entities(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


@pytest.fixture
def two():
    """Both are sure of Ana, one of them of Bob, and they differ about Lagos."""
    return {
        "a": HandTeacher({"Ana": {"B-PER": 0.9}, "Bob": {"B-PER": 0.9}, "Lagos": {"B-LOC": 0.8}}),
        "b": HandTeacher({"Ana": {"B-PER": 0.7}, "Bob": {"B-PER": 0.3}, "Lagos": {"B-PER": 0.8}}),
    }


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Saved teachers: two that know names by heart and a tiny recogniser."""
    folder = tmp_path_factory.mktemp("saved")
    save_ruler(folder / "en", {"Ana": "PERSON", "Lagos": "LOC", "May 5": "DATE"}, lang="en")
    save_ruler(folder / "xx", {"Ana": "PER", "Bob": "PER"})
    xner_pipeline().to_disk(folder / "tagger")
    return {path.name: str(path) for path in folder.iterdir()}


@pytest.fixture
def saved(folders):
    """A pipeline with an ensemble of saved teachers."""
    nlp = spacy.blank("xx")
    teachers = {
        "rules": span_teacher(folders["en"], label_map={"PERSON": "PER"}),
        "tagger": xner_teacher(folders["tagger"]),
    }
    add_ensemble(nlp, teachers)
    return nlp


# What is written


def test_silver_annotations(two):
    doc = hand_ensemble(two)(TEXT)
    silver = read_silver(doc)
    assert silver.labels == ("LOC", "PER")
    assert silver.teacher_weights == {"a": 0.5, "b": 0.5}
    assert silver.doc_weight == 1.0
    assert (silver.token_weights == 1.0).all()
    # Columns: O, B-LOC, I-LOC, B-PER, I-PER.
    expected = [
        [0.2, 0, 0, 0.8, 0],
        [1, 0, 0, 0, 0],
        [0.4, 0, 0, 0.6, 0],
        [1, 0, 0, 0, 0],
        [0.2, 0.4, 0, 0.4, 0],
    ]
    assert np.allclose(silver.distribution, expected, atol=1 / 255)


def test_hard_reading_and_scores(two):
    doc = hand_ensemble(two)(TEXT)
    assert entities(doc) == [("Ana", "PER"), ("Bob", "PER")]
    found = {span.text: span.label_ for span in doc.spans["silver"]}
    assert list(found) == ["Ana", "Bob", "Lagos"]
    assert np.allclose(doc.spans["silver"].attrs["scores"], [0.8, 0.6, 0.4])
    # What no one is sure of is missing, and what all call outside is outside.
    assert [token.ent_iob_ for token in doc] == ["B", "O", "B", "O", ""]


def test_each_teachers_own_entities(two):
    doc = hand_ensemble(two)(TEXT)
    own = {key: [(s.text, s.label_) for s in doc.spans[key]] for key in ("silver/a", "silver/b")}
    assert own["silver/a"] == [("Ana", "PER"), ("Bob", "PER"), ("Lagos", "LOC")]
    assert own["silver/b"] == [("Ana", "PER"), ("Lagos", "PER")]
    assert np.allclose(doc.spans["silver/a"].attrs["scores"], [0.9, 0.9, 0.8])
    quiet = hand_ensemble(two, keep_votes=False)(TEXT)
    assert list(quiet.spans) == ["silver"]


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.0, "BOBOB"), (0.5, "BOBO "), (0.7, "BO O "), (0.9, " O O ")]
)
def test_threshold_marks_missing(two, threshold, expected):
    doc = hand_ensemble(two, threshold=threshold)(TEXT)
    assert "".join(token.ent_iob_ or " " for token in doc) == expected
    assert len(doc.spans["silver"]) == 3


def test_weights_are_heard_and_written(two):
    doc = hand_ensemble(two, weights={"a": 3, "b": 1})(TEXT)
    assert entities(doc)[-1] == ("Lagos", "LOC")
    assert read_silver(doc).teacher_weights == {"a": 0.75, "b": 0.25}
    assert doc.spans["silver"].attrs["scores"][-1] == pytest.approx(0.6)


def test_untaught_class_is_unknown_and_not_outside():
    """Halved by the one who never heard of dates, the DATE would be lost."""
    knows = HandTeacher({"May": {"B-DATE": 0.8}}, labels=["DATE", "PER"])
    blind = HandTeacher({"Ana": {"B-PER": 0.8}}, labels=["PER"])
    doc = hand_ensemble({"knows": knows, "blind": blind}, labels=["DATE", "PER"])("in May")
    assert entities(doc) == [("May", "DATE")]
    assert doc.spans["silver"].attrs["scores"] == pytest.approx([0.8])


def test_label_maps():
    teacher = HandTeacher(
        {"Ana": {"B-PERSON": 1.0}, "May": {"B-DATE": 1.0}, "Lagos": {"B-GPE": 1.0}},
        labels=["DATE", "GPE", "PERSON"],
        label_map={"PERSON": "PER", "GPE": "LOC", "DATE": ""},
    )
    doc = hand_ensemble({"only": teacher})("Ana May Lagos")
    assert entities(doc) == [("Ana", "PER"), ("Lagos", "LOC")]
    assert read_silver(doc).distribution[1, 0] == 1.0


def test_log_linear_pool_by_its_name(two):
    nlp = spacy.blank("xx")
    pipe = add_ensemble(nlp, {}, pool={"@misc": "spacy-xner.LogLinearPool.v1"})
    pipe.teachers.update(two)
    doc = nlp(TEXT)
    high, low = np.sqrt(0.9 * 0.7), np.sqrt(0.1 * 0.3)
    assert doc.spans["silver"].attrs["scores"][0] == pytest.approx(high / (high + low), abs=1e-4)


def test_annotations_survive_a_docbin(two, tmp_path):
    doc = hand_ensemble(two)(TEXT)
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "a.spacy")
    (again,) = DocBin().from_disk(tmp_path / "a.spacy").get_docs(Vocab())
    assert np.array_equal(read_silver(again).distribution, read_silver(doc).distribution)
    assert [t.ent_iob_ for t in again] == [t.ent_iob_ for t in doc]
    assert {key: len(group) for key, group in again.spans.items()} == {
        "silver": 3,
        "silver/a": 3,
        "silver/b": 2,
    }
    assert again.spans["silver"].attrs["scores"] == doc.spans["silver"].attrs["scores"]


def test_scoring(two):
    nlp = spacy.blank("xx")
    add_ensemble(nlp, {}).teachers.update(two)
    gold = Doc(nlp.vocab, words=TEXT.split(), ents=["B-PER", "O", "B-PER", "O", "B-LOC"])
    scores = nlp.evaluate([Example(nlp.make_doc(TEXT), gold)])
    assert (scores["ents_p"], scores["ents_r"]) == (1.0, pytest.approx(2 / 3))
    # Two right spans scored 0.8 and 0.6, and a wrong or right one scored 0.4.
    assert 0.2 < scores["xner_ece"] < 0.5


# The stream


def test_same_documents_in_order_with_their_context(two):
    nlp = hand_ensemble(two)
    pairs = [(f"Ana {i}", {"id": i}) for i in range(7)]
    found = list(nlp.pipe(pairs, as_tuples=True, batch_size=3))
    assert [(doc.text, context) for doc, context in found] == pairs
    assert [len(call) for call in two["a"].calls] == [3, 3, 1]
    docs = [nlp.make_doc(text) for text, _ in pairs]
    for doc in docs:
        doc._context = doc.text
    again = list(nlp.get_pipe("teacher_ensemble").pipe(iter(docs), batch_size=2))
    assert all(a is b for a, b in zip(again, docs, strict=True))
    assert all(doc._context == doc.text for doc in again)


def test_batches_do_not_change_what_is_said(saved):
    texts = [TEXT, "", "Lagos is big", "Bob", "  ", "Ana " * 40] * 3
    alone = [saved(text) for text in texts]
    for one, other in zip(saved.pipe(texts, batch_size=5), alone, strict=True):
        assert entities(one) == entities(other)
        rows = [read_silver(doc).distribution for doc in (one, other)]
        assert np.allclose(*rows, atol=1 / 255)  # the last bit of a float may turn a level
        scores = [doc.spans["silver"].attrs["scores"] for doc in (one, other)]
        assert np.allclose(*scores, atol=1e-5)


def test_documents_without_words(two, saved):
    for nlp in (hand_ensemble(two), saved):
        for text in ("", " ", "\n\n\t ", "\u3000"):
            doc = nlp(text)
            silver = read_silver(doc)
            assert len(silver.distribution) == len(doc)
            assert doc.ents == ()
        assert [len(doc) for doc in nlp.pipe(["", "", TEXT, ""])] == [0, 0, 5, 0]
        assert list(nlp.pipe([])) == []


class Moody(HandTeacher):
    def distributions(self, docs):
        if any("storm" in doc.text for doc in docs):
            raise RuntimeError("not today")
        return super().distributions(docs)


def test_a_failing_batch_goes_to_the_error_handler(two, caplog):
    two["b"] = Moody(two["b"].knows)
    nlp = hand_ensemble(two)
    texts = ["Ana", "Bob", "a storm", "Ana", "Bob"]
    with pytest.raises(RuntimeError, match="not today"):
        list(nlp.pipe(texts, batch_size=2))
    failed = []
    nlp.set_error_handler(lambda name, pipe, docs, err: failed.append((name, docs, err)))
    found = list(nlp.pipe(texts, batch_size=2))
    assert [doc.text for doc in found] == ["Ana", "Bob", "Bob"]
    assert all(has_silver(doc) for doc in found)
    ((name, docs, err),) = failed
    assert (name, [doc.text for doc in docs], str(err)) == (
        "teacher_ensemble",
        ["a storm", "Ana"],
        "not today",
    )
    assert not has_silver(nlp.get_pipe("teacher_ensemble")(nlp.make_doc("storm")))


@pytest.mark.parametrize(
    "answer",
    [
        lambda docs: [],
        lambda docs: [np.full((len(doc) + 1, 5), 0.2) for doc in docs],
        lambda docs: [np.full((len(doc), 3), 1 / 3) for doc in docs],
        lambda docs: [np.full((len(doc), 5), 0.5) for doc in docs],
        lambda docs: [np.full((len(doc), 5), np.nan) for doc in docs],
    ],
)
def test_answers_of_a_wrong_shape(two, answer):
    two["b"].distributions = answer
    with pytest.raises(XnerError, match=r"X407.*'b'"):
        hand_ensemble(two)(TEXT)


# Text as it comes

STRANGE = [
    "Ana 👩‍👩‍👧‍👦 met 🇰🇪 Bob 🤷🏽‍♀️",
    "التقت آنا بوب في لاغوس",
    "\u202bAna\u202c met \u2067Bob\u2069",
    "A\u0301na\u0308 met Bo\u0304\u0300b i\u0323n Lago\u0301s",
    "A\u200bna met\u200d B\ufeffob in\u2060 Lagos",
    "Ana\0 met Bob\0\0 in Lagos \0",
    "Ọ̀rẹ́ mi Adé ń gbé ní Ìbàdàn.",
    "ana\r\nmet\tBob\u2028in\u0085Lagos\x1c",
    "x" * 5000 + " Ana",
]


@pytest.mark.parametrize("text", STRANGE)
def test_strange_characters(text, folders, tmp_path):
    nlp = spacy.blank("xx")
    teachers = {
        "raw": span_teacher(folders["en"], label_map={"PERSON": "PER"}, tokens="teacher"),
        "given": span_teacher(folders["xx"], tokens="target"),
        "tagger": xner_teacher(folders["tagger"], tokens="teacher"),
    }
    add_ensemble(nlp, teachers)
    doc = nlp(text)
    assert doc.text == text
    assert np.allclose(read_silver(doc).distribution.sum(axis=1), 1.0)
    again = Doc(Vocab()).from_bytes(doc.to_bytes())
    assert again.text == text
    assert read_silver(again).labels == ("LOC", "PER")


def test_a_document_of_one_megabyte(folders):
    nlp = spacy.blank("xx")
    add_ensemble(
        nlp,
        {
            "raw": span_teacher(folders["en"], label_map={"PERSON": "PER"}),
            "given": span_teacher(folders["xx"], tokens="target"),
        },
        keep_votes=False,
    )
    text = ("Ana met Bob in Lagos , notwithstanding the extraordinary rain . " * 16000)[:1_000_000]
    start = time.perf_counter()
    doc = nlp(text)
    assert time.perf_counter() - start < 60
    assert doc.text == text
    assert len(doc.ents) > 30_000
    assert np.allclose(read_silver(doc).distribution.sum(axis=1), 1.0)


# Teachers that do not fit


def test_no_teacher():
    with pytest.raises(XnerError, match="X404"):
        hand_ensemble({})(TEXT)


def test_teachers_are_loaded_with_the_first_document(folders, tmp_path):
    nlp = spacy.blank("xx")
    pipe = add_ensemble(nlp, {"gone": span_teacher(str(tmp_path / "gone"))})
    with pytest.raises(XnerError) as error:
        nlp(TEXT)
    message = str(error.value)
    assert message.startswith("[X401]")
    assert "'gone'" in message
    assert "[components.teacher_ensemble.teachers.gone]" in message
    save_ruler(tmp_path / "gone", {"Ana": "PER", "Lagos": "LOC"})
    assert entities(nlp(TEXT)) == [("Ana", "PER"), ("Lagos", "LOC")]
    assert pipe.labels == ("LOC", "PER")


def test_each_teacher_is_loaded_once(two):
    nlp = hand_ensemble(two)
    list(nlp.pipe([TEXT] * 4, batch_size=1))
    assert [teacher.loads for teacher in two.values()] == [1, 1]


def test_a_teacher_of_another_label_set():
    stranger = HandTeacher({}, labels=["PERSON", "GPE"])
    with pytest.raises(XnerError, match=r"X402.*'stranger'.*label_map"):
        hand_ensemble({"stranger": stranger})(TEXT)


def test_a_label_map_into_nowhere(two):
    two["a"].label_map = {"PER": "PERSON"}
    with pytest.raises(XnerError, match="X002.*PERSON"):
        hand_ensemble(two)(TEXT)


def test_a_class_that_nobody_was_taught(two):
    with pytest.raises(XnerError, match=r"X409.*'DATE'.*\['a', 'b'\]"):
        hand_ensemble(two, labels=["DATE", "PER"])(TEXT)


def test_weights_for_other_teachers(two):
    with pytest.raises(XnerError, match="X403"):
        hand_ensemble(two, weights={"a": 1.0})(TEXT)


@pytest.mark.parametrize("key", ["weights", "pool"])
def test_unknown_name_in_a_config(key):
    with pytest.raises(ValueError, match=r"Could not find function 'spacy-xner\.Loud\.v1'"):
        add_ensemble(spacy.blank("xx"), {}, **{key: {"@misc": "spacy-xner.Loud.v1"}})


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_threshold_is_a_probability(two, threshold):
    with pytest.raises(XnerError, match=r"X308.*threshold"):
        hand_ensemble(two, threshold=threshold)


# Saved and loaded


def test_a_loaded_ensemble_annotates_by_itself(saved, tmp_path):
    expected = saved(TEXT)
    assert entities(expected) == [("Ana", "PER"), ("Bob", "PER"), ("Lagos", "LOC")]
    saved.to_disk(tmp_path / "ensemble")
    nlp = spacy.load(tmp_path / "ensemble")
    assert nlp.pipe_names == ["teacher_ensemble"]
    assert nlp(TEXT).to_bytes() == expected.to_bytes()


def test_weights_of_teachers_are_not_saved(saved, folders, tmp_path):
    saved.to_disk(tmp_path / "ensemble")
    files = {p.name for p in (tmp_path / "ensemble" / "teacher_ensemble").iterdir()}
    assert files == {"ensemble.json"}
    text = (tmp_path / "ensemble" / "teacher_ensemble" / "ensemble.json").read_text("utf8")
    for expected in ("sha256", "version", "rules", "tagger", "xx_pipeline", "PERSON"):
        assert expected in text


def test_a_changed_teacher_is_noticed(tmp_path):
    save_ruler(tmp_path / "teacher", {"Ana": "PER", "Lagos": "LOC"})
    nlp = spacy.blank("xx")
    add_ensemble(nlp, {"only": span_teacher(str(tmp_path / "teacher"))})
    nlp.to_disk(tmp_path / "ensemble")
    data = nlp.to_bytes()
    shutil.rmtree(tmp_path / "teacher")
    save_ruler(tmp_path / "teacher", {"Ana": "PER", "Bob": "PER", "Lagos": "LOC"})
    loaded = spacy.load(tmp_path / "ensemble")
    with pytest.raises(XnerError, match=r"X406.*'only'"):
        loaded(TEXT)
    other = spacy.blank("xx")
    pipe = add_ensemble(other, {"only": span_teacher(str(tmp_path / "teacher"))})
    pipe.load()
    other.from_bytes(data)
    with pytest.raises(XnerError, match="X406"):
        other(TEXT)
    pipe.from_disk(tmp_path / "ensemble" / "teacher_ensemble")
    with pytest.raises(XnerError, match="X406"):
        other(TEXT)


def test_bytes(saved):
    again = spacy.blank("xx")
    teachers = saved.config["components"]["teacher_ensemble"]["teachers"]
    add_ensemble(again, teachers)
    again.from_bytes(saved.to_bytes())
    assert again(TEXT).to_bytes() == saved(TEXT).to_bytes()


def test_a_moved_project_folder(tmp_path, monkeypatch):
    """Ensemble and teachers move together; the working directory is another one."""
    (tmp_path / "old").mkdir()
    monkeypatch.chdir(tmp_path / "old")
    save_ruler(tmp_path / "old" / "teachers" / "en", {"Ana": "PER", "Lagos": "LOC"})
    nlp = spacy.blank("xx")
    add_ensemble(nlp, {"en": span_teacher("teachers/en")})
    (tmp_path / "old" / "ensembles").mkdir()
    nlp.to_disk(tmp_path / "old" / "ensembles" / "one")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old").rename(tmp_path / "new")
    loaded = spacy.load(tmp_path / "new" / "ensembles" / "one")
    assert entities(loaded(TEXT)) == [("Ana", "PER"), ("Lagos", "LOC")]
    # Saved once more elsewhere, it still finds its teacher.
    loaded.to_disk(tmp_path / "copy")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert entities(spacy.load(tmp_path / "copy")(TEXT)) == [("Ana", "PER"), ("Lagos", "LOC")]


def test_a_second_component_beside_it(two, folders):
    """Entities that an earlier component has set are replaced, as silver means the teachers."""
    nlp = ruler_pipeline({"met": "LOC"})
    add_ensemble(nlp, {}).teachers.update(two)
    assert entities(nlp(TEXT)) == [("Ana", "PER"), ("Bob", "PER")]


def test_votes_can_be_kept_for_later(two):
    pipe = hand_ensemble(two).get_pipe("teacher_ensemble")
    doc = spacy.blank("xx")(TEXT)
    votes = pipe.predict([doc])
    assert not has_silver(doc)
    assert votes.names == ("a", "b")
    assert votes.probs.shape == (2, 5, 5)
    assert votes.lengths == (5,)
    pipe.set_annotations([doc], pickle.loads(pickle.dumps(votes)))
    assert has_silver(doc)


def test_no_warning_in_the_log(saved, caplog):
    with caplog.at_level(logging.WARNING):
        saved(TEXT)
    assert not caplog.records
