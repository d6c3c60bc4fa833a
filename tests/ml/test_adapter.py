"""What a pipeline over a language model saves: its adapters, and which base they belong to."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import spacy
import srsly
from spacy.tokens import Doc
from tiny_language_model import save_tiny_language_model

from spacy_xner.errors import XnerError
from spacy_xner.hashing import hash_folder
from spacy_xner.ml.adapter import DECISIVE

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
safetensors = pytest.importorskip("safetensors.torch")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_tiny_language_model(tmp_path_factory.mktemp("language-model"))


@pytest.fixture
def make_pipeline(base):
    def make(path=base, **settings):
        encoder = {
            "@architectures": "spacy-xner.LanguageModelEncoder.v1",
            "base": str(path),
            "dropout": 0.0,
            **settings,
        }
        tagger = {"@architectures": "spacy-xner.SoftTagger.v1", "scale": 5.0, "tok2vec": encoder}
        nlp = spacy.blank("xx")
        nlp.add_pipe("xner", config={"model": tagger})
        return nlp

    return make


def shim_of(nlp):
    return nlp.get_pipe("xner").model.get_ref("tok2vec").shims[0]


def train(nlp, examples, *, steps):
    from thinc.api import Adam

    optimizer = nlp.initialize(lambda: examples)
    optimizer = Adam(0.01, L2=0.0)
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)


def entities(nlp, docs):
    return [
        [(e.start, e.end, e.label_) for e in nlp(Doc(nlp.vocab, words=[t.text for t in doc])).ents]
        for doc in docs
    ]


@pytest.mark.parametrize("causal", [True, False])
def test_overfit_save_load_same_predictions(make_pipeline, gold_docs, examples, tmp_path, causal):
    spacy.util.fix_random_seed(0)
    nlp = make_pipeline(causal=causal, reduce="last")
    train(nlp, examples(gold_docs, nlp), steps=120)
    gold = [[(e.start, e.end, e.label_) for e in doc.ents] for doc in gold_docs]
    assert entities(nlp, gold_docs) == gold
    nlp.to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model")
    rows = [x.get_pipe("xner").predict(gold_docs) for x in (nlp, loaded)]
    np.testing.assert_array_equal(np.concatenate(rows[0]), np.concatenate(rows[1]))
    again = make_pipeline(causal=causal, reduce="last").from_bytes(loaded.to_bytes())
    np.testing.assert_array_equal(
        np.concatenate(again.get_pipe("xner").predict(gold_docs)), np.concatenate(rows[0])
    )


def test_the_base_never_changes(make_pipeline, gold_docs, examples, base):
    nlp = make_pipeline()
    train(nlp, examples(gold_docs, nlp), steps=3)
    from transformers import AutoModel

    fresh = dict(AutoModel.from_pretrained(base).named_parameters())
    found = dict(shim_of(nlp).load().get_base_model().named_parameters())
    kept = {name.replace(".base_layer", ""): p for name, p in found.items() if "lora_" not in name}
    assert kept.keys() == fresh.keys()
    assert all(torch.equal(kept[name], fresh[name]) for name in fresh)


def test_a_saved_pipeline_does_not_hold_the_base(
    make_pipeline, gold_docs, examples, tmp_path, base
):
    nlp = make_pipeline(rank=1)
    nlp.initialize(lambda: examples(gold_docs, nlp))
    nlp.to_disk(tmp_path / "model")
    saved = srsly.msgpack_loads(shim_of(nlp).to_bytes())
    assert saved["sha256"] == hash_folder(base, only=DECISIVE)
    assert "base" not in saved["settings"]
    whole = (base / "model.safetensors").read_bytes()
    assert whole[-2000:] not in (tmp_path / "model" / "xner" / "model").read_bytes()
    assert saved["adapters"][8:9] == b"{"  # safetensors, not pickle


def test_loading_a_pipeline_does_not_load_the_base(make_pipeline, gold_docs, examples, tmp_path):
    nlp = make_pipeline()
    nlp.initialize(lambda: examples(gold_docs, nlp))
    nlp.to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model")
    assert shim_of(loaded)._model is None
    # Nor does saving it again.
    loaded.to_disk(tmp_path / "again")
    assert shim_of(loaded)._model is None
    assert hash_folder(tmp_path / "again" / "xner") == hash_folder(tmp_path / "model" / "xner")


def test_teachers_over_one_base_hold_it_once(make_pipeline, gold_docs, examples, monkeypatch):
    pipelines = []
    # Fresh adapters are equal too, but each will be trained by itself.
    monkeypatch.setattr("spacy_xner.teachers.sharing.MIN_BYTES", 1)
    for causal in (True, False):
        nlp = make_pipeline(causal=causal, rank=1)
        nlp.initialize(lambda nlp=nlp: examples(gold_docs, nlp))
        pipelines.append(dict(shim_of(nlp).load().named_parameters()))
    one, other = pipelines
    same = {name for name in one if one[name] is other[name]}
    assert "base_model.model.embed_tokens.weight" in same
    assert "base_model.model.layers.1.mlp.up_proj.base_layer.weight" in same
    assert not any("lora_" in name for name in same)
    learning = {name for name, parameter in one.items() if parameter.requires_grad}
    assert learning == {name for name in one if "lora_" in name}


def test_another_base_is_refused(make_pipeline, gold_docs, examples, tmp_path, monkeypatch):
    mine = save_tiny_language_model(tmp_path / "mine")
    nlp = make_pipeline(mine)
    nlp.initialize(lambda: examples(gold_docs, nlp))
    nlp.to_disk(tmp_path / "model")
    shutil.rmtree(mine)
    save_tiny_language_model(mine, seed=1)
    with pytest.raises(XnerError, match="X332"):
        spacy.load(tmp_path / "model")("the rain")
    shutil.rmtree(mine)
    # What was a folder is not asked for on a hub.
    monkeypatch.setattr("spacy_xner.ml.adapter.local_encoder", None)
    with pytest.raises(XnerError, match="X335"):
        spacy.load(tmp_path / "model")("the rain")


def test_notes_beside_the_base_do_not_count(make_pipeline, gold_docs, examples, tmp_path):
    mine = save_tiny_language_model(tmp_path / "mine")
    nlp = make_pipeline(mine)
    nlp.initialize(lambda: examples(gold_docs, nlp))
    nlp.to_disk(tmp_path / "model")
    (mine / "README.md").write_text("A tiny model.")
    (mine / ".cache").mkdir()
    (mine / ".cache" / "model.safetensors").write_text("fetched today")
    assert len(spacy.load(tmp_path / "model")("the rain")) == 2


def test_a_base_that_moved_is_found_by_the_config(
    make_pipeline, gold_docs, examples, tmp_path, base
):
    mine = tmp_path / "mine"
    shutil.copytree(base, mine)
    nlp = make_pipeline(mine)
    nlp.initialize(lambda: examples(gold_docs, nlp))
    nlp.to_disk(tmp_path / "model")
    mine.rename(tmp_path / "moved")
    where = {"components": {"xner": {"model": {"tok2vec": {"base": str(tmp_path / "moved")}}}}}
    loaded = spacy.load(tmp_path / "model", config=where)
    assert len(loaded("the rain")) == 2


def test_what_was_trained_decides_over_the_config(make_pipeline, gold_docs, examples, tmp_path):
    nlp = make_pipeline(rank=2, causal=True)
    nlp.initialize(lambda: examples(gold_docs, nlp))
    data = nlp.to_bytes()
    loaded = make_pipeline(rank=8, causal=False).from_bytes(data)
    settings = shim_of(loaded).settings
    assert (settings.rank, settings.causal) == (2, True)
    loaded("the rain")


@pytest.mark.parametrize("data", [b"", b"\xc1", srsly.msgpack_dumps({"adapters": b""})])
def test_bytes_of_another_kind(make_pipeline, data):
    with pytest.raises(XnerError, match="X331"):
        shim_of(make_pipeline()).from_bytes(data)


def test_how_it_is_read_may_change_after_training(make_pipeline, gold_docs, examples):
    nlp = make_pipeline()
    train(nlp, examples(gold_docs, nlp), steps=3)
    loaded = make_pipeline(window=8, stride=4, max_subwords=9).from_bytes(nlp.to_bytes())
    rows = [np.concatenate(x.get_pipe("xner").predict(gold_docs)) for x in (nlp, loaded)]
    assert (rows[0] != rows[1]).any()


def test_damaged_adapters(make_pipeline, gold_docs, examples):
    nlp = make_pipeline()
    nlp.initialize(lambda: examples(gold_docs, nlp))
    shim = shim_of(nlp)
    saved = srsly.msgpack_loads(shim.to_bytes())
    some = dict(list(safetensors.load(saved["adapters"]).items())[1:])
    for damaged in (saved["adapters"][:40], safetensors.save(some)):
        shim.from_bytes(srsly.msgpack_dumps({**saved, "adapters": damaged}))
        with pytest.raises(XnerError, match="X331"):
            nlp("the rain")


def test_a_base_that_cannot_be_quantised(make_pipeline, gold_docs, examples, monkeypatch):
    # transformers asks for the library when it loads the model.
    import transformers

    def missing(*args, **settings):
        raise ImportError("bitsandbytes is missing")

    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", missing)
    nlp = make_pipeline(quantise="int8")
    with pytest.raises(XnerError, match=r"X333.*int8.*bitsandbytes"):
        nlp.initialize(lambda: examples(gold_docs, nlp))


@pytest.mark.parametrize("quantise", ["int8", "nf4"])
def test_a_quantised_base_says_nearly_the_same(
    make_pipeline, gold_docs, examples, tmp_path, quantise
):
    pytest.importorskip("bitsandbytes")  # where the platform offers it
    nlp = make_pipeline(save_tiny_language_model(tmp_path / "base", width=64))
    train(nlp, examples(gold_docs, nlp), steps=20)
    nlp.to_disk(tmp_path / "model")
    where = {"components": {"xner": {"model": {"tok2vec": {"quantise": quantise}}}}}
    loaded = spacy.load(tmp_path / "model", config=where)
    rows = [np.concatenate(x.get_pipe("xner").predict(gold_docs)) for x in (nlp, loaded)]
    assert (rows[0] != rows[1]).any()
    assert np.abs(rows[0] - rows[1]).mean() < 0.05


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import sys; from spacy_xner.ml.language_model import build_language_model_encoder as b; "
        "b('nowhere'); sys.exit(any(x in sys.modules for x in ('peft', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
