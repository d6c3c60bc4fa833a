import json

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training.batchers import configure_minibatch_by_padded_size
from spacy.vocab import Vocab

from spacy_xner.errors import XnerError
from spacy_xner.shards import read_docs, write_docs
from spacy_xner.training import run
from spacy_xner.training.corpus import make_silver_corpus
from spacy_xner.training.run import MIN_STEPS, STAMP, count_steps, train_pipeline, training_docs


def docs(*sizes):
    return [Doc(Vocab(), words=["a"] * size) for size in sizes]


@pytest.mark.parametrize(("epochs", "steps"), [(1, 300), (2.5, 750), (0, 150), (0.1, 150)])
def test_count_steps(epochs, steps):
    assert MIN_STEPS == 150
    batcher = configure_minibatch_by_padded_size(size=20, buffer=8, discard_oversize=False)
    assert count_steps(batcher, docs(*[10] * 600), epochs=epochs) == steps


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        ({}, [10, 20, 30]),
        ({"limit": 2}, [10, 20]),
        ({"limit": 0, "folders": None}, [10, 20, 30]),
        ({"folders": ["two"]}, [30]),
        ({"folders": ["two", "one"], "limit": 2}, [30, 10]),
    ],
)
def test_training_docs_are_those_of_the_reader(tmp_path, settings, sizes):
    for name, lengths in (("one", [10, 20]), ("two", [30])):
        (tmp_path / name).mkdir()
        write_docs(tmp_path / name / "a.spacy", docs(*lengths))
    assert [len(doc) for doc in training_docs({"path": tmp_path, **settings})] == sizes
    reader = make_silver_corpus(tmp_path, **settings)
    assert [len(eg.reference) for eg in reader(spacy.blank("xx"))] == sizes


@pytest.fixture
def calls(monkeypatch):
    """Stand in for spaCy's training: keep its settings and leave a folder."""
    found = []

    def train(config, output, *, gpu_id, finish):
        found.append({f"training.{key}": value for key, value in config["training"].items()})
        (output / "model-last").mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr("spacy_xner.training.run.train_whole", train)
    return found


def start(project, *, epochs=1.0, against=(), **overrides):
    corpus = str(project / "gold.spacy")
    overrides = {"paths.train": corpus, "paths.dev": corpus, **overrides}
    return train_pipeline(
        project / "config.cfg",
        project / "out",
        overrides=overrides,
        epochs=epochs,
        against=against,
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
    batcher = configure_minibatch_by_padded_size(size=100, buffer=32, discard_oversize=False)
    batches = list(batcher(read_docs(project / "gold.spacy", Vocab())))
    start(project, epochs=1000)
    assert calls[1]["training.max_steps"] == 1000 * len(batches)


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

    monkeypatch.setattr("spacy_xner.training.run.train_whole", broken)
    with pytest.raises(KeyboardInterrupt):
        start(project, **{"training.seed": 1})
    assert not (project / "out" / STAMP).exists()


def test_evaluation_sentences_among_the_training_text(project, calls, gold_docs):
    other = project / "other.spacy"
    write_docs(other, docs(5))
    assert start(project, against=[other])
    write_docs(other, gold_docs[1:2])
    with pytest.raises(XnerError, match="X206"):
        start(project, against=[other])


@pytest.mark.parametrize("batcher", ["spacy.batch_by_nothing.v1", "null"])
def test_no_batcher(project, calls, batcher):
    config = project / "config.cfg"
    config.write_text(config.read_text().replace("spacy.batch_by_padded.v1", batcher, 1))
    with pytest.raises(XnerError, match=r"X607.*config\.cfg"):
        start(project)
    assert not calls


def test_missing_paths(project, calls):
    with pytest.raises(XnerError, match="X601.*none.cfg"):
        train_pipeline(project / "none.cfg", project / "out", overrides={}, epochs=1)
    with pytest.raises(XnerError, match="X601.*nowhere"):
        start(project, **{"paths.train": "nowhere"})
    with pytest.raises(XnerError, match="X601.*nowhere"):
        start(project, **{"paths.dev": "nowhere"})
    for name in ("train", "dev"):
        with pytest.raises(XnerError, match=rf"X308.*corpora\.{name}\.path.*--paths\.{name}"):
            start(project, **{f"paths.{name}": None})
    assert not calls


def test_a_real_run(project, monkeypatch):
    monkeypatch.setattr(run, "MIN_STEPS", 2)
    assert start(project)
    assert not start(project)
    nlp = spacy.load(project / "out" / "model-last")
    assert nlp.get_pipe("xner").labels == ("LOC", "PER")
