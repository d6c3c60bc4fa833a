"""The script that fine-tunes language models as the project does, on a tiny one."""

import importlib.util
from pathlib import Path

import pytest
import spacy
from tiny_language_model import save_tiny_language_model
from typer.testing import CliRunner

from spacy_xner.shards import write_docs

pytest.importorskip("peft")
ROOT = Path(__file__).parents[1]


@pytest.fixture
def run(tmp_path, gold_docs, monkeypatch):
    spec = importlib.util.spec_from_file_location("llm", ROOT / "scripts" / "llm.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "corpus").mkdir()
    for name in ("en-train", "en-dev", "de-train", "de-dev"):
        write_docs(tmp_path / "corpus" / f"{name}.spacy", gold_docs)
    text = (ROOT / "configs" / "teacher_llm.cfg").read_text("utf8")
    # As many updates as a test can wait for.
    monkeypatch.setattr("spacy_xner.training.run.MIN_STEPS", 2)
    (tmp_path / "llm.cfg").write_text(text)
    base = save_tiny_language_model(tmp_path / "base")

    def call(how, *options):
        arguments = [
            str(tmp_path / "corpus"),
            str(tmp_path / "out"),
            "--sources",
            "en de",
            "--targets",
            "sw",
        ]
        arguments += ["--how", how, "--config", str(tmp_path / "llm.cfg"), "--model", str(base)]
        arguments += ["--built", str(tmp_path / "built"), "--epochs", "1", *options]
        result = CliRunner().invoke(module.app, arguments)
        return result.exit_code, " ".join(result.output.split())

    return call


def read(path):
    return spacy.load(path).config["corpora"]["train"]["folders"]


def test_none(run, tmp_path):
    code, output = run("none")
    assert (code, "nothing to do" in output) == (0, True), output
    assert not (tmp_path / "out").exists()


def test_nobody_could_judge_it_beside_one_teacher(run, tmp_path):
    code, output = run("pooled", "--pooled", "true")
    assert (code, "X308" in output, "llm_heard" in output) == (1, True, True), output
    assert not (tmp_path / "out").exists()


def test_one_for_all_sources(run, tmp_path):
    code, output = run("pooled", "--limit", "2")
    assert code == 0, output
    assert read(tmp_path / "out" / "llm" / "model-last") == ["en-train.spacy", "de-train.spacy"]
    code, output = run("pooled", "--limit", "2")
    assert "Nothing to do" in output


def test_one_for_each_source(run, tmp_path):
    code, output = run("each")
    assert code == 0, output
    for name in ("en", "de"):
        assert read(tmp_path / "out" / f"llm-{name}" / "model-last") == [f"{name}-train.spacy"]
