"""A transformer comes back from its bytes as it went in."""

import numpy as np
import pytest
import spacy
import srsly
from spacy import registry
from tiny_checkpoint import save_tiny_checkpoint

from spacy_xner.errors import XnerError
from spacy_xner.ml.transformer import torch_module

pytest.importorskip("spacy_transformers")
from spacy_xner.ml.hf_shim import SafeShim  # noqa: E402


@pytest.fixture(params=["fast", "slow"])
def checkpoint(request, tmp_path):
    """A tokenizer in Rust that has one file, and one in Python that has a vocabulary."""
    folder = save_tiny_checkpoint(tmp_path / "encoder")
    if request.param == "slow":
        from transformers import BertTokenizer

        vocabulary = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
        vocabulary += [f"##{letter}" for letter in "abcdefghijklmnopqrst"]
        (folder / "vocab.txt").write_text("\n".join(vocabulary[:30]) + "\n")
        for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            (folder / file).unlink()
        BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder, request.param == "fast"


def build(folder, *, fast=True):
    block = {
        "@architectures": "spacy-xner.TransformerEncoder.v1",
        "name": str(folder),
        "get_spans": {"@span_getters": "spacy-transformers.doc_spans.v1"},
        "pooling": {"@layers": "reduce_mean.v1"},
        "tokenizer_config": {"use_fast": fast},
    }
    return registry.resolve({"model": block})["model"]


def shim_of(model):
    (shim,) = [shim for node in model.walk() for shim in node.shims]
    return shim


def test_what_is_saved_is_loaded(checkpoint):
    folder, fast = checkpoint
    docs = [spacy.blank("xx")("a bc d")]
    model = build(folder, fast=fast)
    model.initialize(X=docs)
    shim = shim_of(model)
    assert type(shim) is SafeShim
    data = model.to_bytes()

    other = build(folder, fast=fast).from_bytes(data)
    assert shim_of(other)._hfmodel.tokenizer.is_fast is fast
    np.testing.assert_array_equal(other.predict(docs)[0], model.predict(docs)[0])
    # And once more, now that the files of the tokenizer are gone.
    again = build(folder, fast=fast).from_bytes(other.to_bytes())
    np.testing.assert_array_equal(again.predict(docs)[0], model.predict(docs)[0])
    assert again.to_bytes() == other.to_bytes()


def test_one_that_was_not_initialised(tmp_path):
    shim = shim_of(build(tmp_path))
    other = shim_of(build(tmp_path)).from_bytes(shim.to_bytes())
    assert other._hfmodel.transformer is None
    assert other._hfmodel._init_tokenizer_config == shim._hfmodel._init_tokenizer_config


def test_shared_parameters_are_saved(tmp_path):
    model = build(save_tiny_checkpoint(tmp_path / "encoder"))
    model.initialize(X=[spacy.blank("xx")("a")])
    layers = torch_module(model).encoder.layer
    layers[1].output.dense.weight = layers[0].output.dense.weight
    other = build(tmp_path).from_bytes(model.to_bytes())
    copies = torch_module(other).encoder.layer
    assert copies[0].output.dense.weight.equal(layers[0].output.dense.weight)
    assert copies[1].output.dense.weight.equal(layers[0].output.dense.weight)


def damage(saved, key, value):
    return srsly.msgpack_dumps({**saved, key: value})


def test_damage(tmp_path):
    model = build(save_tiny_checkpoint(tmp_path / "encoder"))
    model.initialize(X=[spacy.blank("xx")("a")])
    shim = shim_of(model)
    data, before = shim.to_bytes(), shim._hfmodel
    saved = srsly.msgpack_loads(data)
    for wrong in (
        b"",
        data[:-100],
        srsly.msgpack_dumps({}),
        damage(saved, "state", saved["state"][:-1]),
        damage(saved, "state", b""),
        damage(saved, "tokenizer", {}),
        damage(saved, "config", {"model_type": "unheard of"}),
        damage(saved, "config", {**saved["config"], "hidden_size": 32}),
    ):
        with pytest.raises(XnerError, match="X706"):
            shim.from_bytes(wrong)
        assert shim._hfmodel is before
