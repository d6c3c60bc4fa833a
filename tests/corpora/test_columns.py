import json
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_xner.corpora.assets import Asset
from spacy_xner.corpora.columns import Report, is_empty, read_sentences
from spacy_xner.corpora.label_map import read_label_map
from spacy_xner.errors import XnerError

ROOT = Path(__file__).parents[2]
CORPORA = ROOT.parent / "shared" / "corpora"


def read(tmp_path, data, **kwargs):
    path = tmp_path / "x.txt"
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    report = Report()
    found = list(read_sentences(path, report=report, **kwargs))
    return [(list(s.tokens), list(s.tags)) for s in found], report


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("conll", "Ana B-PER\nsaw O\n\n# O\nRio B-LOC"),
        ("conll", "Ana\tNNP\tB-PER\nsaw\tVB\tO\n\n\n#\t_\tO\nRio\t_\tB-LOC\n"),
        ("conll", "-DOCSTART- -X- O O\n\nAna B-PER\nsaw O\n-DOCSTART- O\n# O\nRio B-LOC\n"),
        ("uner", "# text = x\n1\tAna\tB-PER\t-\tme\n2\tsaw\tO\n\n# y\n1\t#\tO\n2\tRio\tB-LOC\n"),
        ("wikineural", "0\tAna\tB-PER\n1\tsaw\tO\n\n0\t#\tO\n1\tRio\tB-LOC\n"),
        (
            "germeval",
            "#\tu\n1\tAna\tB-PER\tO\n2\tsaw\tO\tB-LOC\n\n1\t#\tO\tO\t\n2\tRio\tB-LOC\tO",
        ),
    ],
)
@pytest.mark.parametrize("dress", ["plain", "crlf", "bom"])
def test_every_format_reads_the_same(tmp_path, format, text, dress):
    data = text.replace("\n", "\r\n") if dress == "crlf" else text
    found, report = read(tmp_path, "\ufeff" * (dress == "bom") + data, format=format)
    assert found == [(["Ana", "saw"], ["B-PER", "O"]), (["#", "Rio"], ["O", "B-LOC"])]
    assert (report.sentences, report.tokens) == (2, 4)
    assert report.entities == {"PER": 1, "LOC": 1}


@pytest.mark.parametrize("empty", ["", "\u200b", "\u00a0", "\ufeff", "\ufe0f", "\u200d\ufe0f"])
def test_empty_tokens_are_dropped_and_entities_keep_their_extent(tmp_path, empty):
    rows = [("a", "O"), (empty, "B-PER"), ("b", "I-PER"), (empty, "I-PER"), ("c", "I-PER")]
    rows += [("d", "B-PER"), (empty, "B-LOC"), ("e", "O")]
    text = "".join(f"{i}\t{token}\t{tag}\n" for i, (token, tag) in enumerate(rows))
    found, report = read(tmp_path, f"{text}\n0\t{empty}\tO\n", format="wikineural")
    assert found == [(["a", "b", "c", "d", "e"], ["O", "B-PER", "I-PER", "B-PER", "O"])]
    assert (report.empty_tokens, report.sentences) == (4, 1)


def test_an_empty_token_in_a_space_separated_file(tmp_path):
    found, report = read(tmp_path, " B-LOC\nb I-LOC\n\u200b O\n", format="conll")
    assert found == [(["b"], ["B-LOC"])]
    assert report.empty_tokens == 2


def test_tokens_with_spaces_are_split(tmp_path):
    text = "1\tNew York\tB-LOC\n2\tCity\tI-LOC\n3\t34\u00a0470\tO\n"
    found, report = read(tmp_path, text, format="uner")
    assert found == [(["New", "York", "City", "34", "470"], ["B-LOC", "I-LOC", "I-LOC", "O", "O"])]
    assert report.split_tokens == 2


def test_unicode_line_ends_are_no_line_ends(tmp_path):
    found, _ = read(tmp_path, "a\x85b O\na\u2028 O\nc O\n", format="conll")
    assert found == [(["a", "b", "a", "c"], ["O"] * 4)]


def test_normal_forms(tmp_path):
    composed, decomposed = "\u00e9", "e\u0301"
    for form, expected in [("NFC", composed), ("NFD", decomposed), ("", decomposed)]:
        found, _ = read(tmp_path, f"{decomposed} O\n", format="conll", normalise=form)
        assert found[0][0] == [expected]


def test_stray_tags_are_repaired(tmp_path):
    found, report = read(tmp_path, "a I-PER\nb I-PER\nc S-LOC\n", format="conll")
    assert found[0][1] == ["B-PER", "I-PER", "B-LOC"]
    assert report.repaired == {"stray I-": 1, "S-": 1}


BAD = [
    ("conll", b"word\n", "columns"),
    ("conll", b"word B_PER\n", "B_PER"),
    ("conll", b"word \xff O\n", "UTF-8"),
    ("conll", b"wo\0rd O\n", "NUL"),
    ("wikineural", b"0\tword\tO\textra\n", "4 columns"),
    ("wikineural", b"# comment\n", "columns"),
    ("uner", b"word\tO\tO\n", "number"),
    ("germeval", b"1\tword\tO\n", "3 columns"),
]


@pytest.mark.parametrize(("format", "line", "reason"), BAD)
def test_malformed_lines(tmp_path, format, line, reason):
    good = {"conll": b"ok O\n", "germeval": b"1\tok\tO\tO\n"}.get(format, b"1\tok\tO\n")
    data = good + b"\n" + good + line + line + b"\n" + good
    with pytest.raises(XnerError, match=r"X201.*x\.txt.* line 4") as err:
        read(tmp_path, data, format=format)
    assert reason in str(err.value)
    found, report = read(tmp_path, data, format=format, skip_bad=True)
    assert found == [(["ok"], ["O"])] * 2
    assert (report.skipped_sentences, report.skipped_lines, report.sentences) == (1, 2, 2)


def test_a_huge_line_is_cut_in_the_message(tmp_path):
    with pytest.raises(XnerError) as err:
        read(tmp_path, b"x" * 10**6, format="conll")
    assert len(str(err.value)) < 1000


def test_unknown_format(tmp_path):
    with pytest.raises(XnerError, match=r"X202.*conll"):
        read(tmp_path, "", format="iob")


def test_labels_are_mapped_and_unnamed_ones_refused(tmp_path):
    text = "a B-GPE\nb B-LOC\nc I-LOC\nd B-MISC\n"
    labels = {"GPE": "LOC", "LOC": "LOC", "MISC": ""}
    found, _ = read(tmp_path, text, format="conll", labels=labels)
    assert found[0][1] == ["B-LOC", "B-LOC", "I-LOC", "O"]
    for skip_bad in (False, True):
        with pytest.raises(XnerError, match=r"X203.*'LCO'.*line 5"):
            read(tmp_path, text + "e B-LCO\n", format="conll", labels=labels, skip_bad=skip_bad)
    found, _ = read(tmp_path, text, format="conll", labels={"LOC": "PLACE", "*": ""})
    assert found[0][1] == ["O", "B-PLACE", "I-PLACE", "O"]


@pytest.mark.parametrize("content", ["{", "[]", '{"A": 1}', '{"A": {"B": "C"}}', "\ud800"])
def test_label_maps_must_be_flat_objects(tmp_path, content):
    path = tmp_path / "map.json"
    path.write_text(content, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(XnerError, match="X204"):
        read_label_map(path)


token = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\t\0"), min_size=1, max_size=6)
rows = st.lists(st.tuples(token, st.sampled_from(["O", "B-A", "I-A", "B-B"])), min_size=1)


@settings(deadline=None, max_examples=50)
@given(sentences=st.lists(rows, min_size=1, max_size=4))
def test_no_token_is_lost_or_moved(tmp_path_factory, sentences):
    text = "\n".join("".join(f"{i}\t{t}\t{g}\n" for i, (t, g) in enumerate(s)) for s in sentences)
    path = tmp_path_factory.mktemp("x")
    found, report = read(path, text, format="wikineural", normalise="")
    visible = [[p for t, _ in s for p in t.split() if not is_empty(p)] for s in sentences]
    visible = [words for words in visible if words]
    assert [tokens for tokens, _ in found] == visible
    assert all(len(tokens) == len(tags) for tokens, tags in found)
    assert report.tokens == sum(map(len, visible))


def public_files():
    sources = json.loads((ROOT / "assets" / "masakhaner.json").read_text())
    for language, entry in sources.items():
        for split in ("train", "dev", "test"):
            if split in entry:
                yield language, split, entry


@pytest.mark.skipif(not CORPORA.exists(), reason="the mirror of the public corpora is not here")
def test_public_files_read_with_their_label_maps():
    if not (ROOT / "project.yml").exists():
        pytest.skip("no project.yml to tell where the files lie in the mirror")
    from spacy_xner.corpora.assets import read_assets

    origin: dict[str, Asset] = {asset.dest: asset for asset in read_assets(ROOT)}
    repaired: Counter[str] = Counter()
    for language, split, entry in public_files():
        report = Report()
        labels = read_label_map(ROOT / entry["labels"])
        path = CORPORA / origin[entry[split]].mirror_path
        found = read_sentences(path, format=entry["format"], labels=labels, report=report)
        for _ in islice(found, 1500):  # enough to meet each kind of line, in a few seconds
            pass
        assert set(report.entities) == {"PER", "LOC", "ORG"}, (language, split)
        assert 0.002 < report.entities.total() / report.tokens < 0.2, (language, split)
        assert 5 < report.tokens / report.sentences < 40, (language, split)
        assert report.empty_tokens < 10, (language, split)
        repaired[language] += report.repaired.total()
    assert 0 < repaired["ru"] < 2000
    assert repaired["es"] == repaired["en"] == 0
