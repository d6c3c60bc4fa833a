import pytest
from spacy.vocab import Vocab

from spacy_xner.errors import XnerError
from spacy_xner.shards import read_docs, write_docs
from spacy_xner.training.development import write_development


def test_some_documents_of_each_set(gold_docs, tmp_path):
    write_docs(tmp_path / "a.spacy", gold_docs[:3])
    write_docs(tmp_path / "b.spacy", gold_docs[3:])
    output = tmp_path / "new" / "dev.spacy"
    write_development([tmp_path / "b.spacy", tmp_path / "a.spacy"], output, each=2)
    found = list(read_docs(output, Vocab()))
    assert [doc.text for doc in found] == [gold_docs[i].text for i in (3, 4, 0, 1)]
    assert [len(doc.ents) for doc in found] == [len(gold_docs[i].ents) for i in (3, 4, 0, 1)]


def test_a_missing_set(tmp_path):
    with pytest.raises(XnerError, match="X601"):
        write_development([tmp_path / "none.spacy"], tmp_path / "dev.spacy")
    assert not (tmp_path / "dev.spacy").exists()
