import pytest
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from typer.testing import CliRunner

import spacy_xner.cli.convert  # noqa: F401
import spacy_xner.cli.leakage  # noqa: F401
from spacy_xner.cli._app import app

COLUMNS = "\n\n".join(f"Ana{n} I-PER\nsaw O\n{'far O' * (n % 2)}\n" for n in range(20))


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.conll").write_text(COLUMNS)
    (tmp_path / "map.json").write_text('{"PER": "PERSON"}')

    def call(*args):
        result = CliRunner().invoke(app, list(args))
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, " ".join(result.output.split())

    return call


def docs(path):
    return list(DocBin(store_user_data=True).from_disk(path).get_docs(Vocab()))


def test_convert(run, tmp_path):
    code, output = run(
        "convert", "in.conll", "d/out.spacy", "-f", "conll", "--labels", "map.json", "--lang", "sw"
    )
    assert code == 0
    assert "PERSON 20" in output
    assert "stray I- 20" in output
    found = docs(tmp_path / "d" / "out.spacy")
    assert [doc.text for doc in found[:2]] == ["Ana0 saw", "Ana1 saw far"]
    assert {ent.label_ for doc in found for ent in doc.ents} == {"PERSON"}
    assert found[0].user_data["lang"] == "sw"


def test_sample_is_deterministic_and_in_order(run, tmp_path):
    def sample(name, seed):
        run("convert", "in.conll", name, "-f", "conll", "--text", "--limit", "5", "--seed", seed)
        return (tmp_path / name).read_text().splitlines()

    first = sample("a.txt", "1")
    assert first == sample("b.txt", "1") != sample("c.txt", "2")
    everything = [f"Ana{n} saw{' far' * (n % 2)}" for n in range(20)]
    assert len(first) == 5
    assert [line for line in everything if line in first] == first


def test_min_tokens(run, tmp_path):
    assert run("convert", "in.conll", "a.spacy", "-f", "conll", "--min-tokens", "3")[0] == 0
    assert len(docs(tmp_path / "a.spacy")) == 10
    code, output = run("convert", "in.conll", "b.spacy", "-f", "conll", "--min-tokens", "9")
    assert (code, "X207" in output) == (1, True)
    assert not (tmp_path / "b.spacy").exists()


def test_bad_lines_and_missing_files(run, tmp_path):
    (tmp_path / "bad.conll").write_text(COLUMNS + "\n\nbroken\n")
    code, output = run("convert", "bad.conll", "a.spacy", "-f", "conll")
    assert (code, "X201" in output, "line" in output) == (1, True, True)
    code, output = run("convert", "bad.conll", "a.spacy", "-f", "conll", "--skip-bad")
    assert (code, "1 (1 bad lines)" in output) == (0, True)
    assert run("convert", "none.conll", "b.spacy", "-f", "conll")[0] == 1
    assert run("convert", "in.conll", "b.spacy", "-f", "brat")[0] == 1
    assert not (tmp_path / "b.spacy").exists()


def test_leakage(run, tmp_path):
    run("convert", "in.conll", "test.spacy", "-f", "conll")
    (tmp_path / "raw.txt").write_text("ANA1 saw, far!\nSomething else\n")
    code, output = run("leakage", "raw.txt", "--against", "test.spacy")
    assert code == 1
    assert "1 of 2" in output
    assert "ANA1 saw" in output
    code, output = run(
        "leakage", "raw.txt", "--against", "in.conll", "--format", "conll", "--drop", "clean.txt"
    )
    assert (code, "Dropped 1 of 2" in output) == (0, True)
    assert (tmp_path / "clean.txt").read_text() == "Something else\n"
    assert run("leakage", "clean.txt", "--against", "test.spacy", "--against", "test.spacy")[0] == 0
    assert run("leakage", "clean.txt", "--against", "in.conll")[0] == 1  # not silently "no leakage"
