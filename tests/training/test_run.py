import json

import pytest
import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xner.errors import XnerError
from spacy_xner.shards import write_docs
from spacy_xner.training import run
from spacy_xner.training.run import MIN_STEPS, STAMP, count_steps, train_pipeline


def docs(*sizes):
    return [Doc(Vocab(), words=["a"] * size) for size in sizes]


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"epochs": 1, "batch_words": 10}, 6),
        ({"epochs": 2.5, "batch_words": 10}, 15),
        ({"epochs": 1, "batch_words": 10, "limit": 2}, 3),
        ({"epochs": 1, "batch_words": 10, "folders": ["two"]}, 3),
        ({"epochs": 0, "batch_words": 10}, 1),
        ({"epochs": 1, "batch_words": 10_000}, 1),
    ],
)
def test_count_steps(tmp_path, settings, steps):
    for name, sizes in (("one", [10, 20]), ("two", [30])):
        (tmp_path / name).mkdir()
        write_docs(tmp_path / name / "a.spacy", docs(*sizes))
    assert count_steps(tmp_path, **settings) == steps


@pytest.fixture
def calls(monkeypatch):
    """Stand in for spaCy's training: keep its settings and leave a folder."""
    found = []

    def train(config, output, *, use_gpu, overrides):
        found.append(overrides)
        (output / "model-last").mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr("spacy.cli.train.train", train)
    return found


def start(project, output=None, *, epochs=1.0, **overrides):
    corpus = str(project / "gold.spacy")
    overrides = {"paths.train": corpus, "paths.dev": corpus, **overrides}
    return train_pipeline(
        project / "config.cfg", output or project / "out", overrides=overrides, epochs=epochs
    )


def test_the_same_inputs_are_trained_on_once(project, calls):
    assert start(project)
    assert not start(project)
    assert len(calls) == 1
    assert json.loads((project / "out" / STAMP).read_text())["settings"]["training.max_steps"]


def test_steps_follow_from_epochs(project, calls):
    start(project, epochs=1)
    assert calls[0]["training.max_steps"] == MIN_STEPS
    assert calls[0]["training.eval_frequency"] == MIN_STEPS // 2
    words = sum(len(doc) for doc in spacy.tokens.DocBin().from_disk(project / "gold.spacy"))
    start(project, epochs=1000)
    assert calls[1]["training.max_steps"] == round(1000 * words / 100)


def test_overrides_go_before_epochs(project, calls):
    start(project, **{"training.max_steps": 7})
    assert calls[0]["training.max_steps"] == 7


def change_corpus(project):
    write_docs(project / "gold.spacy", docs(3, 4))


def change_config(project):
    config = project / "config.cfg"
    config.write_text(config.read_text().replace("scale = 5.0", "scale = 6.0"))


def remove_model(project):
    (project / "out" / "model-last").rmdir()


@pytest.mark.parametrize("change", [change_corpus, change_config, remove_model])
def test_other_inputs_are_trained_on_again(project, calls, change):
    assert start(project)
    change(project)
    assert start(project)
    assert not start(project)


def test_other_settings_are_trained_on_again(project, calls):
    assert start(project)
    assert start(project, **{"training.seed": 1})
    assert not start(project, **{"training.seed": 1})


def test_another_encoder_is_trained_on_again(project, calls):
    encoder = project / "encoder"
    encoder.mkdir()
    config = project / "config.cfg"
    config.write_text(config.read_text().replace("[paths]\n", "[paths]\nencoder = null\n"))
    for content in ("one", "two"):
        (encoder / STAMP).write_text(content)
        assert start(project, **{"paths.encoder": str(encoder)})
        assert not start(project, **{"paths.encoder": str(encoder)})


def test_a_run_that_broke_off_is_not_taken_for_done(project, calls, monkeypatch):
    assert start(project)

    def broken(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("spacy.cli.train.train", broken)
    with pytest.raises(KeyboardInterrupt):
        start(project, **{"training.seed": 1})
    assert not (project / "out" / STAMP).exists()


def test_damaged_stamp_is_no_stamp(project, calls):
    assert start(project)
    (project / "out" / STAMP).write_text("{")
    assert start(project)


def test_missing_paths(project, calls):
    with pytest.raises(XnerError, match="X601.*none.cfg"):
        train_pipeline(project / "none.cfg", project / "out", overrides={}, epochs=1)
    with pytest.raises(XnerError, match="X601.*nowhere"):
        start(project, **{"paths.train": "nowhere"})
    with pytest.raises(XnerError, match="X601.*nowhere"):
        start(project, **{"paths.dev": "nowhere"})
    for key in ("paths.train", "paths.dev"):
        with pytest.raises(XnerError, match=f"X308.*{key.replace('.', '.')}"):
            start(project, **{key: None})
    assert not calls


def test_a_real_run(project, monkeypatch):
    monkeypatch.setattr(run, "MIN_STEPS", 2)
    assert start(project, project / "real")
    assert not start(project, project / "real")
    nlp = spacy.load(project / "real" / "model-last")
    assert nlp.get_pipe("xner").labels == ("LOC", "PER")
