import pytest
from handmade import call, save_teachers
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xner.shards import write_docs


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Teachers, a config, text and gold documents, as a user would have them."""
    folder = tmp_path_factory.mktemp("world")
    save_teachers(folder, {"Ana": "PERSON", "Lagos": "LOC"})
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
