import sys

import numpy as np
import pytest
from tiny_checkpoint import LAYERS, WIDTH, save_tiny_checkpoint

from spacy_xner.encoders import features as module
from spacy_xner.encoders.features import (
    load_features,
    load_token_features,
    sentence_features,
    token_features,
)
from spacy_xner.errors import XnerError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "encoder")


def states_by_hand(folder, text, *, layers):
    """One text by itself, without padding: the states after some layers, special tokens too."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    batch = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    model = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        states = model(**batch, output_hidden_states=True).hidden_states
    return states[layers][0].numpy()


def by_hand(folder, text, *, layers):
    return states_by_hand(folder, text, layers=layers).mean(axis=0)


def test_features_are_means_of_hidden_states(folder):
    texts = ["abc def", "a", "the quick brown fox jumps", "zz"]
    found = sentence_features(folder, texts)
    assert (found.shape, found.dtype) == ((4, WIDTH), np.float32)
    for row, text in zip(found, texts, strict=True):
        assert np.allclose(row, by_hand(folder, text, layers=LAYERS), atol=1e-5)


def test_the_bottom_layers_alone(folder):
    found = sentence_features(folder, ["abc"], num_hidden_layers=1)
    assert np.allclose(found[0], by_hand(folder, "abc", layers=1), atol=1e-5)
    assert not np.allclose(found, sentence_features(folder, ["abc"]), atol=1e-2)


def test_an_encoder_with_fewer_layers_uses_all_of_them(folder):
    texts = ["abc", "xyz"]
    assert (
        sentence_features(folder, texts, num_hidden_layers=8)
        == sentence_features(folder, texts, num_hidden_layers=LAYERS)
    ).all()


def test_order_and_company_do_not_matter(folder, monkeypatch):
    encode = load_features(folder)
    texts = [("ab " * n).strip() for n in (9, 1, 30, 2, 5)]
    found = encode(texts)
    assert np.allclose(encode(texts[::-1])[::-1], found, atol=1e-6)
    monkeypatch.setattr(module, "BATCH", 2)
    assert np.allclose(encode(texts), found, atol=1e-6)


def test_no_text_and_texts_of_any_length(folder):
    encode = load_features(folder)
    assert encode([]).shape == (0, WIDTH)
    found = encode(["", "   ", "x" * 5000])
    assert np.isfinite(found).all()
    assert np.allclose(found[2], encode(["x" * module.MAX_LENGTH])[0], atol=1e-6)


def test_token_features_are_hidden_states_without_special_tokens(folder):
    """The tokenizer reads letters: one sub-word a letter, and <unk> for a digit."""
    texts = ["abc def", "a", "the quick brown fox jumps", "z1"]
    for layers in (1, LAYERS):
        found = token_features(folder, texts, num_hidden_layers=layers)
        assert [len(rows) for rows in found] == [6, 1, 21, 2]
        for rows, text in zip(found, texts, strict=True):
            assert rows.dtype == np.float32
            expected = states_by_hand(folder, text, layers=layers)[1:-1]
            assert np.allclose(rows, expected, atol=1e-5)


def test_token_features_of_any_text(folder, monkeypatch):
    encode = load_token_features(folder)
    assert encode([]) == []
    texts = ["", "abc", "   ", "x" * 5000, "de"]
    found = encode(texts)
    # <s> and </s> stand among the first 128.
    assert [rows.shape for rows in found] == [(n, WIDTH) for n in (0, 3, 0, 126, 2)]
    monkeypatch.setattr(module, "BATCH", 2)
    for one, other in zip(encode(texts[::-1])[::-1], found, strict=True):
        assert np.allclose(one, other, atol=1e-6)


def test_loading_prints_nothing(folder, capfd):
    sentence_features(folder, ["abc"], num_hidden_layers=1)
    assert capfd.readouterr() == ("", "")


def test_what_is_no_encoder(tmp_path, folder):
    with pytest.raises(XnerError, match="X601"):
        sentence_features(tmp_path / "none", ["a"])
    with pytest.raises(XnerError, match="X108"):
        sentence_features(tmp_path, ["a"])
    damaged = save_tiny_checkpoint(tmp_path / "damaged")
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(XnerError, match="X108"):
        sentence_features(damaged, ["a"])


def test_without_torch_the_error_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(XnerError, match=r"X426.*spacy-xner\[train\]"):
        load_features(folder)
    with pytest.raises(XnerError, match="X426"):
        token_features(folder, ["a"])
