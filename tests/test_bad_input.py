"""Bad input, as a user meets it: one clear message, a non-zero exit, nothing lost."""

import errno
import importlib.util
import os
import shutil
from pathlib import Path

import handmade
import pytest
import spacy
import typer
from handmade import ENSEMBLE, save_ruler, save_teachers, shard
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_xner import shards
from spacy_xner.cli import app
from spacy_xner.shards import read_docs, write_docs

SCRIPTS = Path(__file__).parents[1] / "scripts"
STRANGE = [
    "Ana 👩‍👩‍👧‍👦 met 🇰🇪 Bob 🤷🏽‍♀️",
    "التقت آنا بوب في لاغوس",
    "\u202bAna\u202c met \u2067Bob\u2069",
    "A\u0301na\u0308 met Bo\u0304\u0300b",
    "A\u200bna met\u200d B\ufeffob in\u2060 Lagos",
]


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A folder with a saved ensemble, its teachers, text, silver and a training config."""
    folder = tmp_path_factory.mktemp("origin")
    save_teachers(folder, {"Ana": "PER", "Lagos": "LOC"})
    (folder / "raw.txt").write_text("".join(f"Ana met {i} in Lagos\n" for i in range(9)))
    here = Path.cwd()
    os.chdir(folder)
    try:
        for arguments in (
            "ensemble ensemble.cfg ensemble -t tagger=tagger --span-teacher names=names",
            "annotate ensemble raw.txt silver --shard-size 3",
        ):
            result = CliRunner().invoke(app, arguments.split())
            assert result.exit_code == 0, result.output
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def folder(origin, project, monkeypatch):
    """A copy that may be spoilt, with the config and the gold documents of `project`."""
    shutil.copytree(origin, project, dirs_exist_ok=True)
    monkeypatch.chdir(project)
    return project


def call(command, *, on=app):
    return handmade.call(*command.split(), on=on)


def fails(command, code, *, on=app):
    status, output = call(command, on=on)
    assert status == 1, output
    assert f"[{code}]" in output, output
    assert output.count("✘") == 1, output
    return output


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def texts(path):
    return [doc.text for doc in read_docs(path, Vocab())]


def test_missing_teacher(folder):
    before = contents(folder / "silver")
    shutil.rmtree(folder / "names")
    assert "'names'" in fails("annotate ensemble raw.txt silver --limit 4 --force", "X401")
    assert contents(folder / "silver") == before


def test_teacher_of_another_label_set(folder):
    save_ruler(folder / "dates", {"May": "DATE"})
    output = fails("ensemble ensemble.cfg new -t a=tagger --span-teacher b=dates", "X402")
    assert "'b'" in output
    shutil.rmtree(folder / "names")
    (folder / "dates").rename(folder / "names")
    assert "'names'" in fails("annotate ensemble raw.txt silver --limit 4 --force", "X406")


def test_empty_and_white_texts(folder):
    (folder / "white.txt").write_text("\n   \n\u200b\n\t\u3000\nAna left\n")
    assert call("annotate ensemble white.txt one")[0] == 0
    assert texts(folder / "one") == ["Ana left"]
    docs = [Doc(Vocab()), Doc(Vocab(), words=[" ", "\n"]), Doc(Vocab(), words=["Ana"])]
    write_docs(folder / "white.spacy", docs)
    assert call("annotate ensemble white.spacy two")[0] == 0
    assert texts(folder / "two") == ["Ana "]
    (folder / "none.txt").write_text("  \n")
    assert call("annotate ensemble none.txt three")[0] == 0
    fails("inspect three", "X007")


def test_one_megabyte(folder):
    word = "Ana met " + "x" * 9991 + " "
    text = (word * 100)[:999_994] + " Lagos"
    assert len(text) == 1_000_000
    (folder / "long.txt").write_text(f"{text}\nshort\n")
    assert call("annotate ensemble long.txt long")[0] == 0
    (doc, _) = read_docs(folder / "long", Vocab())
    assert doc.text == text
    assert {ent.text for ent in doc.ents} == {"Ana", "Lagos"}
    (folder / "longer.txt").write_text(f"short\n{text}.\n")
    status, output = call("annotate ensemble longer.txt longer")
    assert (status, "longer.txt:2" in output, "1000001" in output) == (3, True, True), output
    assert texts(folder / "longer") == ["short"]


def test_strange_characters(folder):
    (folder / "strange.txt").write_text("\n".join(STRANGE) + "\n", encoding="utf8")
    assert call("annotate ensemble strange.txt strange")[0] == 0
    assert texts(folder / "strange") == STRANGE
    assert call("inspect strange")[0] == 0
    (folder / "nul.txt").write_bytes(b"Ana left\nBo\0b\n")
    status, output = call("annotate ensemble nul.txt nul")
    assert (status, "nul.txt:2: it holds a NUL byte" in output) == (3, True), output


@pytest.mark.parametrize(
    "command",
    [
        "annotate ensemble half.spacy out",
        "inspect half.spacy",
        "evaluate tagger half.spacy --labels PER,LOC",
        "leakage half.spacy --against gold.spacy",
        "train config.cfg -o out --paths.train half.spacy --paths.dev gold.spacy",
    ],
    ids=lambda command: command.split()[0],
)
@pytest.mark.parametrize("spoil", ["truncated", "not a DocBin", "wrong msgpack"])
def test_damaged_docbin(command, spoil, folder):
    import zlib

    import srsly

    data = shard(folder / "silver", 0).read_bytes()
    wrong = {
        "truncated": data[: len(data) // 2],
        "not a DocBin": b"PK\x03\x04 something else",
        "wrong msgpack": zlib.compress(srsly.msgpack_dumps({"a": 1})),
    }
    (folder / "half.spacy").write_bytes(wrong[spoil])
    assert "half.spacy" in fails(command, "X006")


@pytest.mark.parametrize(
    "command",
    [
        "inspect newer.spacy",
        "train config.cfg -o out --paths.train newer.spacy --paths.dev gold.spacy",
    ],
    ids=lambda command: command.split()[0],
)
def test_silver_of_a_newer_version(command, folder):
    docs = list(read_docs(folder / "silver", Vocab()))
    for doc in docs:
        doc.user_data["xner"]["version"] = 99
    write_docs(folder / "newer.spacy", docs)
    assert "99" in fails(command, "X004")


@pytest.mark.parametrize(("old", "new"), [("UniformWeights", "Loudest"), ("LinearPool", "Whirl")])
def test_unknown_weight_or_pool(old, new, folder):
    (folder / "wrong.cfg").write_text(ENSEMBLE.replace(old, new))
    assert new in fails("ensemble wrong.cfg out -t tagger=tagger", "X607")
    path = folder / "ensemble" / "config.cfg"
    path.write_text(path.read_text().replace(old, new))
    output = fails("annotate ensemble raw.txt out", "X604")
    assert new in output
    assert "Available names" not in output


@pytest.mark.parametrize(
    "command",
    [
        "annotate ensemble raw.txt out",
        "evaluate tagger gold.spacy",
        "train config.cfg -o out --paths.train gold.spacy --paths.dev gold.spacy",
    ],
    ids=lambda command: command.split()[0],
)
def test_gpu_where_there_is_none(command, folder):
    fails(f"{command} --gpu-id 97", "X602")
    assert not (folder / "out").exists()


def test_full_disk_while_writing_a_shard(folder, monkeypatch):
    expected = contents(folder / "silver")
    room = [2]
    real = os.fsync

    def full(descriptor):
        # A shard and a manifest fit, and then nothing more.
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(shards.os, "fsync", full)
    status, output = call("annotate ensemble raw.txt other --shard-size 3")
    assert status == 1
    assert "No space left on device" in output
    assert output.count("✘") == 1
    left = contents(folder / "other")
    names = sorted(path.name for path in left if path.suffix == ".spacy")
    assert [name[:11] for name in names] == ["part-000000"]
    assert len(texts(folder / "other")) == 3
    assert call("inspect other")[0] == 0
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert call("annotate ensemble raw.txt other --shard-size 3")[0] == 0
    assert contents(folder / "silver") == expected
    assert texts(folder / "other") == texts(folder / "silver")


def script(name):
    spec = importlib.util.spec_from_file_location(f"script_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert isinstance(module.app, typer.Typer)
    return module.app


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("prepare", "none.json out --sources en --targets sw", "[X601]"),
        ("prepare", "raw.txt out --sources en --targets sw", "[X218]"),
        ("fetch_assets", "nowhere", "[X213]"),
        ("annotate", "{0} . silver {1} {2} --config ensemble.cfg", "[X401]"),
        ("annotate", "{0} . silver {1} {2} --config none.cfg", "[X601]"),
        (
            "student",
            "none source out --config config.cfg --encoder e --built b --against t {1}",
            "[X601]",
        ),
        ("report", "none.json packages --package xx_student-1", "[X601]"),
    ],
)
def test_scripts_say_what_is_missing(name, arguments, code, folder):
    (folder / "text").mkdir()
    ensemble = "--ensemble e --cache c --influence i --weights uniform --pool linear"
    arguments = arguments.format("text", "--sources en --targets sw", ensemble)
    status, output = call(arguments, on=script(name))
    assert status == 1, output
    assert code in output
    assert output.count("✘") == 1


def test_user_data_of_others_is_left_alone(folder):
    """A .spacy file with other user data, and one without any."""
    nlp = spacy.blank("xx")
    doc = nlp("Ana left")
    doc.user_data["mine"] = 1
    DocBin(docs=[doc], store_user_data=True).to_disk(folder / "mine.spacy")
    DocBin(docs=[doc]).to_disk(folder / "plain.spacy")
    for name in ("mine", "plain"):
        fails(f"inspect {name}.spacy", "X005")
