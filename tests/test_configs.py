"""Each training config in configs/ trains, saves, and gives a pipeline that sets entities."""

from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.cli.train import train
from tiny_checkpoint import LAYERS, WIDTH, save_tiny_checkpoint
from tiny_language_model import save_tiny_language_model

from spacy_xner.ml.transformer import torch_module
from spacy_xner.pipeline.find import find_evaluator, run_before
from spacy_xner.shards import write_docs
from spacy_xner.silver import read_silver, write_silver

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.cfg"))
OTHER = ("ensemble", "evaluator", "study_full", "study_large", "study_small")
TRAINING = [path for path in CONFIGS if path.stem not in OTHER]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return save_tiny_checkpoint(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    return save_tiny_language_model(tmp_path_factory.mktemp("language-model"))


def with_similarity(doc):
    rows = np.eye(5)[read_silver(doc).distribution.argmax(axis=1)]
    write_silver(doc, read_silver(doc)._replace(similarity=rows))
    return doc


def test_all_configs_are_covered():
    names = ["ensemble", "evaluator", "student_cnn", "student_mtmt", "student_ner"]
    names += ["student_small", "student_trf", "study_full", "study_large", "study_small"]
    names += ["teacher", "teacher_evaluator", "teacher_llm"]
    assert [path.stem for path in CONFIGS] == names


@pytest.mark.parametrize("kind", ["gold", "silver"])
@pytest.mark.parametrize("config", TRAINING, ids=lambda path: path.stem)
def test_config_trains_on_gold_and_on_silver(
    config, kind, encoder, language_model, gold_docs, make_silver, tmp_path
):
    if (config.stem, kind) == ("student_mtmt", "gold"):
        pytest.skip("gold entities have no similarity: tests/pipeline/test_xner_pairs.py")
    docs = gold_docs if kind == "gold" else [with_similarity(make_silver(doc)) for doc in gold_docs]
    write_docs(tmp_path / "train.spacy", docs)
    write_docs(tmp_path / "dev.spacy", gold_docs)
    overrides = {
        "paths.train": str(tmp_path / "train.spacy"),
        "paths.dev": str(tmp_path / "dev.spacy"),
        "paths.encoder": str(encoder),
        "training.max_steps": 40,
        "training.eval_frequency": 20,
        "training.optimizer.learn_rate.initial_rate": 0.005,
    }
    if config.stem == "student_small":
        overrides["components.xner.model.tok2vec.num_layers"] = LAYERS - 1
    if config.stem == "teacher_evaluator":
        overrides["system.width"] = WIDTH
    if config.stem == "teacher_llm":
        overrides["paths.encoder"] = str(language_model)
        overrides["training.max_steps"] = 80
    train(config, tmp_path / "out", overrides=overrides)
    nlp = spacy.load(tmp_path / "out" / "model-last")
    component = "ner" if config.stem == "student_ner" else "xner"
    shared = ["tok2vec", "xner", "similarity_evaluator"]
    assert nlp.pipe_names == (shared if config.stem == "teacher_evaluator" else [component])
    assert set(nlp.get_pipe(component).labels) == {"LOC", "PER"}
    found = [doc.ents for doc in nlp.pipe(doc.text for doc in gold_docs)]
    assert sum(map(len, found)) >= 3, found


def test_the_small_student_is_the_large_one_with_fewer_layers():
    small, large = (spacy.util.load_config(x) for x in CONFIGS if x.stem[8:] in ("small", "trf"))
    block = small["components"]["xner"]["model"]["tok2vec"]
    assert (block.pop("num_layers"), block.pop("layer_rule")) == (4, "bottom")
    block = small["components"]["xner"].pop("hidden")
    assert block == {"@misc": "spacy-xner.HiddenStates.v1", "teacher": None, "weight": 1.0}
    assert small == large


@pytest.mark.parametrize("stem", ["evaluator", "teacher_evaluator"])
def test_evaluators_learn_and_can_be_asked(stem, encoder, gold_docs, tmp_path):
    (config,) = (path for path in CONFIGS if path.stem == stem)
    write_docs(tmp_path / "gold.spacy", gold_docs)
    overrides = {
        "paths.train": str(tmp_path / "gold.spacy"),
        "paths.dev": str(tmp_path / "gold.spacy"),
        "paths.encoder": str(encoder),
        "training.max_steps": 40,
        "training.eval_frequency": 20,
        "training.optimizer.learn_rate.initial_rate": 0.005,
    }
    if stem == "teacher_evaluator":
        overrides["system.width"] = WIDTH
    train(config, tmp_path / "out", overrides=overrides)
    nlp = spacy.load(tmp_path / "out" / "model-last")
    assert nlp.meta["performance"]["pairs_ap"] > 0.8
    docs = [nlp.make_doc(doc.text) for doc in gold_docs]
    pipe = find_evaluator(nlp)
    rows = np.concatenate(pipe.predict(run_before(nlp, pipe, docs)))
    assert rows.shape == (sum(map(len, docs)), 16)
    # A listener that is fed nothing would give every word the same vector.
    assert (rows @ rows.T).min() < 0.5


def test_the_small_student_follows_the_large_one(encoder, gold_docs, make_silver, tmp_path):
    write_docs(tmp_path / "silver.spacy", [make_silver(doc) for doc in gold_docs])
    overrides = {
        "paths.train": str(tmp_path / "silver.spacy"),
        "paths.dev": str(tmp_path / "silver.spacy"),
        "paths.encoder": str(encoder),
        "training.max_steps": 4,
        "training.eval_frequency": 4,
    }
    configs = {path.stem: path for path in CONFIGS}
    train(configs["student_trf"], tmp_path / "trf", overrides=overrides)
    large = tmp_path / "trf" / "model-last"
    overrides["components.xner.model.tok2vec.num_layers"] = 1
    overrides["components.xner.hidden.teacher"] = str(large)
    train(configs["student_small"], tmp_path / "small", overrides=overrides)
    large.rename(tmp_path / "gone")
    pipe = spacy.load(tmp_path / "small" / "model-last").get_pipe("xner")
    assert pipe.hidden.teacher == str(large)
    assert torch_module(pipe.model.get_ref("tok2vec")).config.num_hidden_layers == 1
