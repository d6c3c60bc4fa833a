import sys
from types import SimpleNamespace

import pytest

from spacy_xner.encoders import local_encoder
from spacy_xner.errors import XnerError


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that knows one model, and what it was asked for."""
    asked = []

    def snapshot_download(name, *, allow_patterns):
        assert "*.safetensors" in allow_patterns
        assert "*.bin" not in allow_patterns
        asked.append(name)
        if name != "some/model":
            raise OSError(f"no model {name}")
        return str(tmp_path / "fetched")

    module = SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return asked


def test_folders_are_not_asked_for(hub, tmp_path):
    assert local_encoder("offline", tmp_path) == tmp_path
    assert local_encoder(str(tmp_path), tmp_path / "other") == tmp_path
    assert hub == []


def test_a_name_is_fetched(hub, tmp_path):
    assert local_encoder("some/model", tmp_path) == tmp_path / "fetched"
    assert hub == ["some/model"]


def test_an_unknown_name_is_an_explained_error(hub, tmp_path):
    with pytest.raises(XnerError, match=r"X108.*no/model.*no model"):
        local_encoder("no/model", tmp_path)


def test_the_offline_encoder_is_never_fetched(hub, tmp_path):
    assert local_encoder("offline", tmp_path / "missing") == tmp_path / "missing"
    assert hub == []
