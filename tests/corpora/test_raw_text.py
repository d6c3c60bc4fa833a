import gzip
import io
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xner.corpora import raw_text
from spacy_xner.corpora.columns import Sentence
from spacy_xner.corpora.docs import to_docbin
from spacy_xner.corpora.raw_text import (
    MAX_LENGTH,
    MAX_METADATA,
    STDIN,
    BadText,
    RawText,
    TextSource,
    read_text,
)
from spacy_xner.errors import XnerError
from spacy_xner.shards import write_docs

LINES = ["Ana left", "", "Bob  met Ana", "\u200b", "Lagos is big", "Zuri"]
KEPT = ["Ana left", "Bob  met Ana", "Lagos is big", "Zuri"]


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
    assert list(read_text(path)) == [
        RawText("7", "Ana  saw\nRio", None, {"meta": {"x": 1}}),
        RawText("a.jsonl:2", "Ana saw", ["Ana", "saw"]),
    ]


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
    with pytest.raises(XnerError, match=rf"X205.*{name}.*:2.*{reason}"):
        list(read_text(path))
    first, bad, last = (item for _, item in TextSource(path).items())
    assert (first.text, last.text) == ("ok", "ok")
    assert bad.where == f"{name}:2"
    assert reason in bad.reason


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


# Packed files, tables, standard input


def pack(data, suffix):
    return {"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}[suffix](data)


def items(path, **settings):
    return list(TextSource(path, **settings).items())


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", ["txt", "jsonl"])
def test_packed_lines_are_read_from_any_place(tmp_path, suffix, kind):
    lines = LINES if kind == "txt" else [json.dumps({"text": x, "n": 1}) for x in LINES]
    data = "".join(f"{line}\n" for line in lines).encode()
    path = write(tmp_path, f"a.{kind}{suffix}", pack(data, suffix))
    found = items(path)
    assert [item.text for _, item in found] == KEPT
    assert [item.id for _, item in found] == [f"a.{kind}{suffix}:{n}" for n in (1, 3, 5, 6)]
    for i, (place, _) in enumerate(found):
        assert list(TextSource(path).items(place)) == found[i:]


def test_two_frames_in_one_packed_file(tmp_path):
    """As `cat a.gz b.gz` gives, and tools that pack in parallel."""
    parts = b"one\ntw", b"o\nthree\n"
    for suffix in (".gz", ".zst"):
        path = write(tmp_path, f"a.txt{suffix}", b"".join(pack(part, suffix) for part in parts))
        assert [record.text for record in read_text(path)] == ["one", "two", "three"]


@given(st.lists(st.sampled_from(["Ana", "", "ß ü", "\u2028", "x" * 300]), min_size=1, max_size=30))
def test_any_place_of_a_folder(tmp_path_factory, lines):
    folder = tmp_path_factory.mktemp("text")
    half = len(lines) // 2
    write(folder, "a.txt", "\n".join(lines[:half]))
    write(folder, "b.txt.gz", gzip.compress("\r\n".join(lines[half:]).encode()))
    found = items(folder)
    assert [item.text for _, item in found] == [x for x in lines if x not in ("", "\u2028")]
    for i, (place, _) in enumerate(found):
        assert list(TextSource(folder).items(place)) == found[i:]


def test_parquet(tmp_path):
    rows = {
        "text": ["Ana left", None, "  ", "Bob"],
        "tokens": [None, ["Bob", "'s"], None, None],
        "id": ["x", None, None, 4],
        "day": [None, None, None, 20],
    }
    table = pa.table({**rows, "id": pa.array(["x", None, None, "4"])})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    found = items(tmp_path / "a.parquet")
    assert [item for _, item in found] == [
        RawText("x", "Ana left", None),
        RawText("a.parquet:2", "Bob 's", ["Bob", "'s"]),
        RawText("4", "Bob", None, {"day": 20}),
    ]
    assert list(TextSource(tmp_path / "a.parquet").items(found[1][0])) == found[1:]
    times = pa.table({"text": ["Ana"], "at": pa.array([10**15], pa.timestamp("us"))})
    pq.write_table(times, tmp_path / "b.parquet")
    ((_, record),) = items(tmp_path / "b.parquet")
    assert record.meta == {"at": "2001-09-09T01:46:40"}
    write(tmp_path, "c.parquet", b"PAR1 and nothing else")
    with pytest.raises(XnerError, match=r"X220.*c\.parquet"):
        items(tmp_path / "c.parquet")


def test_id_and_metadata_of_a_doc(tmp_path):
    doc = Doc(Vocab(), words=["Ana", "left"])
    doc.user_data.update({"id": "a:7", "meta": {"page": 3}})
    write_docs(tmp_path / "a.spacy", [doc])
    assert list(read_text(tmp_path / "a.spacy")) == [
        RawText("a:7", "Ana left", ["Ana", "left"], {"page": 3})
    ]


@pytest.mark.parametrize("kind", ["txt", "jsonl"])
def test_standard_input(monkeypatch, kind):
    data = b"Ana\n\nBob\n" if kind == "txt" else b'{"text": "Ana"}\n\n{"text": "Bob"}\n'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    source = TextSource(STDIN, stdin_format=kind)
    assert [item for _, item in source.items()] == [
        RawText("stdin:1", "Ana", None),
        RawText("stdin:3", "Bob", None),
    ]
    assert source.read_share() is None


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_packed_file_that_is_cut_off(tmp_path, suffix):
    data = pack("".join(f"text {i * 7919 % 1000}\n" for i in range(5000)).encode(), suffix)
    path = write(tmp_path, f"a.txt{suffix}", data[: len(data) // 2])
    with pytest.raises(XnerError, match=r"X220.*a\.txt"):
        items(path)
    path.write_bytes(b"no archive at all")
    with pytest.raises(XnerError, match=r"X220.*a\.txt"):
        items(path)


@pytest.mark.parametrize(
    ("name", "package"), [("a.txt.zst", "backports.zstd"), ("a.parquet", "pyarrow")]
)
def test_a_package_that_is_not_installed(tmp_path, monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delattr("backports.zstd", raising=False)
    with pytest.raises(XnerError, match=rf"X221.*{package}.*spacy-xner\[formats\]"):
        items(write(tmp_path, name, b"x"))


# What cannot be used


def test_a_line_without_an_end_is_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(raw_text, "MAX_LINE", 100)
    for length in (99, 100, 101, 199, 200, 201, 950):
        path = write(tmp_path, "a.txt", b"ok\n" + b"x" * length + b"\nBob\n")
        found = items(path)
        assert [item.id for _, item in found] == ["a.txt:1", "a.txt:2", "a.txt:3"]
        assert isinstance(found[1][1], BadText) == (length > 100)
        assert list(TextSource(path).items(found[2][0])) == found[2:]
    path = write(tmp_path, "a.txt", b"x" * 100)
    ((_, record),) = items(path)
    assert record.text == "x" * 100


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ({"a": "x" * MAX_METADATA}, "65"),
        ({"a": 2**80}, "cannot be kept"),
        ({"a": "\ud800"}, "kept"),
    ],
)
def test_metadata_that_is_too_large_or_strange(tmp_path, meta, reason):
    path = write(tmp_path, "a.jsonl", json.dumps({"text": "Ana", "id": "1", **meta}))
    ((_, bad),) = items(path)
    assert isinstance(bad, BadText)
    assert (bad.id, bad.where, bad.text) == ("1", "a.jsonl:1", "Ana")
    assert "metadata" in bad.reason
    assert reason in bad.reason


def test_share_of_the_bytes(tmp_path):
    write(tmp_path, "a.txt", "Ana\n" * 5000)
    write(tmp_path, "b.txt", "Bob\n" * 15000)
    source, shares = TextSource(tmp_path), []
    for _ in source.items():
        shares.append(source.read_share())
    assert shares == sorted(shares)
    assert shares[0] < 0.25
    assert 0.25 <= shares[5000] < 0.75
    assert shares[-1] == 1.0
