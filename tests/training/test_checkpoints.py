import pytest
import spacy
from spacy.util import load_config

from spacy_xner.checksums import check_sums
from spacy_xner.training import checkpoints
from spacy_xner.training.checkpoints import WORK, exchange, publish, train_whole


def folder(path, content):
    path.mkdir(parents=True)
    (path / "file").write_text(content)
    return path


@pytest.fixture(params=[True, False], ids=["in one step", "in two steps"])
def steps(request, monkeypatch):
    """Where folders can change places, and where they cannot."""
    if not request.param:
        monkeypatch.setattr(checkpoints, "exchange", lambda one, other: False)


def test_two_folders_change_places(tmp_path):
    one, other = folder(tmp_path / "one", "1"), folder(tmp_path / "other", "2")
    if not exchange(one, other):
        pytest.skip("this file system cannot")
    assert (one / "file").read_text() == "2"
    assert (other / "file").read_text() == "1"
    assert not exchange(one, tmp_path / "nothing")
    assert (one / "file").read_text() == "2"


def test_a_model_takes_its_place(tmp_path, steps):
    for content in "12":
        new = folder(tmp_path / WORK / "model", content)
        publish(new, tmp_path / "model")
        assert not new.exists()
        assert (tmp_path / "model/file").read_text() == content
        assert check_sums(tmp_path / "model") == []


def train(project, output, **settings):
    overrides = {f"paths.{name}": str(project / "gold.spacy") for name in ("train", "dev")}
    overrides |= {"training.max_steps": 4, "training.eval_frequency": 2}
    output.mkdir(exist_ok=True)
    train_whole(load_config(project / "config.cfg", overrides=overrides), output, **settings)


def test_a_training(project, steps):
    out = project / "out"
    train(project, out)
    assert sorted(path.name for path in out.iterdir()) == ["model-best", "model-last"]
    for path in out.iterdir():
        assert check_sums(path) == []
        # How it was watched is no part of the model.
        logger = spacy.load(path).config["training"]["logger"]
        assert logger["@loggers"] == "spacy.ConsoleLogger.v1"
    assert "ents_f" in spacy.load(out / "model-last").meta["performance"]


def test_a_kill_between_two_steps_is_made_good_by_the_next_run(project, monkeypatch):
    """Where folders cannot change places, the old model waits in the folder of work."""
    out = project / "out"
    old = folder(out / WORK / "before", "the best so far")

    def stop(*args, **kwargs):
        assert (out / "model-best/file").read_text() == "the best so far"
        raise RuntimeError("stopped")

    monkeypatch.setattr(checkpoints, "init_nlp", stop)
    with pytest.raises(RuntimeError, match="stopped"):
        train(project, out)
    assert (out / "model-best/file").exists() and not old.exists()


def test_the_last_model_of_other_inputs_goes_and_the_best_one_stays(project, monkeypatch):
    out = project / "out"
    for name in ("model-best", "model-last"):
        folder(out / name, name)

    def stop(*args, **kwargs):
        raise RuntimeError("stopped")

    monkeypatch.setattr(checkpoints, "init_nlp", stop)
    with pytest.raises(RuntimeError, match="stopped"):
        train(project, out)
    assert [path.name for path in out.iterdir()] == ["model-best"]


def test_what_finishing_writes_is_part_of_the_model(project):
    out = project / "out"
    train(project, out, finish=lambda model: (model / "note").write_text("mine"))
    assert (out / "model-last/note").read_text() == "mine"
    assert not (out / "model-best/note").exists()
    assert check_sums(out / "model-last") == []


def test_without_its_end_a_training_has_no_last_model(project):
    def finish(model):
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        train(project, project / "out", finish=finish)
    assert [path.name for path in (project / "out").iterdir()] == ["model-best"]
