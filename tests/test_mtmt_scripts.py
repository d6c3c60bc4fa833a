"""Two teachers, two tasks, by the project's own scripts and configs, on a tiny encoder."""

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest
import spacy
from spacy.vocab import Vocab
from tiny_checkpoint import WIDTH, save_tiny_checkpoint
from typer.testing import CliRunner

from spacy_xner.cli import app
from spacy_xner.ensemble.build import evaluators_of, trains_evaluator
from spacy_xner.errors import XnerError
from spacy_xner.pipeline.find import find_evaluator, find_xner
from spacy_xner.shards import read_docs, write_docs
from spacy_xner.silver import read_silver

ROOT = Path(__file__).parents[1]


def script(name):
    spec = importlib.util.spec_from_file_location(f"{name}_script", ROOT / f"scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def world(tmp_path, gold_docs, monkeypatch):
    """A folder with configs, an encoder, two sources and a target; eight updates a pipeline."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("spacy_xner.training.run.MIN_STEPS", 8)
    save_tiny_checkpoint(Path("encoder"))
    for name in ("source", "text", "configs", "test"):
        Path(name).mkdir()
    for config in (ROOT / "configs").glob("*.cfg"):
        text = config.read_text("utf8").replace("width = 384", f"width = {WIDTH}")
        text = text.replace('["LOC", "ORG", "PER"]', '["LOC", "PER"]')
        Path("configs", config.name).write_text(text, encoding="utf8")
    for source in ("en", "de"):
        for part in ("train", "dev"):
            write_docs(Path(f"source/{source}-{part}.spacy"), gold_docs)
    lines = [
        json.dumps({"tokens": ["Amina", "aliishi", "Lagos", ".", *("na",) * i]}) for i in range(4)
    ]
    Path("text/sw.jsonl").write_text("\n".join(lines), encoding="utf8")
    return tmp_path


def call(module, *arguments):
    result = CliRunner().invoke(module.app, list(map(str, arguments)))
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result.exit_code, " ".join(result.output.split())


def teachers(monkeypatch, config, *options):
    """The script, with the commands that it starts run in this process."""
    module = script("teachers")

    def run(command, *, stdout, **settings):
        result = CliRunner().invoke(app, command[4:])
        stdout.write(f"{result.output}{result.exception or ''}")
        return subprocess.CompletedProcess(command, result.exit_code)

    monkeypatch.setattr(module.subprocess, "run", run)
    arguments = ["source", "training/teachers", "--sources", "en de", "--epochs", 0]
    arguments += ["--config", f"configs/{config}.cfg", "--encoder", "offline", "--built", "encoder"]
    return call(module, *arguments, *options)


def annotate(*options):
    arguments = ["text", "training/teachers", "silver", "--sources", "en de", "--targets", "sw"]
    arguments += ["--config", "configs/ensemble.cfg", "--ensemble", "ensemble", "--cache", "cache"]
    arguments += ["--influence", "none", "--weights", "uniform", "--pool", "linear", *options]
    return call(script("annotate"), *arguments)


def student(name, *options):
    arguments = ["silver", "source", f"training/{name}", "--sources", "en de", "--targets", "sw"]
    arguments += ["--config", f"configs/{name}.cfg", "--encoder", "offline", "--built", "encoder"]
    return call(script("student"), *arguments, "--against", "test", "--epochs", 0, *options)


@pytest.mark.parametrize("config", ["teacher", "teacher_evaluator"])
def test_the_road_of_two_tasks(world, monkeypatch, config):
    code, output = teachers(monkeypatch, config, "--evaluators", "true")
    assert code == 0, output + Path("training/teachers/en.log").read_text("utf8")
    shared = config == "teacher_evaluator"
    where = "teachers" if shared else "evaluators"
    assert Path("training/evaluators").is_dir() != shared
    assert find_evaluator(spacy.load(f"training/{where}/de/model-last"))
    assert find_xner(spacy.load("training/teachers/de/model-last"))

    code, output = annotate("--evaluators", "true")
    assert code == 0, output
    docs = list(read_docs(Path("silver/sw"), Vocab()))
    assert {read_silver(doc).similarity.shape[1] for doc in docs} == {2 * 16}

    code, output = student("student_mtmt", "--rounds", 2)
    assert code == 0, output
    pipe = spacy.load("training/student_mtmt/model-last").get_pipe("xner")
    assert pipe.pairs.max_pairs == 2000 and pipe.labels == ("LOC", "PER")
    # The plain student learns from the same annotations.
    assert student("student_trf")[0] == 0


def test_without_the_switch_nothing_is_different(world, monkeypatch):
    code, output = teachers(monkeypatch, "teacher")
    assert code == 0, output
    assert not Path("training/evaluators").exists()
    assert annotate()[0] == 0
    assert all(read_silver(doc).similarity is None for doc in read_docs(Path("silver/sw"), Vocab()))
    code, output = annotate("--evaluators", "true")
    assert (code, "[X440]" in output) == (1, True), output


def test_an_evaluator_in_the_teachers_pipeline_goes_before(world):
    """One that an earlier run left in the folder is not asked."""
    for name, config in (("en", "teacher"), ("de", "teacher_evaluator")):
        for folder in (f"teachers/{name}", f"evaluators/{name}/model-last"):
            Path(folder).mkdir(parents=True)
        text = Path(f"configs/{config}.cfg").read_text("utf8")
        Path(f"teachers/{name}/config.cfg").write_text(text, encoding="utf8")
    paths = {name: f"teachers/{name}" for name in ("en", "de")}
    assert evaluators_of(paths, Path("evaluators")) == {"en": "evaluators/en/model-last"}
    assert evaluators_of(paths, Path("nowhere")) == {}
    with pytest.raises(XnerError, match="X601.*none.cfg"):
        trains_evaluator(Path("none.cfg"))
