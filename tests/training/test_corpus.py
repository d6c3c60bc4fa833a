import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Token
from spacy.training import Corpus
from spacy.vocab import Vocab

from spacy_xner.errors import XnerError
from spacy_xner.shards import write_docs
from spacy_xner.silver import Silver, has_silver, read_silver, write_silver
from spacy_xner.training.corpus import confidence, make_silver_corpus, split_doc

LABELS = ("LOC", "PER")


def read(path, **settings):
    return list(make_silver_corpus(path, **settings)(spacy.blank("xx")))


def make_doc(n_tokens, *, entities=(), sentences=(), sure=None):
    """A numbered document; `sure` is the probability of O in its silver annotations."""
    tags = ["O"] * n_tokens
    for start, end in entities:
        tags[start:end] = ["B-PER"] + ["I-PER"] * (end - start - 1)
    starts = [i in sentences for i in range(n_tokens)] if sentences else None
    words = [f"w{i}" for i in range(n_tokens)]
    doc = Doc(Vocab(), words=words, ents=tags, sent_starts=starts)
    doc.user_data["id"] = "a"
    if sure is not None:
        rows = np.full((n_tokens, 5), (1 - sure) / 4)
        rows[:, 0] = sure
        weights = np.arange(n_tokens) / max(n_tokens, 1)
        write_silver(doc, Silver(LABELS, rows, weights, 0.5, {"a": 1.0}))
    return doc


def lengths(pieces):
    return [len(piece) for piece in pieces]


def test_why_there_is_a_reader_of_our_own(tmp_path):
    """spaCy's reader loses the distributions, without a word, as soon as it cuts a document."""
    path = tmp_path / "silver.spacy"
    write_docs(path, [make_doc(12, sentences=(0, 6), sure=0.8)])
    nlp = spacy.blank("xx")
    assert [has_silver(eg.reference) for eg in Corpus(path)(nlp)] == [True]
    assert [has_silver(eg.reference) for eg in Corpus(path, max_length=8)(nlp)] == [False, False]
    assert [has_silver(eg.reference) for eg in Corpus(path, gold_preproc=True)(nlp)] == [False] * 2
    assert [has_silver(eg.reference) for eg in read(path, max_length=8)] == [True, True]


def test_gold_and_silver_are_read(tmp_path, gold_docs, make_silver):
    docs = [*gold_docs, make_silver(gold_docs[0])]
    write_docs(tmp_path / "a.spacy", docs)
    found = read(tmp_path / "a.spacy")
    assert [eg.text for eg in found] == [doc.text for doc in docs]
    assert [has_silver(eg.reference) for eg in found] == [False] * 6 + [True]
    assert [ent.label_ for ent in found[0].reference.ents] == ["PER", "LOC"]
    for eg in found:
        assert not eg.predicted.ents
        assert not eg.predicted.user_data
        assert eg.predicted.vocab is eg.reference.vocab


def test_a_limit_for_each_corpus(tmp_path):
    for name, length in (("a.spacy", 2), ("b.spacy", 3)):
        write_docs(tmp_path / name, [make_doc(length)] * 4)
    several = {"folders": ["a.spacy", "b.spacy"]}
    assert lengths(eg.x for eg in read(tmp_path, **several, limit_each=2)) == [2, 2, 3, 3]
    assert lengths(eg.x for eg in read(tmp_path, **several, limit_each=3, limit=4)) == [2, 2, 2, 3]
    assert lengths(eg.x for eg in read(tmp_path, limit_each=3)) == [2, 2, 2]
    with pytest.raises(XnerError, match="limit_each"):
        read(tmp_path, limit_each=-1)


@pytest.mark.parametrize("max_length", [1, 2, 3, 7, 50, 100])
def test_cutting_loses_nothing(max_length):
    doc = make_doc(50, entities=[(3, 5), (20, 24), (48, 50)], sure=0.8)
    pieces = list(split_doc(doc, max_length))
    assert [token.text for piece in pieces for token in piece] == [token.text for token in doc]
    assert max(lengths(pieces)) <= max_length
    whole, parts = read_silver(doc), [read_silver(piece) for piece in pieces]
    rows = np.concatenate([part.distribution for part in parts])
    assert rows == pytest.approx(whole.distribution)
    weights = np.concatenate([part.token_weights for part in parts])
    assert weights == pytest.approx(whole.token_weights)
    assert {(part.doc_weight, part.labels) for part in parts} == {(0.5, LABELS)}
    assert has_silver(doc)


def test_cuts_go_between_sentences():
    doc = make_doc(20, sentences=(0, 6, 9, 15))
    assert lengths(split_doc(doc, 10)) == [9, 6, 5]


def test_cuts_go_around_entities():
    doc = make_doc(20, entities=[(8, 12), (17, 20)])
    pieces = list(split_doc(doc, 10))
    assert lengths(pieces) == [8, 9, 3]
    entities = [[(ent.start, ent.end) for ent in piece.ents] for piece in pieces]
    assert entities == [[], [(0, 4)], [(0, 3)]]


def test_a_sentence_end_early_in_the_window_is_not_taken():
    doc = make_doc(20, sentences=(0, 2))
    assert lengths(split_doc(doc, 10)) == [10, 10]


def test_an_entity_that_no_cut_can_spare_counts_as_missing():
    doc = make_doc(10, entities=[(1, 9)])
    first, second = split_doc(doc, 5)
    assert [token.ent_iob_ for token in first] == ["O", "", "", "", ""]
    assert [token.ent_iob_ for token in second] == ["", "", "", "", "O"]


def test_short_documents_are_not_copied():
    doc = make_doc(5)
    assert next(split_doc(doc, 5)) is doc
    assert lengths(split_doc(make_doc(0), 5)) == [0]


def test_user_data_of_pieces():
    Token.set_extension("xner_test", default=None, force=True)
    doc = make_doc(6)
    doc[4]._.xner_test = "here"
    pieces = list(split_doc(doc, 3))
    assert [piece.user_data["id"] for piece in pieces] == ["a", "a"]
    assert [token._.xner_test for token in pieces[0]] == [None, None, None]
    assert [token._.xner_test for token in pieces[1]] == [None, "here", None]
    Token.remove_extension("xner_test")


def test_confidence():
    assert confidence(read_silver(make_doc(4, sure=0.8))) == pytest.approx(0.8, abs=0.01)
    assert confidence(read_silver(make_doc(0, sure=0.8))) == 1.0


@pytest.fixture
def mixed(tmp_path):
    path = tmp_path / "a.spacy"
    docs = [make_doc(2, sure=0.9), make_doc(3, sure=0.4), make_doc(4), make_doc(5, sure=0.6)]
    write_docs(path, docs)
    return path


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [2, 3, 4, 5]),
        ({"min_confidence": 0.5}, [2, 4, 5]),
        ({"min_confidence": 1.0}, [4]),
        ({"limit": 2}, [2, 3]),
        ({"limit": 2, "min_confidence": 0.5}, [2]),
        ({"limit": 100, "max_length": 2}, [2, 2, 1, 2, 2, 2, 2, 1]),
    ],
)
def test_choice_of_documents(mixed, settings, expected):
    assert [len(eg.reference) for eg in read(mixed, **settings)] == expected


def test_weights_by_confidence(mixed):
    found = [eg.reference for eg in read(mixed, weight_by_confidence=True)]
    weights = [read_silver(doc).doc_weight for doc in found if has_silver(doc)]
    assert weights == pytest.approx([0.45, 0.2, 0.3], abs=0.01)


def test_a_reader_can_be_read_again(mixed):
    nlp = spacy.blank("xx")
    reader = make_silver_corpus(mixed, weight_by_confidence=True)
    first, second = ([eg.reference for eg in reader(nlp)] for _ in range(2))
    assert [doc.user_data for doc in first] == [doc.user_data for doc in second]


def test_folders(tmp_path):
    for n, language in enumerate(("hau", "swa", "yor"), 1):
        (tmp_path / language).mkdir()
        write_docs(tmp_path / language / "part-0.spacy", [make_doc(n)])
    assert [len(eg.reference) for eg in read(tmp_path)] == [1, 2, 3]
    assert [len(eg.reference) for eg in read(tmp_path, folders=["yor", "hau"])] == [3, 1]
    with pytest.raises(XnerError, match="X601.*lug"):
        read(tmp_path, folders=["lug"])


def test_nothing_left(tmp_path, mixed):
    write_docs(tmp_path / "sure.spacy", [make_doc(3, sure=0.4)])
    with pytest.raises(XnerError, match=r"X306.*documents read: 1.*0\.5: 1"):
        read(tmp_path / "sure.spacy", min_confidence=0.5)
    write_docs(tmp_path / "empty.spacy", [])
    with pytest.raises(XnerError, match="X306.*documents read: 0"):
        read(tmp_path / "empty.spacy")


@pytest.mark.parametrize(
    ("key", "value"),
    [("max_length", -1), ("limit", -1), ("min_confidence", 1.1), ("min_confidence", -0.1)],
)
def test_settings_out_of_range(tmp_path, key, value):
    with pytest.raises(XnerError, match=f"X308.*{key} = {value}"):
        make_silver_corpus(tmp_path, **{key: value})


def test_no_path_is_an_error_only_when_read():
    reader = make_silver_corpus(None)
    with pytest.raises(XnerError, match="X308.*path = None"):
        list(reader(spacy.blank("xx")))
