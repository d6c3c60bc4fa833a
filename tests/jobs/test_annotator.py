"""What annotates for hours: loaded once, and anew when spaCy's tables of words have grown."""

import weakref
from pathlib import Path

import pytest
from handmade import add_ensemble, ruler_pipeline, save_ruler, span_teacher

from spacy_xner.annotate import run_parts
from spacy_xner.corpora.raw_text import STDIN, RawText
from spacy_xner.errors import XnerError
from spacy_xner.jobs import annotator as module
from spacy_xner.jobs.annotator import Annotator, load_annotator, pipeline_identity
from spacy_xner.jobs.blocks import cut_blocks, plain_source
from spacy_xner.shards import read_docs

TEXTS = [RawText(str(i), f"Ana{i} met Ana in Lagos", None) for i in range(10)]


@pytest.fixture
def model(tmp_path):
    path = save_ruler(tmp_path / "names", {"Ana": "PER", "Lagos": "LOC"})
    nlp = ruler_pipeline({})
    nlp.remove_pipe("entity_ruler")
    add_ensemble(nlp, {"names": span_teacher(path)})
    nlp.to_disk(tmp_path / "ensemble")
    return str(tmp_path / "ensemble")


@pytest.fixture
def blocks():
    return list(cut_blocks(plain_source(TEXTS), 2))


def read(folder):
    from spacy.vocab import Vocab

    return [(doc.text, [e.text for e in doc.ents]) for doc in read_docs(folder, Vocab())]


def count_loads(monkeypatch):
    loads = []

    def load(*args, **kwargs):
        nlp = load_annotator(*args, **kwargs)
        loads.append(weakref.ref(nlp))
        return nlp

    monkeypatch.setattr(module, "load_annotator", load)
    return loads


def test_it_is_loaded_once(model, blocks, tmp_path, monkeypatch):
    loads = count_loads(monkeypatch)
    entries = list(Annotator(model, tmp_path, key="k").engine(blocks))
    assert len(entries) == 5
    assert len(loads) == 1


def test_loading_anew_changes_nothing_but_memory(model, blocks, tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    list(Annotator(model, tmp_path / "one", key="k").engine(blocks))
    monkeypatch.setattr(module, "RENEWED", 4)
    loads = count_loads(monkeypatch)
    annotator = Annotator(model, tmp_path / "two", key="k")
    list(annotator.engine(blocks))
    assert len(loads) == 3  # after the second and the fourth block
    assert [ref() is None for ref in loads] == [True, True, False]
    names = [sorted(path.name for path in (tmp_path / x).glob("*.spacy")) for x in ("one", "two")]
    assert names[0] == names[1]  # named by their contents
    assert read(tmp_path / "two")[3] == ("Ana3 met Ana in Lagos", ["Ana", "Lagos"])


def test_a_pipeline_that_is_handed_over_is_used_and_freed(model, blocks, tmp_path, monkeypatch):
    loads = count_loads(monkeypatch)
    nlp = load_annotator(model)
    ref = weakref.ref(nlp)
    annotator = Annotator(model, tmp_path, key="k", nlp=nlp)
    del nlp
    annotator.annotate(blocks[0])
    assert not loads
    annotator.close()
    assert ref() is None


def test_faults_of_all_its_pipelines_are_told(model, blocks, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RENEWED", 2)
    monkeypatch.setattr(module, "faults_of", lambda teacher: {"errors": 1})
    annotator = Annotator(model, tmp_path, key="k")
    list(annotator.engine(blocks))
    annotator.close()
    assert annotator.faults == {"names": {"errors": 5}}


def test_a_pipeline_that_changes_during_the_run_is_refused(model, blocks, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RENEWED", 2)
    annotator = Annotator(model, tmp_path, key="k")
    annotator.annotate(blocks[0])
    config = Path(model, "config.cfg")
    config.write_text(config.read_text().replace("threshold = 0.5", "threshold = 0.9"))
    with pytest.raises(XnerError, match="X467"):
        annotator.annotate(blocks[1])


def test_a_worker_is_told_what_the_pipeline_must_be(model, blocks, tmp_path):
    with pytest.raises(XnerError, match="X467"):
        Annotator(model, tmp_path, key="k", identity="another").annotate(blocks[0])
    known = pipeline_identity(run_parts(load_annotator(model), STDIN))
    Annotator(model, tmp_path, key="k", identity=known).annotate(blocks[0])
