import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
from tiny_gguf import LAYERS, WIDTH, save_tiny_gguf

from spacy_xner.encoders import gguf as module
from spacy_xner.encoders.checkpoint import read_manifest
from spacy_xner.encoders.gguf import MODELS, WheelModel, build_language_model, find_parts
from spacy_xner.errors import XnerError
from spacy_xner.hashing import hash_file

pytest.importorskip("gguf")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return save_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


class Found:
    """A file of a distribution."""

    def __init__(self, path):
        self.name, self._path = path.name, path

    def locate(self):
        return self._path


@pytest.fixture
def install(monkeypatch):
    """Pretend that packages are installed: their files by name."""

    def make(packages: dict[str, list[Path]]):
        def files(name):
            if name not in packages:
                raise importlib.metadata.PackageNotFoundError(name)
            return [Found(path) for path in packages[name]]

        monkeypatch.setattr(module, "files", files)

    return make


def model_of(file, *packages):
    digest = hash_file(file, algorithm="sha256")
    return WheelModel(packages or ("tiny==1.0",), file.name, digest, "CC0")


def test_a_checkpoint_that_transformers_loads(file, install, tmp_path):
    install({"tiny": [file.with_name("README.md"), file]})
    manifest = build_language_model(tmp_path / "out", model_of(file))
    assert read_manifest(tmp_path / "out") == manifest
    assert not list((tmp_path / "out").glob("*.gguf"))
    model = transformers.AutoModel.from_pretrained(tmp_path / "out", torch_dtype=torch.float32)
    whole = transformers.AutoModel.from_pretrained(file.parent, gguf_file=file.name)
    assert (model.config.hidden_size, len(model.layers)) == (WIDTH, LAYERS)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.is_fast
    found = tokenizer("the rain ንጉሥ", return_offsets_mapping=True)
    assert tokenizer.decode(found["input_ids"], skip_special_tokens=True) == "the rain ንጉሥ"
    ids = torch.tensor([found["input_ids"]])
    with torch.no_grad():
        states = [m(ids).last_hidden_state.numpy() for m in (model, whole)]
    np.testing.assert_allclose(states[0], states[1], atol=2e-2)  # half precision


def test_parts_are_joined(file, install, tmp_path):
    data = file.read_bytes()
    parts = [tmp_path / f"tiny.gguf.part0{i}" for i in (0, 1)]
    for part, piece in zip(parts, (data[:1000], data[1000:]), strict=True):
        part.write_bytes(piece)
    install({"one": parts[:1], "two": parts[1:]})
    model = model_of(file, "one==1.0", "two==1.0")
    assert find_parts(model) == parts
    build_language_model(tmp_path / "out", model)
    assert read_manifest(tmp_path / "out") is not None


def test_fewer_layers(file, install, tmp_path):
    install({"tiny": [file]})
    build_language_model(tmp_path / "out", model_of(file), layers=2)
    found = transformers.AutoModel.from_pretrained(tmp_path / "out")
    assert len(found.layers) == found.config.num_hidden_layers == 2
    whole = transformers.AutoModel.from_pretrained(file.parent, gguf_file=file.name)
    theirs = whole.layers[1].mlp.up_proj.weight
    np.testing.assert_allclose(
        found.layers[1].mlp.up_proj.weight.detach().float(), theirs.detach(), atol=1e-3
    )
    with pytest.raises(XnerError, match="X110"):
        build_language_model(tmp_path / "more", model_of(file), layers=LAYERS + 1)
    assert not (tmp_path / "more").exists()


def test_a_package_is_missing(file, install):
    install({"other": [file], "tiny": [file.with_name("README.md")]})
    for packages in (("tiny==1.0",), ("nothing==2.0",)):
        with pytest.raises(XnerError, match=r"X111.*--no-deps"):
            find_parts(model_of(file, *packages))


def test_a_wrong_checksum(file, install, tmp_path):
    install({"tiny": [file]})
    with pytest.raises(XnerError, match="X113"):
        build_language_model(tmp_path / "out", model_of(file)._replace(sha256="0" * 64))
    assert not (tmp_path / "out").exists()


def test_a_file_that_cannot_be_converted(install, tmp_path):
    damaged = tmp_path / "tiny.gguf"
    damaged.write_bytes(b"no GGUF at all")
    install({"tiny": [damaged]})
    with pytest.raises(XnerError, match="X112"):
        build_language_model(tmp_path / "out", model_of(damaged))
    assert not (tmp_path / "out").exists()


def test_the_known_models_name_versions_and_licences():
    for model in MODELS.values():
        assert all("==" in package for package in model.packages)
        assert len(model.sha256) == 64
        assert model.licence
