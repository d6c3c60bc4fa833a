import hashlib
import os
import zlib

import pytest
from spacy.tokens import Doc, Span, SpanGroup
from spacy.vocab import Vocab

from spacy_xner.errors import XnerError
from spacy_xner.shards import read_docs, spacy_files, write_bytes, write_docs


@pytest.fixture
def doc():
    doc = Doc(Vocab(), words=["Ana", "left"], ents=["B-PER", "O"])
    doc.user_data["id"] = "one"
    spans = [Span(doc, 0, 1, "PER")]
    doc.spans["silver"] = SpanGroup(doc, spans=spans, attrs={"scores": [0.5]})
    return doc


def test_bytes_and_checksum(tmp_path):
    path = tmp_path / "file"
    for data in (b"one", b"two"):
        assert write_bytes(path, data) == hashlib.sha256(data).hexdigest()
        assert path.read_bytes() == data
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_documents_keep_what_they_carry(tmp_path, doc):
    write_docs(tmp_path / "a.spacy", [doc, Doc(doc.vocab)])
    found, empty = read_docs(tmp_path / "a.spacy", Vocab())
    assert found.text == doc.text
    assert [(ent.text, ent.label_) for ent in found.ents] == [("Ana", "PER")]
    assert found.user_data["id"] == "one"
    assert found.spans["silver"].attrs["scores"] == [0.5]
    assert len(empty) == 0


def test_the_same_documents_give_the_same_bytes(tmp_path, doc):
    assert write_docs(tmp_path / "a.spacy", [doc]) == write_docs(tmp_path / "b.spacy", [doc])


def test_a_folder_is_read_in_order_of_names(tmp_path):
    for name in ("part-2.spacy", "part-10.spacy", "sub/part-1.spacy", ".hidden.spacy"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        write_docs(path, [Doc(Vocab(), words=[name])])
    (tmp_path / "notes.txt").write_text("not a corpus")
    names = [doc.text.strip() for doc in read_docs(tmp_path, Vocab())]
    assert names == ["part-10.spacy", "part-2.spacy", "sub/part-1.spacy"]


def damage(data, how):
    if how == "empty":
        return b""
    if how == "truncated":
        return data[: len(data) // 2]
    if how == "wrong bytes":
        return b"PK\x03\x04 this is no DocBin"
    if how == "one byte changed":
        middle = len(data) // 2
        return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]
    return zlib.compress(b"\x81\xa1x\x01")


@pytest.mark.parametrize(
    "how", ["empty", "truncated", "wrong bytes", "one byte changed", "other msgpack"]
)
def test_damaged_files(tmp_path, doc, how):
    path = tmp_path / "a.spacy"
    write_docs(path, [doc])
    path.write_bytes(damage(path.read_bytes(), how))
    with pytest.raises(XnerError, match="X006.*a.spacy"):
        list(read_docs(tmp_path, Vocab()))


def test_documents_before_a_damaged_file_are_read(tmp_path, doc):
    write_docs(tmp_path / "a.spacy", [doc])
    (tmp_path / "b.spacy").write_bytes(b"")
    stream = read_docs(tmp_path, Vocab())
    assert next(stream).text == doc.text
    with pytest.raises(XnerError, match="X006"):
        next(stream)


def test_nothing_there(tmp_path):
    with pytest.raises(XnerError, match="X601"):
        spacy_files(tmp_path / "no")
    with pytest.raises(XnerError, match="X007"):
        list(read_docs(tmp_path, Vocab()))


def test_errors_of_the_file_system_pass(tmp_path, doc, monkeypatch):
    write_docs(tmp_path / "a.spacy", [doc])

    def fail(self, path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("spacy.tokens.DocBin.from_disk", fail)
    with pytest.raises(PermissionError):
        list(read_docs(tmp_path, Vocab()))
