"""The scripts that weigh sources and annotate: what their options become."""

import importlib.util
import json
from pathlib import Path

import pytest
import spacy
from handmade import evaluator_pipeline, shard, xner_pipeline
from typer.testing import CliRunner

from spacy_xner.annotate import find_ensemble
from spacy_xner.shards import read_docs
from spacy_xner.silver import read_silver

ROOT = Path(__file__).parents[1]


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("weights", ["uniform", "confidence", "agreement"])
def test_votes_need_no_file(weights, tmp_path):
    arguments = [str(tmp_path), str(tmp_path / "out"), "--sources", "en", "--targets", "sw"]
    arguments += ["--weights", weights, "--encoder", "offline", "--built", str(tmp_path)]
    result = CliRunner().invoke(script("influence").app, arguments)
    assert result.exit_code == 0, result.output
    assert "nothing to do" in result.output
    assert not (tmp_path / "out").exists()


def test_one_teacher_needs_no_ranking(tmp_path):
    arguments = [str(tmp_path), str(tmp_path / "out"), "--sources", "en es", "--targets", "sw"]
    arguments += ["--weights", "rank", "--encoder", "offline", "--built", str(tmp_path)]
    result = CliRunner().invoke(script("influence").app, [*arguments, "--pooled", "true"])
    assert result.exit_code == 0, result.output
    assert "nothing to do" in result.output
    assert not (tmp_path / "out").exists()


@pytest.fixture
def world(tmp_path, influence):
    for i, name in enumerate(("en", "de")):
        (tmp_path / "teachers" / name).mkdir(parents=True)
        xner_pipeline(seed=i).to_disk(tmp_path / "teachers" / name / "model-last")
    (tmp_path / "text").mkdir()
    for target in ("sw", "ha"):
        (tmp_path / "text" / f"{target}.jsonl").write_text('{"text": "Ana met Bob in Lagos"}\n' * 4)
    config = (ROOT / "configs" / "ensemble.cfg").read_text("utf8")
    (tmp_path / "ensemble.cfg").write_text(config.replace('"LOC", "ORG", "PER"', '"LOC", "PER"'))
    return tmp_path


def annotate(world, *options):
    arguments = [str(world / name) for name in ("text", "teachers", "silver")]
    arguments += ["--sources", "en de", "--targets", "sw ha"]
    for name in ("ensemble", "cache", "influence"):
        arguments += [f"--{name}", str(world / name)]
    arguments += ["--config", str(world / "ensemble.cfg"), *options]
    return CliRunner().invoke(script("annotate").app, arguments)


def heard(world, target):
    (doc, *_) = read_docs(world / "silver" / target, xner_pipeline(updates=0).vocab)
    return read_silver(doc).teacher_weights


def test_each_target_has_weights_of_its_own(world, monkeypatch):
    result = annotate(world, "--weights", "rank", "--pool", "log-linear")
    assert result.exit_code == 0, result.output
    assert heard(world, "sw") == {"en": 1.0, "de": 0.0}
    assert heard(world, "ha") == {"en": 0.25, "de": 0.75}
    manifest = json.loads((world / "silver" / "manifest.json").read_text("utf8"))
    assert (manifest["weights"], manifest["pool"], manifest["docs"]) == ("rank", "log-linear", 8)
    for target in ("sw", "ha"):
        assert (world / "ensemble" / target / "config.cfg").is_file()
    # Other weights do not ask the teachers again.
    monkeypatch.setattr("spacy_xner.teachers.pipeline.XnerTeacher.distributions", None)
    annotate(world, "--weights", "uniform", "--pool", "linear")
    assert heard(world, "sw") == {"en": 0.5, "de": 0.5}


def test_no_target_hears_its_own_teacher(world, monkeypatch):
    (world / "teachers" / "sw").symlink_to(world / "teachers" / "de")
    options = ("--sources", "en de sw", "--weights", "uniform", "--pool", "linear")
    result = annotate(world, *options)
    assert result.exit_code == 0, result.output
    assert heard(world, "sw") == {"en": 0.5, "de": 0.5}
    assert list(heard(world, "ha")) == ["en", "de", "sw"]
    assert list(find_ensemble(spacy.load(world / "ensemble" / "sw")).teachers) == ["en", "de"]


def test_one_teacher_of_all_sources_has_nothing_to_be_weighed(world):
    nlp = xner_pipeline(seed=1)
    nlp.config["corpora"] = {"train": {"folders": ["en-train.spacy", "de-train.spacy"]}}
    (world / "teachers" / "pooled").mkdir()
    nlp.to_disk(world / "teachers" / "pooled" / "model-last")
    options = ("--weights", "rank", "--pool", "log-linear", "--top", "2", "--pooled", "true")
    result = annotate(world, *options)
    assert result.exit_code == 0, result.output
    assert heard(world, "sw") == heard(world, "ha") == {"pooled": 1.0}
    assert json.loads((world / "silver" / "manifest.json").read_text("utf8"))["pooled_teacher"]


def test_a_teacher_of_all_sources_knows_none_of_its_targets(world):
    options = ("--weights", "uniform", "--pool", "linear", "--pooled", "true")
    result = annotate(world, "--sources", "en de sw", *options)
    assert result.exit_code == 1
    assert "X225" in result.output and "sw" in result.output
    assert not (world / "silver").exists()


def test_a_teacher_of_all_sources_that_was_taught_others_is_not_heard(world):
    (world / "teachers" / "pooled").symlink_to(world / "teachers" / "de")
    result = annotate(world, "--weights", "uniform", "--pool", "linear", "--pooled", "true")
    assert (result.exit_code, "X226" in result.output) == (1, True), result.output
    options = ("--pool", "linear", "--pooled", "true", "--aggregate", "bea")
    result = annotate(world, "--weights", "uniform", *options)
    assert (result.exit_code, "X308" in result.output) == (1, True), result.output
    assert not (world / "silver").exists()


def test_an_aggregator_takes_the_place_of_the_pool(world):
    annotate(world, "--weights", "uniform", "--pool", "linear", "--aggregate", "bea")
    assert shard(world / "silver-pooled" / "sw", 0).is_file()
    assert sum(heard(world, "sw").values()) == pytest.approx(1.0)
    manifest = json.loads((world / "silver" / "manifest.json").read_text("utf8"))
    assert manifest["aggregate"] == "bea"


def test_silver_is_kept_where_weights_are_missing(world):
    assert annotate(world, "--weights", "rank", "--pool", "linear").exit_code == 0
    before = sorted((world / "silver").rglob("*"))
    (world / "influence" / "rank.json").unlink()
    result = annotate(world, "--weights", "rank", "--pool", "linear")
    assert result.exit_code == 1
    assert "X439" in result.output
    assert sorted((world / "silver").rglob("*")) == before


def test_a_saved_ensemble_needs_no_file_of_weights(world):
    annotate(world, "--weights", "rank", "--pool", "linear")
    (world / "influence" / "rank.json").unlink()
    nlp = spacy.load(world / "ensemble" / "ha")
    doc = nlp("Ana met Bob in Lagos")
    assert read_silver(doc).teacher_weights == {"en": 0.25, "de": 0.75}


@pytest.fixture
def guest(world):
    """A language model's place is taken by a pipeline that finds the same as 'en', or nothing."""

    def make(name="llm", *, like="en", updates=None):
        folder = world / "llm" / name
        folder.mkdir(parents=True)
        if updates is None:
            (folder / "model-last").symlink_to(world / "teachers" / like / "model-last")
        else:
            xner_pipeline(updates=updates).to_disk(folder / "model-last")

    return make


def with_llm(world, kind, *options):
    folder = ("--llm-folder", str(world / "llm"))
    options = ("--weights", "rank", "--pool", "linear", *options)
    return annotate(world, "--llm", kind, *folder, *options)


def test_a_language_model_that_agrees_is_heard(world, guest):
    guest()
    result = with_llm(world, "pooled")
    assert result.exit_code == 0, result.output
    assert heard(world, "sw") == pytest.approx({"en": 2 / 3, "de": 0.0, "llm": 1 / 3})
    manifest = json.loads((world / "silver" / "manifest.json").read_text("utf8"))
    assert manifest["judgements"]["sw"]["heard"] == ["llm"]
    assert set(manifest["judgements"]["ha"]["agreement"]) == {"en", "de", "llm"}


def test_one_that_does_not_is_as_if_it_were_not_there(world, guest):
    annotate(world, "--weights", "rank", "--pool", "linear")
    without = [path.read_bytes() for path in sorted((world / "silver").rglob("*.spacy"))]
    guest(updates=0)
    result = with_llm(world, "pooled")
    assert result.exit_code == 0, result.output
    assert "llm is not heard" in " ".join(result.output.split())
    assert [path.read_bytes() for path in sorted((world / "silver").rglob("*.spacy"))] == without
    with_llm(world, "pooled", "--llm-heard", "always")
    assert heard(world, "sw")["llm"] == pytest.approx(1 / 3)


def test_a_language_model_for_each_source(world, guest):
    guest("llm-en")
    guest("llm-de", like="de")
    result = with_llm(world, "each", "--llm-heard", "always")
    assert result.exit_code == 0, result.output
    assert list(heard(world, "sw")) == ["en", "de", "llm-en", "llm-de"]


def test_no_language_model_that_knows_the_labels_of_a_target(world, guest):
    guest()
    (world / "teachers" / "sw").symlink_to(world / "teachers" / "de")
    result = with_llm(world, "pooled", "--sources", "en de sw", "--weights", "uniform")
    assert result.exit_code == 1
    assert "X443" in result.output
    assert not (world / "silver").exists()


def test_judging_a_language_model_does_not_lose_the_evaluators(world, guest):
    guest()
    for name in ("en", "de"):
        (world / "evaluators" / name).mkdir(parents=True)
        evaluator_pipeline().to_disk(world / "evaluators" / name / "model-last")
    result = with_llm(world, "pooled", "--evaluators", "true")
    assert result.exit_code == 0, result.output
    (doc, *_) = read_docs(world / "silver" / "sw", xner_pipeline(updates=0).vocab)
    assert read_silver(doc).similarity.any()


def test_weights_of_the_config_are_kept_for_the_others(world, guest):
    guest()
    config = (world / "ensemble.cfg").read_text("utf8")
    fixed = '@misc = "spacy-xner.FixedWeights.v1"\nweights = {"en": 3.0, "de": 1.0}'
    (world / "ensemble.cfg").write_text(
        config.replace('@misc = "spacy-xner.UniformWeights.v1"', fixed)
    )
    result = with_llm(world, "pooled", "--weights", "config", "--llm-heard", "always")
    assert result.exit_code == 0, result.output
    assert heard(world, "sw") == pytest.approx({"en": 0.5, "de": 1 / 6, "llm": 1 / 3})
