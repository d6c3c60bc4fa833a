import pytest
from handmade import ENSEMBLE, save_ruler, xner_pipeline
from spacy.tokens import Doc
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_xner.cli import app
from spacy_xner.shards import write_docs


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Teachers, a config, text and gold documents, as a user would have them."""
    folder = tmp_path_factory.mktemp("world")
    save_ruler(folder / "names", {"Ana": "PERSON", "Lagos": "LOC"})
    xner_pipeline().to_disk(folder / "tagger")
    (folder / "ensemble.cfg").write_text(ENSEMBLE, encoding="utf8")
    (folder / "map.json").write_text('{"PERSON": "PER"}')
    (folder / "raw.txt").write_text("Ana met Bob in Lagos\n\nLagos is big\nBob left\n")
    words = ["Kofi", "lives", "in", "Accra"]
    gold = Doc(Vocab(), words=words, ents=["B-PER", "O", "O", "B-LOC"])
    write_docs(folder / "gold.spacy", [gold] * 30)
    return folder


@pytest.fixture
def xner(world, monkeypatch):
    """Call a command in the folder of `world`: exit code and output, which is never a traceback."""
    monkeypatch.chdir(world)

    def call(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        failed = result.exception is not None
        assert not failed or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result.exit_code, " ".join(result.output.split())

    return call


@pytest.fixture
def ensemble(xner, tmp_path):
    """A saved ensemble of both teachers."""
    options = ("--teacher", "tagger=tagger", "--span-teacher", "names=names")
    code, output = xner(
        "ensemble", "ensemble.cfg", tmp_path / "ensemble", *options, "--label-map", "map.json"
    )
    assert code == 0, output
    return tmp_path / "ensemble"
