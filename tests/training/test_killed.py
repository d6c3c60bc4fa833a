"""Real trainings that are killed: what they leave can be used, and the next one finishes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import spacy
from typer.testing import CliRunner

from spacy_xner.checksums import SUMS, check_sums
from spacy_xner.cli import app
from spacy_xner.training.checkpoints import WORK

TESTS = Path(__file__).parents[1]
XNER = [sys.executable, "-m", "spacy", "xner"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
DEADLINE = 120.0


def command(output, *, steps=9):
    """A training with a checkpoint at every third step, each as good as the ones before."""
    paths = ["--paths.train", "gold.spacy", "--paths.dev", "gold.spacy"]
    limits = ["--training.max_steps", steps, "--training.eval_frequency", 3]
    return list(map(str, ["train", "config.cfg", "-o", output, *paths, *limits]))


def train(output):
    result = CliRunner().invoke(app, command(output))
    assert result.exit_code == 0, result.output
    return result.output


def hear_interrupts():
    """A shell has what it starts in the background ignore SIGINT, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def usable(model):
    """Is a model as it was written, and does it work?"""
    assert check_sums(model) == []
    doc = spacy.load(model)("Amina lives in Lagos .")
    assert len(doc.spans["xner"].attrs["scores"]) == len(doc.ents)


@pytest.fixture
def here(project, monkeypatch):
    monkeypatch.chdir(project)
    return project


@pytest.fixture(scope="module")
def undisturbed():
    """The checksums of a model that was trained in one go, found when they are first needed."""
    return {}


SAVE = "spacy_xner.pipeline.xner Xner.to_disk"
COPY = "shutil copyfile"
SUM = "spacy_xner.training.checkpoints write_sums"
EXCHANGE = "spacy_xner.training.checkpoints exchange"


@pytest.mark.parametrize(
    ("where", "number", "when", "last"),
    [
        pytest.param(SAVE, 2, "before", False, id="while a better one is saved"),
        pytest.param(COPY, 12, "before", False, id="while a better one is copied"),
        pytest.param(SUM, 2, "before", False, id="before it has checksums"),
        pytest.param(EXCHANGE, 1, "after", False, id="before the old one is removed"),
        pytest.param(
            "spacy_xner.training.run write_bytes", 1, "before", True, id="before the stamp"
        ),
    ],
)
def test_a_kill_leaves_the_best_model_and_the_next_run_finishes(
    here, undisturbed, where, number, when, last
):
    if not undisturbed:
        train("undisturbed")
        undisturbed["sums"] = Path("undisturbed/model-last", SUMS).read_text()
    script = [sys.executable, TESTS / "kill_at.py", *where.split(), str(number), when]
    done = subprocess.run([*script, *command("out")], env=ENVIRONMENT, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()

    usable(Path("out/model-best"))
    assert Path("out/model-last").exists() is last

    assert "Trained" in train("out")
    assert "Nothing to do" in train("out")
    assert Path("out/model-last", SUMS).read_text() == undisturbed["sums"]
    usable(Path("out/model-best"))
    assert not Path("out", WORK).exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_leaves_the_best_model(here, number):
    arguments = command("out", steps=1_000_000)
    with Path("log").open("w") as log:
        process = subprocess.Popen(
            [*XNER, *arguments], env=ENVIRONMENT, stdout=log, stderr=log, preexec_fn=hear_interrupts
        )
    try:
        end = time.monotonic() + DEADLINE
        while not Path("out/model-best").exists():
            assert process.poll() is None and time.monotonic() < end, Path("log").read_text()
            time.sleep(0.01)
        # A second run is refused while the first one lives.
        refused = CliRunner().invoke(app, arguments)
        assert (refused.exit_code, "[X701]" in refused.output) == (1, True), refused.output
        process.send_signal(number)
        assert process.wait(DEADLINE) != 0
    finally:
        process.kill()
        process.wait()
    usable(Path("out/model-best"))
    assert not Path("out/model-last").exists() and not Path("out/train.json").exists()
    train("out")
    usable(Path("out/model-last"))
