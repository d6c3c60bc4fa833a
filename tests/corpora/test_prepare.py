import json
from pathlib import Path

import pytest
import srsly
from spacy.vocab import Vocab

from spacy_xner.corpora.docs import read_text
from spacy_xner.corpora.prepare import prepare_source, prepare_target
from spacy_xner.errors import XnerError
from spacy_xner.shards import read_docs

ROOT = Path(__file__).parents[2]
LEAK = "Rais Amani Kibet alizindua daraja jipya la Mto Mbuni siku ya Jumapili"


def columns(*sentences):
    lines = ("\n".join(f"{word} O" for word in sentence.split()) for sentence in sentences)
    return "\n\n".join(lines) + "\n"


@pytest.fixture
def catalogue(tmp_path):
    """Two languages made by hand: "aa" with all sets, "bb" with nothing but a test set."""
    (tmp_path / "labels.json").write_text('{"PER": "PER", "LOC": "LOC", "DATE": ""}')
    train = [f"Ana B-PER\nin O\nMay B-DATE\n{i} O\n" for i in range(40)]
    (tmp_path / "train").write_text("\n".join(train))
    (tmp_path / "dev").write_text(columns("kila mtu alifika mapema", LEAK))
    (tmp_path / "test").write_text(columns("mvua ilinyesha sana", "jua liliwaka"))
    entry = {"format": "conll", "labels": str(tmp_path / "labels.json")}
    entry |= {split: str(tmp_path / split) for split in ("train", "dev", "test")}
    return {"aa": entry, "bb": {key: entry[key] for key in ("format", "labels", "test", "dev")}}


def texts(path):
    return [record.text for record in read_text(path)]


def test_source(catalogue, tmp_path):
    counts = prepare_source(catalogue, "aa", tmp_path / "out")
    assert counts == {"train": 40, "dev": 2}
    docs = list(read_docs(tmp_path / "out" / "source" / "aa-train.spacy", Vocab()))
    assert [(ent.text, ent.label_) for ent in docs[7].ents] == [("Ana", "PER")]
    assert len(list(read_docs(tmp_path / "out" / "source" / "aa-dev.spacy", Vocab()))) == 2


def test_source_sample_is_random_but_repeatable(catalogue, tmp_path):
    def sample(name, seed):
        counts = prepare_source(catalogue, "aa", tmp_path / name, limit=10, seed=seed)
        assert counts == {"train": 10, "dev": 1}
        path = tmp_path / name / "source" / "aa-train.spacy"
        return [doc[3].text for doc in read_docs(path, Vocab())]

    first = sample("one", 0)
    assert first == sorted(first, key=int)
    assert first == sample("two", 0) != sample("three", 1)


def test_text_of_a_public_corpus_is_its_training_set_without_labels(catalogue, tmp_path):
    counts = prepare_target(catalogue, "aa", tmp_path / "out", assets=tmp_path / "assets")
    assert counts == {"unlabelled": 40, "dropped": 0, "test": 2}
    lines = (tmp_path / "out" / "unlabelled" / "aa.jsonl").read_text("utf8").splitlines()
    assert json.loads(lines[2]) == {
        "id": "aa-train:3",
        "text": "Ana in May 2",
        "tokens": ["Ana", "in", "May", "2"],
    }
    assert not [key for line in lines for key in json.loads(line) if key in ("ents", "tags")]
    assert len(list(read_docs(tmp_path / "out" / "test" / "aa-test.spacy", Vocab()))) == 2


def test_leaked_sentences_of_public_text_are_dropped_and_counted(catalogue, tmp_path):
    path = tmp_path / "raw.txt"
    path.write_text(f"habari nyingine kabisa\n{LEAK.upper()} !\nMvua ilinyesha sana.\nsawa\n")
    catalogue["bb"]["unlabelled"] = str(path)
    counts = prepare_target(catalogue, "bb", tmp_path / "out", assets=tmp_path)
    assert counts == {"unlabelled": 2, "dropped": 2, "test": 2}
    found = tmp_path / "out" / "unlabelled" / "bb.jsonl"
    assert texts(found) == ["habari nyingine kabisa", "sawa"]
    assert "tokens" in json.loads(found.read_text("utf8").splitlines()[0])


@pytest.mark.parametrize("suffix", [".txt", ".jsonl"])
def test_own_text_comes_first_and_keeps_its_form(suffix, catalogue, tmp_path):
    line = "Habari, wewe!  Karibu."
    data = line if suffix == ".txt" else json.dumps({"text": line, "id": "mine"})
    (tmp_path / f"aa{suffix}").write_text(data + "\n")
    counts = prepare_target(catalogue, "aa", tmp_path / "out", assets=tmp_path)
    assert counts == {"unlabelled": 1, "dropped": 0, "test": 2}
    (record,) = read_text(tmp_path / "out" / "unlabelled" / "aa.jsonl")
    assert record.text == line
    assert record.words is None
    assert record.id == ("mine" if suffix == ".jsonl" else "aa.txt:1")


def test_own_text_that_leaks_is_refused(catalogue, tmp_path):
    (tmp_path / "aa.txt").write_text(f"mpya\nLeo: {LEAK}, ndiyo.\n")
    with pytest.raises(XnerError, match=r"X206.*1 of 2.*text 2"):
        prepare_target(catalogue, "aa", tmp_path / "out", assets=tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_language_that_no_catalogue_knows(catalogue, tmp_path):
    (tmp_path / "zz.txt").write_text("mpya\nnyingine\n")
    stale = tmp_path / "out" / "test" / "zz-test.spacy"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"of an earlier run")
    counts = prepare_target(catalogue, "zz", tmp_path / "out", assets=tmp_path)
    assert counts == {"unlabelled": 2, "dropped": 0, "test": 0}
    assert not stale.exists()


def test_missing_things(catalogue, tmp_path):
    with pytest.raises(XnerError, match=r"X215.*'train'.*'qq'.*aa.*bb"):
        prepare_source(catalogue, "qq", tmp_path / "out")
    with pytest.raises(XnerError, match=r"X215.*'train'.*'bb'"):
        prepare_source(catalogue, "bb", tmp_path / "out")
    for language in ("bb", "qq"):
        with pytest.raises(XnerError, match=rf"X216.*'{language}'"):
            prepare_target(catalogue, language, tmp_path / "out", assets=tmp_path / "assets")
    with pytest.raises(XnerError, match=r"X215.*'labels'"):
        prepare_source({"aa": {"train": "train", "format": "conll"}}, "aa", tmp_path / "out")
    Path(catalogue["aa"]["dev"]).unlink()
    with pytest.raises(XnerError, match=r"X217.*dev"):
        prepare_source(catalogue, "aa", tmp_path / "out")
    with pytest.raises(XnerError, match=r"X217.*dev"):
        prepare_target(catalogue, "aa", tmp_path / "out", assets=tmp_path)


def test_embedded_catalogue(tmp_path, monkeypatch):
    """Its files are there, of the sizes that it promises, and none of its raw text leaks."""
    monkeypatch.chdir(ROOT)
    catalogue = srsly.read_json("assets/demo.json")
    for language in ("en", "es", "de"):
        counts = prepare_source(catalogue, language, tmp_path)
        assert counts["train"] + counts["dev"] >= 150
    counts = prepare_target(catalogue, "sw", tmp_path, assets=Path("assets"))
    assert counts["unlabelled"] >= 300
    assert counts["test"] >= 120
    assert counts["dropped"] == 0


def test_catalogue_of_public_corpora_can_be_read():
    catalogue = srsly.read_json(ROOT / "assets/masakhaner.json")
    for entry in catalogue.values():
        assert (ROOT / entry["labels"]).is_file()
        assert entry["format"] in ("conll", "uner", "wikineural", "germeval")
