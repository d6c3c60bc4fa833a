"""Each training config in configs/ trains, saves, and gives a pipeline that sets entities."""

from pathlib import Path

import pytest
import spacy
from spacy.cli.train import train
from tiny_checkpoint import save_tiny_checkpoint

from spacy_xner.shards import write_docs

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.cfg"))
TRAINING = [path for path in CONFIGS if path.stem != "ensemble"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return save_tiny_checkpoint(tmp_path_factory.mktemp("encoder"))


def test_all_configs_are_covered():
    names = ["baseline_ner", "ensemble", "student", "student_cnn", "teacher"]
    assert [path.stem for path in CONFIGS] == names


@pytest.mark.parametrize("kind", ["gold", "silver"])
@pytest.mark.parametrize("config", TRAINING, ids=lambda path: path.stem)
def test_config_trains_on_gold_and_on_silver(
    config, kind, encoder, gold_docs, make_silver, tmp_path
):
    docs = gold_docs if kind == "gold" else [make_silver(doc) for doc in gold_docs]
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
    train(config, tmp_path / "out", overrides=overrides)
    nlp = spacy.load(tmp_path / "out" / "model-last")
    component = "ner" if config.stem == "baseline_ner" else "xner"
    assert nlp.pipe_names == [component]
    assert set(nlp.get_pipe(component).labels) == {"LOC", "PER"}
    found = [doc.ents for doc in nlp.pipe(doc.text for doc in gold_docs)]
    assert sum(map(len, found)) >= 3, found
