import importlib.util
import json
from pathlib import Path

import pytest
import srsly
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_xner.corpora.prepare import evaluation_texts, prepare_source, prepare_target
from spacy_xner.corpora.raw_text import read_text
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


def prepare(catalogue, language, output, *, assets, targets=()):
    """A target, checked against the test sets of all targets of the run."""
    evaluation = evaluation_texts(catalogue, targets or [language])
    return prepare_target(catalogue, language, output, evaluation, assets=assets)


def run_script(*arguments):
    """scripts/prepare.py: exit code and output, which is never a traceback."""
    spec = importlib.util.spec_from_file_location("script_prepare", ROOT / "scripts/prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = CliRunner().invoke(module.app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


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
    counts = prepare(catalogue, "aa", tmp_path / "out", assets=tmp_path / "assets")
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
    counts = prepare(catalogue, "bb", tmp_path / "out", assets=tmp_path)
    assert counts == {"unlabelled": 2, "dropped": 2, "test": 2}
    found = tmp_path / "out" / "unlabelled" / "bb.jsonl"
    assert texts(found) == ["habari nyingine kabisa", "sawa"]
    assert "tokens" in json.loads(found.read_text("utf8").splitlines()[0])


@pytest.mark.parametrize("suffix", [".txt", ".jsonl"])
def test_own_text_comes_first_and_keeps_its_form(suffix, catalogue, tmp_path):
    line = "Habari, wewe!  Karibu."
    data = line if suffix == ".txt" else json.dumps({"text": line, "id": "mine"})
    (tmp_path / f"aa{suffix}").write_text(data + "\n")
    counts = prepare(catalogue, "aa", tmp_path / "out", assets=tmp_path)
    assert counts == {"unlabelled": 1, "dropped": 0, "test": 2}
    (record,) = read_text(tmp_path / "out" / "unlabelled" / "aa.jsonl")
    assert record.text == line
    assert record.words is None
    assert record.id == ("mine" if suffix == ".jsonl" else "aa.txt:1")


def test_own_text_that_leaks_is_refused(catalogue, tmp_path):
    (tmp_path / "aa.txt").write_text(f"mpya\nLeo: {LEAK}, ndiyo.\n")
    with pytest.raises(XnerError, match=r"X206.*1 of 2.*text 2"):
        prepare(catalogue, "aa", tmp_path / "out", assets=tmp_path)
    assert not (tmp_path / "out").exists()


def test_evaluation_texts(catalogue):
    """Of all languages of a run; one without sets, or that nobody knows, has none."""
    catalogue["cc"] = {"format": "conll"}
    found = list(evaluation_texts(catalogue, ["bb", "cc", "zz"]))
    assert found == ["mvua ilinyesha sana", "jua liliwaka", "kila mtu alifika mapema", LEAK]
    assert list(evaluation_texts(catalogue, ["aa", "bb"])) == found * 2
    assert list(evaluation_texts(catalogue, [])) == []


def test_a_sentence_of_another_target_leaks_as_well(catalogue, tmp_path):
    """One student learns all targets of a run, so what it reads for one is read for all."""
    (tmp_path / "zz.txt").write_text(f"mpya\n{LEAK}\n")
    assert prepare(catalogue, "zz", tmp_path / "alone", assets=tmp_path)["unlabelled"] == 2
    with pytest.raises(XnerError, match=r"X206.*1 of 2.*text 2"):
        prepare(catalogue, "zz", tmp_path / "out", assets=tmp_path, targets=["zz", "bb"])
    path = tmp_path / "raw.txt"
    path.write_text(f"mpya\n{LEAK}\n")
    catalogue["yy"] = {**catalogue["bb"], "unlabelled": str(path)}
    del catalogue["yy"]["test"], catalogue["yy"]["dev"]
    counts = prepare(catalogue, "yy", tmp_path / "out", assets=tmp_path, targets=["bb", "yy"])
    assert counts == {"unlabelled": 1, "dropped": 1, "test": 0}


@pytest.mark.parametrize("own", [True, False])
def test_text_without_a_sentence(own, catalogue, tmp_path):
    """An empty file, and public text of which nothing is left."""
    path = tmp_path / ("bb.txt" if own else "raw.txt")
    path.write_text("\n \n" if own else f"{LEAK}\n")
    catalogue["bb"]["unlabelled"] = str(path)
    with pytest.raises(XnerError, match=r"X216.*'bb'"):
        prepare(catalogue, "bb", tmp_path / "out", assets=tmp_path)
    assert not list((tmp_path / "out").rglob("*.jsonl"))


def test_the_script_refuses_a_language_in_two_roles(catalogue, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    srsly.write_json(tmp_path / "all.json", catalogue)
    languages = ("--sources", "aa cc", "--targets", "bb cc aa")
    code, output = run_script("all.json", "out", *languages)
    assert code == 1
    assert "[X219]" in output and "aa, cc" in output
    assert not (tmp_path / "out").exists()


def test_a_teacher_of_all_sources_leaves_no_target_out(catalogue, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    srsly.write_json(tmp_path / "all.json", catalogue | {"cc": catalogue["aa"]})
    languages = ("--sources", "aa cc", "--targets", "aa", "--leave-one-out", "true")
    code, output = run_script("all.json", "out", *languages, "--pooled", "true")
    assert code == 1
    assert "[X225]" in output and "aa" in output
    assert not (tmp_path / "out").exists()


def test_the_script_lets_a_language_be_left_out(catalogue, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    srsly.write_json(tmp_path / "all.json", catalogue | {"cc": catalogue["aa"]})
    languages = ("--sources", "aa cc", "--targets", "aa", "--leave-one-out", "true")
    code, output = run_script("all.json", "out", *languages)
    assert code == 0, output
    found = sorted(path.name for path in Path("out").rglob("*.*"))
    expected = ["aa-dev.spacy", "aa-test.spacy", "aa-train.spacy", "aa.jsonl"]
    assert found == [*expected, "cc-dev.spacy", "cc-train.spacy"]


def test_the_script_checks_each_text_against_all_targets(catalogue, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    srsly.write_json(tmp_path / "all.json", catalogue)
    (tmp_path / "assets").mkdir()
    for name, text in {"bb": "mpya", "zz": LEAK}.items():
        (tmp_path / "assets" / f"{name}.txt").write_text(f"{text}\n")
    code, output = run_script("all.json", "out", "--sources", "aa", "--targets", "zz")
    assert code == 0, output
    assert "1 unlabelled, 0 test, 0 dropped" in output
    code, output = run_script("all.json", "out", "--sources", "aa", "--targets", "zz bb")
    assert (code, "[X206]" in output) == (1, True), output


def test_a_language_that_no_catalogue_knows(catalogue, tmp_path):
    (tmp_path / "zz.txt").write_text("mpya\nnyingine\n")
    stale = tmp_path / "out" / "test" / "zz-test.spacy"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"of an earlier run")
    counts = prepare(catalogue, "zz", tmp_path / "out", assets=tmp_path)
    assert counts == {"unlabelled": 2, "dropped": 0, "test": 0}
    assert not stale.exists()


def test_missing_things(catalogue, tmp_path):
    with pytest.raises(XnerError, match=r"X215.*'train'.*'qq'.*aa.*bb"):
        prepare_source(catalogue, "qq", tmp_path / "out")
    with pytest.raises(XnerError, match=r"X215.*'train'.*'bb'"):
        prepare_source(catalogue, "bb", tmp_path / "out")
    for language in ("bb", "qq"):
        with pytest.raises(XnerError, match=rf"X216.*'{language}'"):
            prepare(catalogue, language, tmp_path / "out", assets=tmp_path / "assets")
    with pytest.raises(XnerError, match=r"X215.*'labels'"):
        prepare_source({"aa": {"train": "train", "format": "conll"}}, "aa", tmp_path / "out")
    Path(catalogue["aa"]["dev"]).unlink()
    with pytest.raises(XnerError, match=r"X217.*dev"):
        prepare_source(catalogue, "aa", tmp_path / "out")
    with pytest.raises(XnerError, match=r"X217.*dev"):
        prepare(catalogue, "aa", tmp_path / "out", assets=tmp_path)


def test_embedded_catalogue(tmp_path, monkeypatch):
    """Its files are there, of the sizes that it promises, and none of its raw text leaks."""
    monkeypatch.chdir(ROOT)
    catalogue = srsly.read_json("assets/demo.json")
    for language in ("en", "es", "de"):
        counts = prepare_source(catalogue, language, tmp_path)
        assert counts["train"] + counts["dev"] >= 150
    counts = prepare(catalogue, "sw", tmp_path, assets=Path("assets"))
    assert counts["unlabelled"] >= 300
    assert counts["test"] >= 120
    assert counts["dropped"] == 0


def test_catalogue_of_public_corpora_can_be_read():
    catalogue = srsly.read_json(ROOT / "assets/masakhaner.json")
    for entry in catalogue.values():
        assert (ROOT / entry["labels"]).is_file()
        assert entry["format"] in ("conll", "uner", "wikineural", "germeval")
