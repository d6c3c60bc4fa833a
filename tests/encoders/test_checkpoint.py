import json
import resource
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xner.encoders.checkpoint import (
    MANIFEST,
    REQUIRED,
    Manifest,
    TextDigest,
    new_folder,
    read_manifest,
    texts_digest,
)
from spacy_xner.encoders.convert import build_offline_encoder
from spacy_xner.errors import XnerError

BUILT = Manifest("0" * 64, 7, None)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_folder_appears_at_the_end(tmp_path):
    target = tmp_path / "a" / "b"
    with new_folder(target) as folder:
        (folder / "x").write_text("x")
        assert not target.exists()
    assert names(target) == ["x"]
    assert names(tmp_path / "a") == ["b"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_interruption_leaves_the_old_folder(error, tmp_path):
    target = tmp_path / "encoder"
    with new_folder(target) as folder:
        BUILT.write(folder)
    with pytest.raises(error), new_folder(target) as folder:
        (folder / "half").write_text("x")
        raise error
    assert names(tmp_path) == ["encoder"]
    assert names(target) == [MANIFEST]


def test_replacing(tmp_path):
    target = tmp_path / "encoder"
    target.mkdir()  # empty
    with new_folder(target) as folder:
        BUILT.write(folder)
    with new_folder(target) as folder:  # built by us
        (folder / "thesis.txt").write_text("x")
    with pytest.raises(XnerError, match="X106"), new_folder(target):
        raise AssertionError("not reached")
    assert names(target) == ["thesis.txt"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(XnerError, match="X106"), new_folder(tmp_path / "file"):
        raise AssertionError("not reached")


def test_a_full_disk_leaves_nothing(tiny_file, tmp_path):
    """A limit on the size of files stands for the full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises((XnerError, OSError), match="X109|os error|Errno"):
            build_offline_encoder(tmp_path / "encoder", source=tiny_file, sha256=None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(tmp_path) == []


def test_manifest_of_a_complete_folder_only(tmp_path):
    assert read_manifest(tmp_path / "none") is None
    for name in REQUIRED:
        (tmp_path / name).write_text("{}")
    assert read_manifest(tmp_path) is None
    BUILT.write(tmp_path)
    assert read_manifest(tmp_path) == BUILT
    (tmp_path / MANIFEST).write_text(json.dumps({"source_sha256": "0", "pieces": 7}))
    assert read_manifest(tmp_path) is None
    other = replace(BUILT, layers=8, least=60_000)
    other.write(tmp_path)
    assert read_manifest(tmp_path) == other != BUILT
    for content in ("{", "[]", json.dumps({"pieces": 3})):
        (tmp_path / MANIFEST).write_text(content)
        assert read_manifest(tmp_path) is None
    BUILT.write(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert read_manifest(tmp_path) is None


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_digest_is_taken_while_texts_pass(texts):
    digest = TextDigest()
    assert list(digest.watch(iter(texts))) == texts
    assert digest.hexdigest() == texts_digest(texts)


def test_digests_tell_inputs_apart():
    assert texts_digest(["a", "b"]) != texts_digest(["b", "a"])
    assert texts_digest(["a", "b"]) != texts_digest(["ab"])
    assert texts_digest([]) != texts_digest([""])
