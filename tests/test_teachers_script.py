"""scripts/teachers.py is killed in the middle: a second run goes on where the first one ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from spacy.tokens import Doc
from spacy.util import load_config
from spacy.vocab import Vocab

from spacy_xner.checksums import check_sums
from spacy_xner.locks import lock_folder
from spacy_xner.shards import write_docs
from spacy_xner.training.checkpoints import WORK

SCRIPT = Path(__file__).parents[1] / "scripts/teachers.py"
DEADLINE = 240.0


@pytest.fixture
def command(project, gold_docs, monkeypatch):
    """Train two teachers, of whom the second one takes a while to be evaluated."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    config = Path("config.cfg")
    text = config.read_text("utf8").replace("[paths]\n", "[paths]\nencoder = null\n\n[system]\n")
    config.write_text(text.replace("[system]\n", "[system]\nseed = 0\n"), encoding="utf8")
    for language in ("aa", "bb"):
        write_docs(Path(f"{language}-train.spacy"), gold_docs)
    write_docs(Path("aa-dev.spacy"), gold_docs)
    write_docs(Path("bb-dev.spacy"), [*gold_docs, *[Doc(Vocab(), words=["a"] * 50)] * 500])
    options = ["--sources", "aa bb", "--config", "config.cfg", "--epochs", "0"]
    return [sys.executable, SCRIPT, ".", "out", *options, "--encoder", "none", "--built", "none"]


def test_finished_teachers_are_left_alone(command):
    first = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + DEADLINE
        while not Path("out/bb", WORK).exists():
            assert first.poll() is None and time.monotonic() < end
            time.sleep(0.01)
    finally:
        os.killpg(first.pid, signal.SIGKILL)  # with the training that it has started
        first.wait()
    assert Path("out/aa/train.json").exists() and not Path("out/bb/train.json").exists()
    files = {path: path.stat().st_mtime_ns for path in Path("out/aa").rglob("*") if path.is_file()}

    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Nothing to do" in Path("out/aa.log").read_text("utf8")
    assert "Trained" in Path("out/bb.log").read_text("utf8")
    after = {path: path.stat().st_mtime_ns for path in Path("out/aa").rglob("*") if path.is_file()}
    after.pop(lock := Path("out/aa/.xner.lock"))
    files.pop(lock)
    assert after == files
    assert check_sums(Path("out/bb/model-last")) == []


def test_one_teacher_of_all_sources(command):
    done = subprocess.run([*command, "--pooled", "true"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in Path("out").iterdir() if path.is_dir()] == ["pooled"]
    corpus = load_config("out/pooled/model-last/config.cfg")["corpora"]["train"]
    assert corpus["folders"] == ["aa-train.spacy", "bb-train.spacy"]
    assert Path("out/pooled/dev.spacy").is_file()
    again = subprocess.run([*command, "--pooled", "true"], capture_output=True, text=True)
    assert again.returncode == 0
    assert "Nothing to do" in Path("out/pooled.log").read_text("utf8")


def test_two_runs_in_one_folder(command):
    with lock_folder(Path("out")):
        done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, "[X701]" in done.stdout) == (1, True), done.stdout + done.stderr
    assert [path.name for path in Path("out").iterdir()] == [".xner.lock"]
