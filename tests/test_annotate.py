import errno
import json
import os
import shutil
import subprocess
import time

import numpy as np
import pytest
import spacy
from handmade import HandTeacher, add_ensemble, save_ruler, span_teacher
from spacy.tokens import DocBin

from spacy_xner import annotate as annotate_module
from spacy_xner import shards as shards_module
from spacy_xner.annotate import annotate, find_ensemble, run_key
from spacy_xner.corpora.docs import RawText, read_text
from spacy_xner.errors import XnerError
from spacy_xner.inspect import describe
from spacy_xner.shards import read_docs
from spacy_xner.silver import read_silver

KNOWS = {"Ana": {"B-PER": 0.9}, "Bob": {"B-PER": 0.6}, "Lagos": {"B-LOC": 0.8}}
RECORDS = [
    RawText(f"text:{i}", f"{name} met {i} friends", None) for i in range(3) for name in KNOWS
]
RECORDS += [RawText("words", "Ana's Bob", ["Ana", "'s Bob"])]


class Interrupted(HandTeacher):
    """Raises at its n-th batch, as a kill or a lost GPU would."""

    def __init__(self, *args, batches, **settings):
        super().__init__(*args, **settings)
        self.left = batches

    def distributions(self, docs):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().distributions(docs)


def pipeline(*, batches=10**9):
    nlp = spacy.blank("xx")
    pipe = add_ensemble(nlp, {})
    pipe.teachers["a"] = Interrupted(KNOWS, batches=batches)
    pipe.teachers["b"] = HandTeacher({"Ana": {"B-PER": 0.7}, "Bob": {"B-LOC": 0.8}})
    return nlp


def run(output, *, nlp=None, key="key", shard_size=4, **settings):
    nlp = nlp or pipeline()
    return annotate(nlp, RECORDS, output, key=key, shard_size=shard_size, **settings)


def parts(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.spacy"))}


def test_shards_and_manifest(tmp_path):
    done = []
    found = run(tmp_path / "new" / "silver", progress=done.append)
    folder = tmp_path / "new" / "silver"
    assert [shard["docs"] for shard in found] == [shard["texts"] for shard in found] == [4, 4, 2]
    assert done == [4, 4, 2]
    manifest = json.loads((folder / "manifest.json").read_text("utf8"))
    assert manifest == {"key": "key", "shards": found}
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "part-00000.spacy",
        "part-00001.spacy",
        "part-00002.spacy",
    ]
    docs = list(read_docs(folder, spacy.blank("xx").vocab))
    assert [doc.user_data["id"] for doc in docs] == [record.id for record in RECORDS]
    assert [token.text for token in docs[-1]] == ["Ana", "'s Bob"]
    assert [doc.text for doc in docs[:-1]] == [record.text for record in RECORDS[:-1]]
    assert np.allclose(read_silver(docs[0]).distribution[0], [0.2, 0, 0, 0.8, 0], atol=1 / 255)
    assert {"silver", "silver/a", "silver/b"} == set(docs[0].spans)


def test_nothing_to_annotate(tmp_path):
    assert annotate(pipeline(), [], tmp_path, key="key") == []
    assert json.loads((tmp_path / "manifest.json").read_text())["shards"] == []


@pytest.mark.parametrize("size", [0, -1])
def test_shard_size(size, tmp_path):
    with pytest.raises(XnerError, match=r"X308.*shard_size"):
        run(tmp_path, shard_size=size)


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_an_interrupted_run_goes_on(batches, tmp_path):
    run(tmp_path / "undisturbed")
    expected = parts(tmp_path / "undisturbed")
    folder = tmp_path / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        run(folder, nlp=pipeline(batches=batches))
    left = parts(folder)
    assert len(left) == batches
    nlp, done = pipeline(), []
    shards = run(folder, nlp=nlp, progress=done.append)
    # What was done is counted, not asked again.
    assert sum(done) == len(RECORDS)
    assert len(nlp.get_pipe("teacher_ensemble").teachers["b"].calls) == 3 - batches
    assert parts(folder) == expected
    assert [shard["texts"] for shard in shards] == [4, 4, 2]
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_stop_between_the_first_shard_and_its_manifest(tmp_path, monkeypatch):
    """The manifest was there before: the next run knows the shard for its own, and goes on."""
    run(tmp_path / "undisturbed")
    folder, real = tmp_path / "silver", annotate_module.write_manifest

    def stop(output, key, shards):
        if shards:
            raise KeyboardInterrupt
        real(output, key, shards)

    monkeypatch.setattr(annotate_module, "write_manifest", stop)
    with pytest.raises(KeyboardInterrupt):
        run(folder)
    assert list(parts(folder)) == ["part-00000.spacy"]
    assert json.loads((folder / "manifest.json").read_text("utf8")) == {"key": "key", "shards": []}
    monkeypatch.undo()
    with pytest.raises(XnerError, match="X411"):
        run(folder, key="another")
    assert [shard["texts"] for shard in run(folder)] == [4, 4, 2]
    assert parts(folder) == parts(tmp_path / "undisturbed")


def test_a_finished_run_is_not_repeated(tmp_path):
    first = run(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.spacy")}
    nlp = pipeline(batches=0)
    assert run(tmp_path, nlp=nlp) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.spacy")} == before


@pytest.mark.parametrize("spoil", ["truncate", "remove", "empty"])
def test_a_damaged_shard_is_done_again(spoil, tmp_path):
    run(tmp_path)
    expected = parts(tmp_path)
    path = tmp_path / "part-00001.spacy"
    if spoil == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-30] if spoil == "truncate" else b"")
    run(tmp_path)
    assert parts(tmp_path) == expected


def test_shards_of_another_run_are_kept(tmp_path):
    run(tmp_path, key="one")
    before = parts(tmp_path)
    with pytest.raises(XnerError, match=r"X411.*3 \.spacy.*--force"):
        run(tmp_path, key="two", shard_size=2)
    assert parts(tmp_path) == before
    run(tmp_path, key="two", shard_size=5, force=True)
    assert len(parts(tmp_path)) == 2
    assert json.loads((tmp_path / "manifest.json").read_text())["key"] == "two"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"key": "key"}', '{"key": "key", "shards": [{}]}', "\x00"]
)
def test_a_damaged_manifest_is_another_run(text, tmp_path):
    run(tmp_path)
    expected = parts(tmp_path)
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(XnerError, match="X411"):
        run(tmp_path)
    run(tmp_path, force=True)
    assert parts(tmp_path) == expected


def test_files_that_we_did_not_write_are_never_removed(tmp_path):
    mine = tmp_path / "gold.spacy"
    mine.write_bytes(b"years of work")
    for force in (False, True):
        with pytest.raises(XnerError, match="X411"):
            run(tmp_path, force=force)
        assert parts(tmp_path) == {"gold.spacy": b"years of work"}


def test_documents_that_an_error_handler_left_out(tmp_path):
    """They are missing from their shard, and the next run goes on at the right text."""
    nlp = pipeline()

    def distributions(docs, real=nlp.get_pipe("teacher_ensemble").teachers["b"].distributions):
        if "Lagos" in docs[0].text:
            raise RuntimeError("no")
        return real(docs)

    nlp.get_pipe("teacher_ensemble").teachers["b"].distributions = distributions
    nlp.set_error_handler(lambda *args: None)
    nlp.batch_size = 1
    shards = run(tmp_path, nlp=nlp)
    assert [(shard["texts"], shard["docs"]) for shard in shards] == [(4, 3), (4, 3), (2, 1)]
    expected = parts(tmp_path)
    (tmp_path / "part-00002.spacy").unlink()
    run(tmp_path, nlp=nlp)
    assert parts(tmp_path) == expected


# The key of a run


def test_key_depends_on_all_that_decides(tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("Ana\n")
    save_ruler(tmp_path / "teacher", {"Ana": "PER", "Lagos": "LOC"})

    def key(limit=0, **settings):
        nlp = spacy.blank("xx")
        add_ensemble(nlp, {"only": span_teacher(str(tmp_path / "teacher"))}, **settings)
        return run_key(nlp, tmp_path / "text", limit=limit)

    keys = [key(), key(limit=3), key(threshold=0.7)]
    assert key() == keys[0]
    (tmp_path / "text" / "a.txt").write_text("Ana!\n")
    keys.append(key())
    (tmp_path / "text" / "b.txt").write_text("Bob\n")
    keys.append(key())
    shutil.rmtree(tmp_path / "teacher")
    save_ruler(tmp_path / "teacher", {"Ana": "PER", "Lagos": "LOC", "Bob": "PER"})
    keys.append(key())
    assert len(set(keys)) == 6


def test_key_depends_on_the_tokenizer_and_on_how_a_teacher_is_heard(tmp_path):
    (tmp_path / "a.txt").write_text("Ana\n")
    save_ruler(tmp_path / "teacher", {"Ana": "PER", "Lagos": "LOC"})

    def key(**settings):
        nlp = spacy.blank("xx")
        add_ensemble(nlp, {"only": span_teacher(str(tmp_path / "teacher"), **settings)})
        return nlp, run_key(nlp, tmp_path / "a.txt")

    nlp, first = key()
    assert key()[1] == first
    nlp.tokenizer.add_special_case("AnaLima", [{"ORTH": "Ana"}, {"ORTH": "Lima"}])
    assert len({first, run_key(nlp, tmp_path / "a.txt"), key(labels=["PER", "LOC"])[1]}) == 3


def test_key_depends_on_what_learnt_weights_hold(tmp_path):
    """Other weights under the same name are another run."""
    (tmp_path / "a.txt").write_text("Ana\n")
    save_ruler(tmp_path / "teacher", {"Ana": "PER", "Lagos": "LOC"})
    weights = tmp_path / "weights.json"

    def key():
        nlp = spacy.blank("xx")
        teachers = {"only": span_teacher(str(tmp_path / "teacher"))}
        block = {"@misc": "spacy-xner.SimilarityWeights.v1", "path": str(weights)}
        add_ensemble(nlp, teachers, weights=block)
        return run_key(nlp, tmp_path / "a.txt")

    weights.write_text("{}")
    before = key()
    assert key() == before
    weights.write_text('{"changed": true}')
    assert key() != before


def test_a_pipeline_without_an_ensemble():
    with pytest.raises(XnerError, match=r"X410.*sentencizer"):
        nlp = spacy.blank("xx")
        nlp.add_pipe("sentencizer")
        find_ensemble(nlp)


# Faults


class FullDisk:
    """A disk that takes a number of bytes and then no more."""

    def __init__(self, room):
        self.room = room
        self.real = os.fsync

    def __call__(self, descriptor):
        self.room -= os.fstat(descriptor).st_size
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.real(descriptor)


def check_after_a_full_disk(folder, expected):
    left = parts(folder)
    assert 0 < len(left) < 3
    assert left == {name: expected[name] for name in left}
    assert describe(read_docs(folder, spacy.blank("xx").vocab))["docs"] == 4 * len(left)
    manifest = json.loads((folder / "manifest.json").read_text("utf8"))
    assert len(manifest["shards"]) in (len(left), len(left) - 1)


def test_a_full_disk_leaves_what_was_written(tmp_path, monkeypatch):
    run(tmp_path / "undisturbed")
    expected = parts(tmp_path / "undisturbed")
    folder = tmp_path / "silver"
    room = sum(len(data) for data in list(expected.values())[:2])
    monkeypatch.setattr(shards_module.os, "fsync", FullDisk(room))
    with pytest.raises(OSError, match="No space left"):
        run(folder)
    check_after_a_full_disk(folder, expected)
    assert not [path for path in folder.iterdir() if path.suffix == ".tmp"]
    monkeypatch.undo()
    run(folder)
    assert parts(folder) == expected


@pytest.fixture
def small_disk(tmp_path):
    """A real file system with room for some kilobytes; mounting it needs rights."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        pytest.skip("there is no 'mount'")
    if done.returncode:
        pytest.skip(f"cannot mount a small file system: {done.stderr.decode().strip()}")
    yield folder
    for _ in range(20):
        if not subprocess.run(["umount", str(folder)], capture_output=True).returncode:
            break
        time.sleep(0.1)


def test_a_file_system_that_is_really_full(small_disk, tmp_path):
    run(tmp_path / "undisturbed")
    expected = parts(tmp_path / "undisturbed")
    with pytest.raises(OSError, match="No space left"):
        run(small_disk)
    check_after_a_full_disk(small_disk, expected)


def test_a_truncated_input_file(tmp_path):
    nlp = spacy.blank("xx")
    path = tmp_path / "in.spacy"
    DocBin(docs=[nlp(f"Ana {i}") for i in range(50)]).to_disk(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(XnerError, match="X006"):
        annotate(pipeline(), read_text(path), tmp_path / "silver", key="key")
    assert not parts(tmp_path / "silver")
