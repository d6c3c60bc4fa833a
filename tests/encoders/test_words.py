import numpy as np
import pytest
from tiny_checkpoint import WIDTH, save_tiny_checkpoint

from spacy_xner.encoders import words as module
from spacy_xner.encoders.words import load_word_features
from spacy_xner.errors import XnerError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "encoder")


def states(folder, text, *, layers, upper):
    """The mean of the upper layers' states of one text by itself, without its special tokens."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    batch = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    model = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        found = model(**batch, output_hidden_states=True).hidden_states[: layers + 1]
    return torch.stack(found[1:][-upper:]).mean(0)[0, 1:-1].numpy()


def test_a_word_is_the_mean_of_its_pieces(folder):
    """Each letter is a piece of the tiny tokenizer: three of the first word, one of the second."""
    rows = states(folder, "abc d", layers=2, upper=3)
    (found,) = load_word_features(folder)([["abc", "d"]])
    assert (found.shape, found.dtype) == ((2, WIDTH), np.float32)
    assert np.allclose(found, [rows[:3].mean(axis=0), rows[3]], atol=1e-5)


@pytest.mark.parametrize(("layers", "upper"), [(1, 3), (2, 1), (2, 2)])
def test_layers_that_are_used(folder, monkeypatch, layers, upper):
    """The input embeddings are no layer, however few there are."""
    monkeypatch.setattr(module, "UPPER", upper)
    (found,) = load_word_features(folder, num_hidden_layers=layers)([["a", "b"]])
    assert np.allclose(found, states(folder, "a b", layers=layers, upper=upper), atol=1e-5)


def test_order_and_company_do_not_matter(folder, monkeypatch):
    encode = load_word_features(folder)
    texts = [["ab"] * n for n in (9, 1, 30, 2, 5)]
    found = encode(texts)
    monkeypatch.setattr(module, "BATCH", 2)
    for one, text in zip(found, texts, strict=True):
        assert np.allclose(encode([text])[0], one, atol=1e-6)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(encode(texts), found, strict=True))


def test_long_texts_are_read_to_the_end(folder):
    words = ["abcd"] * 100 + ["xyz"]
    encode = load_word_features(folder)
    found = encode([["ab"], words, ["cd"]])
    assert [len(rows) for rows in found] == [1, 101, 1]
    assert all(rows.any(axis=1).all() for rows in found)
    # 128 sub-words, two of them special: 31 words and a half.
    assert np.allclose(found[1][:31], encode([words[:31] + ["ab"]])[0][:31], atol=1e-5)
    half = [encode([words[:31] + ["ab"]])[0][31], encode([["cd", *words[32:63]]])[0][0]]
    assert np.allclose(found[1][31], np.mean(half, axis=0), atol=1e-5)


def test_words_without_a_piece_and_texts_without_words(folder):
    encode = load_word_features(folder)
    assert encode([]) == []
    found = encode([[], ["a", " ", "b"], []])
    assert [rows.shape for rows in found] == [(0, WIDTH), (3, WIDTH), (0, WIDTH)]
    assert found[1].any(axis=1).tolist() == [True, False, True]
    assert np.allclose(found[1][[0, 2]], encode([["a", "b"]])[0], atol=1e-6)


def test_what_is_no_encoder(tmp_path):
    with pytest.raises(XnerError, match="X601"):
        load_word_features(tmp_path / "none")
    with pytest.raises(XnerError, match="X108"):
        load_word_features(tmp_path)


def test_a_slow_tokenizer_is_refused(folder, monkeypatch):
    from transformers import AutoTokenizer

    slow = type("Slow", (), {"is_fast": False})()
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda *_, **__: slow)
    with pytest.raises(XnerError, match="X108.*not a fast one"):
        load_word_features(folder)


def test_without_torch_the_error_says_what_to_install(folder, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(XnerError, match=r"X426.*spacy-xner\[train\]"):
        load_word_features(folder)
