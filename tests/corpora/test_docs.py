import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_xner.corpora.columns import Report, Sentence
from spacy_xner.corpora.docs import MAX_LENGTH, RawText, read_text, to_doc, to_docbin
from spacy_xner.errors import XnerError
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


def write(tmp_path, name, data):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    return path


def test_text_lines(tmp_path):
    path = write(tmp_path, "a.txt", "\ufeffHabari ya asubuhi .\r\n\n\u200b\nB\u2028C  \U0001f600\n")
    assert list(read_text(path)) == [
        RawText("a.txt:1", "Habari ya asubuhi .", None),
        RawText("a.txt:4", "B\u2028C  \U0001f600", None),
    ]
    assert list(read_text(path, tokenised=True))[1] == RawText(
        "a.txt:4", "B C \U0001f600", ["B", "C", "\U0001f600"]
    )


def test_jsonl(tmp_path):
    lines = [
        {"text": "Ana  saw\nRio", "id": 7, "meta": {"x": 1}},
        {"tokens": ["Ana", "saw"]},
        {"text": "   "},
        {"tokens": []},
    ]
    path = write(tmp_path, "a.jsonl", "\n".join(json.dumps(line) for line in lines))
    report = Report()
    assert list(read_text(path, report=report)) == [
        RawText("7", "Ana  saw\nRio", None),
        RawText("a.jsonl:2", "Ana saw", ["Ana", "saw"]),
    ]
    assert (report.sentences, report.tokens) == (2, 2)


def test_folder_in_sorted_order(tmp_path):
    write(tmp_path, "b.txt", "two\n")
    write(tmp_path, "c/d.txt", "four\n")
    write(tmp_path, "a.jsonl", '{"text": "one"}')
    write(tmp_path, "note.md", "not read")
    write(tmp_path, ".b.txt", "not read")
    to_docbin([Sentence(["thr", "ee"], ["B-X", "O"])]).to_disk(tmp_path / "c" / "a.spacy")
    assert list(read_text(tmp_path)) == [
        RawText("a.jsonl:1", "one", None),
        RawText("b.txt:1", "two", None),
        RawText("c/a.spacy:1", "thr ee", ["thr", "ee"]),
        RawText("c/d.txt:1", "four", None),
    ]


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("a.txt", b"a\xffb", "UTF-8"),
        ("a.txt", b"a\0b", "NUL"),
        ("a.txt", b"x" * (MAX_LENGTH + 1), "1000001 characters"),
        ("a.txt", b"\xed\xa0\x80", "UTF-8"),
        ("a.jsonl", b'{"text": "\\ud800"}', "surrogate"),
        ("a.jsonl", b'{"text": "a\\u0000b"}', "NUL"),
        ("a.jsonl", b"{", "Expecting"),
        ("a.jsonl", b"[" * 100_000, "nested"),
        ("a.jsonl", b'"text"', "object"),
        ("a.jsonl", b'{"text": 1}', "neither"),
        ("a.jsonl", b'{"tokens": ["a", ""]}', "tokens"),
        ("a.jsonl", b'{"tokens": "abc"}', "tokens"),
    ],
)
def test_bad_text_names_file_and_line(tmp_path, name, line, reason):
    good = b'{"text": "ok"}\n' if name == "a.jsonl" else b"ok\n"
    path = write(tmp_path, name, good + line + b"\n" + good)
    with pytest.raises(XnerError, match=rf"X205.*{name}.*line 2.*{reason}"):
        list(read_text(path))
    report = Report()
    assert [record.text for record in read_text(path, skip_bad=True, report=report)] == ["ok", "ok"]
    assert (report.skipped_lines, report.sentences) == (1, 2)


def test_one_megabyte_is_allowed(tmp_path):
    path = write(tmp_path, "a.txt", "ab " * (MAX_LENGTH // 3))
    (record,) = read_text(path, tokenised=True)
    assert len(record.words) == MAX_LENGTH // 3


def test_truncated_docbin(tmp_path):
    data = to_docbin([Sentence(["a", "b"], ["O", "O"])]).to_bytes()
    for content in (data[:-5], b"", b"not a docbin"):
        with pytest.raises(XnerError, match=r"X006.*a\.spacy"):
            list(read_text(write(tmp_path, "a.spacy", content)))


def test_missing_and_foreign_paths(tmp_path):
    with pytest.raises(XnerError, match="X601"):
        list(read_text(tmp_path / "none"))
    with pytest.raises(XnerError, match="X007"):
        list(read_text(tmp_path))
    with pytest.raises(XnerError, match="X007"):
        list(read_text(write(tmp_path, "a.conll", "word O\n")))
