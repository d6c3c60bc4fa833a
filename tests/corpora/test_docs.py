from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_xner.corpora.columns import Sentence
from spacy_xner.corpora.docs import to_doc, to_docbin
from spacy_xner.labels import entities_to_tags


def test_sentence_becomes_a_doc_with_entities():
    tags = ["B-PER", "I-PER", "O", "B-LOC", "B-LOC"]
    doc = to_doc(Sentence(["Ana", "Paz", "saw", "Rio", "Goma"], tags), Vocab())
    assert doc.text == "Ana Paz saw Rio Goma"
    assert [(e.text, e.label_) for e in doc.ents] == [
        ("Ana Paz", "PER"),
        ("Rio", "LOC"),
        ("Goma", "LOC"),
    ]
    assert doc[2].ent_iob_ == "O"


@given(
    st.lists(st.text(st.characters(codec="utf-8", categories=["L", "M"]), min_size=1)), st.data()
)
def test_docbin_round_trip(tokens, data):
    start = data.draw(st.integers(0, len(tokens)))
    end = data.draw(st.integers(start, len(tokens)))
    tags = entities_to_tags(len(tokens), [(start, end, "X")] if start < end else [])
    binary = to_docbin([Sentence(tokens, tags)], lang="sw").to_bytes()
    (doc,) = DocBin(store_user_data=True).from_bytes(binary).get_docs(Vocab())
    assert [token.text for token in doc] == tokens
    assert [(e.start, e.end) for e in doc.ents] == ([(start, end)] if start < end else [])
    assert doc.user_data["lang"] == "sw"
