import errno
import hashlib
import io
import json
import os
import shutil
import subprocess
import time

import numpy as np
import pytest
import spacy
from handmade import HandTeacher, add_ensemble, save_ruler, span_teacher
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_xner import shards as shards_module
from spacy_xner.corpora.raw_text import BadText, RawText, TextSource
from spacy_xner.errors import TooManyFailuresError, XnerError
from spacy_xner.inspect import describe
from spacy_xner.jobs import run as run_module
from spacy_xner.jobs.blocks import plain_source
from spacy_xner.jobs.local import in_process
from spacy_xner.jobs.manifest import Manifest, read_manifest
from spacy_xner.jobs.progress import Progress
from spacy_xner.jobs.run import run_job
from spacy_xner.jobs.verify import verify_shards
from spacy_xner.locks import LOCK, lock_folder
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


class Watcher:
    def __init__(self):
        self.seen = []

    def shard(self, entry, *, fresh):
        self.seen.append((entry["texts"], fresh))


def run(output, *, nlp=None, items=RECORDS, key="key", shard_size=4, **settings):
    nlp = nlp or pipeline()
    engine = in_process(nlp, output, key=key, max_failures=settings.get("max_failures", 0.01))
    settings = {"shard_size": shard_size, **settings}
    return run_job(plain_source(items), output, engine, key=key, **settings)


def parts(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.spacy"))}


def texts(folder):
    return [doc.text for doc in read_docs(folder, spacy.blank("xx").vocab)]


def break_on(nlp, word, error=RuntimeError("a teacher that cannot read this")):
    teacher = nlp.get_pipe("teacher_ensemble").teachers["b"]

    def distributions(docs, real=teacher.distributions):
        if any(word in doc.text for doc in docs):
            raise error
        return real(docs)

    teacher.distributions = distributions
    return nlp


# Shards


def test_shards_and_manifest(tmp_path):
    watcher = Watcher()
    folder = tmp_path / "new" / "silver"
    found = run(folder, watcher=watcher)
    assert [entry["docs"] for entry in found] == [entry["texts"] for entry in found] == [4, 4, 2]
    assert watcher.seen == [(4, True), (4, True), (2, True)]
    manifest = read_manifest(folder)
    assert (manifest.key, manifest.finished) == ("key", True)
    assert list(manifest.entries.values()) == found
    for number, (name, data) in enumerate(parts(folder).items()):
        # By position and content: the name alone says whether the file is whole.
        assert name == f"part-{number:06d}-{hashlib.sha256(data).hexdigest()[:12]}.spacy"
    assert {path.name for path in folder.iterdir()} == {*parts(folder), "manifest.jsonl", LOCK}
    docs = list(read_docs(folder, spacy.blank("xx").vocab))
    assert [doc.user_data["id"] for doc in docs] == [record.id for record in RECORDS]
    assert [token.text for token in docs[-1]] == ["Ana", "'s Bob"]
    assert [doc.text for doc in docs[:-1]] == [record.text for record in RECORDS[:-1]]
    assert np.allclose(read_silver(docs[0]).distribution[0], [0.2, 0, 0, 0.8, 0], atol=1 / 255)
    assert {"silver", "silver/a", "silver/b"} == set(docs[0].spans)
    assert verify_shards(folder) == []


def test_metadata_goes_along(tmp_path):
    meta = {"source": "letters", "year": 1987, "nested": {"a": (1, None)}}
    run(tmp_path, items=[RawText("1", "Ana", None, meta), RawText("2", "Bob", None)])
    first, second = read_docs(tmp_path, spacy.blank("xx").vocab)
    assert (first.user_data["meta"], "meta" in second.user_data) == (meta, False)


def test_nothing_to_annotate(tmp_path):
    assert run(tmp_path, items=[]) == []
    assert read_manifest(tmp_path) == Manifest("key", {"shard_size": "4"}, {}, finished=True)


@pytest.mark.parametrize("size", [0, -1])
def test_shard_size(size, tmp_path):
    with pytest.raises(XnerError, match=r"X308.*shard_size"):
        run(tmp_path, shard_size=size)


def test_limit(tmp_path):
    assert [entry["texts"] for entry in run(tmp_path, limit=6)] == [4, 2]


def test_a_run_takes_texts_as_it_goes(tmp_path):
    """No more than a block of them is held: the first shard is there when the second is read."""
    seen = []

    def stream():
        for i, record in enumerate(RECORDS):
            seen.append((i, len(parts(tmp_path))))
            yield record

    run(tmp_path, items=stream())
    assert seen[:5] == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 1)]


# Going on


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_an_interrupted_run_goes_on(batches, tmp_path):
    run(tmp_path / "undisturbed")
    expected = parts(tmp_path / "undisturbed")
    folder = tmp_path / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        run(folder, nlp=pipeline(batches=batches))
    assert len(parts(folder)) == batches
    assert any("not finished" in problem for problem in verify_shards(folder))
    nlp, watcher = pipeline(), Watcher()
    entries = run(folder, nlp=nlp, watcher=watcher)
    # What was done is counted, not asked again.
    assert watcher.seen == [(n, i >= batches) for i, n in enumerate([4, 4, 2])]
    assert len(nlp.get_pipe("teacher_ensemble").teachers["b"].calls) == 3 - batches
    assert parts(folder) == expected
    assert [entry["texts"] for entry in entries] == [4, 4, 2]
    assert verify_shards(folder) == []


def test_a_stop_between_a_shard_and_its_line(tmp_path, monkeypatch):
    """The next run does the shard again, under the same name; another run is refused."""
    run(tmp_path / "undisturbed")
    folder = tmp_path / "silver"

    def stop(output, entry):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "append_entry", stop)
    with pytest.raises(KeyboardInterrupt):
        run(folder)
    assert len(parts(folder)) == 1
    assert "an unfinished run left it" in verify_shards(folder)[0]
    monkeypatch.undo()
    with pytest.raises(XnerError, match="X411"):
        run(folder, key="another")
    assert [entry["texts"] for entry in run(folder)] == [4, 4, 2]
    assert parts(folder) == parts(tmp_path / "undisturbed")


@given(cut=st.integers(min_value=0))
@settings(max_examples=30)
def test_a_manifest_that_was_cut_off_anywhere(cut, tmp_path_factory):
    folder = tmp_path_factory.mktemp("silver")
    run(folder)
    expected, manifest = parts(folder), (folder / "manifest.jsonl").read_bytes()
    cut %= len(manifest)
    (folder / "manifest.jsonl").write_bytes(manifest[:cut])
    if cut < len(manifest.split(b"\n")[0]):  # without a header nobody knows whose the shards are
        with pytest.raises(XnerError, match="X411"):
            run(folder)
        run(folder, force=True)
    else:
        run(folder)
    assert (parts(folder), verify_shards(folder)) == (expected, [])
    assert (folder / "manifest.jsonl").read_bytes() == manifest


def test_a_finished_run_is_not_repeated(tmp_path):
    first = run(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.spacy")}
    assert run(tmp_path, nlp=pipeline(batches=0)) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.spacy")} == before


@pytest.mark.parametrize("spoil", ["truncate", "remove", "empty", "flip"])
def test_a_damaged_shard_is_found_and_done_again_alone(spoil, tmp_path):
    run(tmp_path)
    expected = parts(tmp_path)
    path = sorted(tmp_path.glob("*.spacy"))[1]
    data = path.read_bytes()
    changed = {"truncate": data[:-30], "empty": b"", "flip": data[:9] + b"\0" + data[10:]}
    path.unlink() if spoil == "remove" else path.write_bytes(changed[spoil])
    (problem,) = verify_shards(tmp_path)
    assert str(path) in problem
    assert ("is missing" if spoil == "remove" else "has changed") in problem
    nlp = pipeline()
    run(tmp_path, nlp=nlp)
    assert len(nlp.get_pipe("teacher_ensemble").teachers["b"].calls) == 1
    assert (parts(tmp_path), verify_shards(tmp_path)) == (expected, [])


def test_shards_of_another_run_are_kept(tmp_path):
    run(tmp_path, key="one", parts={"teachers": "a", "input": "x"})
    before = parts(tmp_path)
    with pytest.raises(XnerError, match=r"X411.*3 \.spacy.*changed: teachers\).*--force.*--mix"):
        run(tmp_path, key="two", parts={"teachers": "b", "input": "x"})
    with pytest.raises(XnerError, match=r"changed: shard_size"):
        run(tmp_path, key="two", parts={"teachers": "a", "input": "x"}, shard_size=2)
    assert parts(tmp_path) == before
    run(tmp_path, key="two", shard_size=5, force=True)
    assert len(parts(tmp_path)) == 2
    assert read_manifest(tmp_path).key == "two"


def test_mixing_keeps_what_has_the_same_texts(tmp_path):
    """As where a teacher was trained again in the middle of a long run."""
    run(tmp_path, key="one")
    sorted(tmp_path.glob("*.spacy"))[1].unlink()
    changed = [*RECORDS[:8], RawText("new", "Bob left", None), RawText("more", "Ana", None)]
    nlp = pipeline()
    entries = run(tmp_path, nlp=nlp, key="two", items=changed, mix=True)
    assert [entry["key"] for entry in entries] == ["one", "two", "two"]
    assert len(nlp.get_pipe("teacher_ensemble").teachers["b"].calls) == 2
    assert texts(tmp_path) == [record.text for record in changed]
    assert verify_shards(tmp_path) == []
    # Fewer texts: what stands beyond them goes.
    assert len(run(tmp_path, key="three", items=changed[:4], mix=True)) == 1
    assert texts(tmp_path) == [record.text for record in changed[:4]]
    with pytest.raises(XnerError, match="X411"):
        run(tmp_path, key="four", items=changed, mix=True, shard_size=3)


def test_other_texts_under_the_same_key(tmp_path):
    """Standard input is not known before it is read: the shards know what they were made of."""
    run(tmp_path)
    before = parts(tmp_path)
    changed = [*RECORDS[:5], RawText("x", "Bob", None), *RECORDS[6:]]
    with pytest.raises(XnerError, match=r"X461.*part-000001"):
        run(tmp_path, items=changed)
    assert parts(tmp_path) == before
    run(tmp_path, items=changed, mix=True)
    assert texts(tmp_path)[5] == "Bob"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"key": "key"}', "\x00", "null\n"])
def test_a_damaged_manifest_is_another_run(text, tmp_path):
    run(tmp_path)
    expected = parts(tmp_path)
    (tmp_path / "manifest.jsonl").write_text(text)
    assert "damaged" in verify_shards(tmp_path)[0]
    with pytest.raises(XnerError, match=r"X411.*no manifest"):
        run(tmp_path)
    run(tmp_path, force=True)
    assert parts(tmp_path) == expected


@pytest.mark.parametrize("name", ["../part-000000-0123456789ab.spacy", "/etc/passwd"])
def test_a_manifest_cannot_name_files_elsewhere(name, tmp_path):
    """Nor have them removed."""
    run(tmp_path / "silver")
    outside = tmp_path / "part-000000-0123456789ab.spacy"
    outside.write_bytes(b"mine")
    path = tmp_path / "silver" / "manifest.jsonl"
    lines = path.read_text().splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), "file": name})
    path.write_text("\n".join(lines) + "\n")
    assert 0 not in read_manifest(tmp_path / "silver").entries
    run(tmp_path / "silver")
    assert outside.read_bytes() == b"mine"
    assert verify_shards(tmp_path / "silver") == []


def test_files_that_we_did_not_write_are_never_removed(tmp_path):
    mine = tmp_path / "gold.spacy"
    mine.write_bytes(b"years of work")
    for force in (False, True):
        with pytest.raises(XnerError, match="X411"):
            run(tmp_path, force=force)
        assert parts(tmp_path) == {"gold.spacy": b"years of work"}


def test_two_runs_in_one_folder(tmp_path):
    with lock_folder(tmp_path), pytest.raises(XnerError, match="X701"):
        run(tmp_path)
    assert not parts(tmp_path)


# Texts that fail


def test_a_text_that_fails_goes_to_the_dead_letters(tmp_path):
    bad = BadText("mine", "a.txt:7", "it is not UTF-8")
    items = [*RECORDS[:2], bad, *RECORDS[2:]]
    entries = run(tmp_path, nlp=break_on(pipeline(), "Lagos met 1"), items=items, max_failures=0.5)
    assert [(x["texts"], x["docs"], x["failed"]) for x in entries] == [
        (4, 3, 1),
        (4, 3, 1),
        (3, 3, 0),
    ]
    expected = [record.text for record in RECORDS[:-1] if "Lagos met 1" not in record.text]
    assert texts(tmp_path)[:-1] == expected
    letters = sorted((tmp_path / "dead-letters").iterdir())
    first, second = [json.loads(path.read_text("utf8")) for path in letters]
    assert first == {"id": "mine", "where": "a.txt:7", "reason": "it is not UTF-8"}
    assert (second["id"], second["text"]) == ("text:1", "Lagos met 1 friends")
    assert "a teacher that cannot read this" in second["reason"]
    assert verify_shards(tmp_path) == []
    letters[0].write_text("{}")
    assert str(letters[0]) in verify_shards(tmp_path)[0]


def test_dead_letters_are_input_again(tmp_path):
    meta = {"page": 3}
    record = RawText("id", "Ana's Bob", ["Ana", "'s Bob"], meta)
    nlp = break_on(pipeline(), "Bob")
    with pytest.raises(TooManyFailuresError):
        run(tmp_path / "first", nlp=nlp, items=[record])
    source = TextSource(tmp_path / "first" / "dead-letters")
    run(tmp_path / "second", items=[item for _, item in source.items()])
    (doc,) = read_docs(tmp_path / "second", spacy.blank("xx").vocab)
    assert ([t.text for t in doc], doc.user_data["id"]) == (["Ana", "'s Bob"], "id")
    assert doc.user_data["meta"]["page"] == 3


def test_documents_that_an_error_handler_left_out(tmp_path):
    nlp = pipeline()
    nlp.set_error_handler(lambda *args: None)
    entries = run(tmp_path, nlp=break_on(nlp, "Lagos"), max_failures=1.0)
    assert sum(entry["failed"] for entry in entries) == len(RECORDS)  # whole batches are left out
    assert "error handler" in next((tmp_path / "dead-letters").iterdir()).read_text("utf8")


def test_too_many_failures_stop_a_run(tmp_path):
    items = [RawText(str(i), "Lagos" if i % 4 == 0 else "Ana", None) for i in range(2000)]
    nlp = break_on(pipeline(), "Lagos")
    with pytest.raises(TooManyFailuresError, match=r"X460.*11 of 100 .*cannot read this"):
        run(tmp_path, nlp=nlp, items=items, shard_size=100)
    assert not parts(tmp_path)
    # Over several shards.
    with pytest.raises(TooManyFailuresError, match=r"X460.*125 of 500 "):
        run(tmp_path, nlp=nlp, items=items, shard_size=100, max_failures=0.11)
    left = parts(tmp_path)
    assert len(left) == 5
    assert len(run(tmp_path, nlp=nlp, items=items, shard_size=100, max_failures=0.25)) == 20
    assert left.items() <= parts(tmp_path).items()


def test_a_share_counts_of_many_texts_and_at_the_end(tmp_path):
    nlp = break_on(pipeline(), "Lagos")
    with pytest.raises(TooManyFailuresError, match=r"X460.*3 of 10 "):
        run(tmp_path, nlp=nlp)
    assert len(texts(tmp_path)) == 7
    with pytest.raises(TooManyFailuresError, match="X460"):
        run(tmp_path / "strict", nlp=nlp, max_failures=0.0)
    assert not parts(tmp_path / "strict")


def test_a_teacher_with_a_wrong_number_of_tokens(tmp_path):
    nlp = pipeline()
    teacher = nlp.get_pipe("teacher_ensemble").teachers["b"]
    real = teacher.distributions
    teacher.distributions = lambda docs: [rows[:-1] for rows in real(docs)]
    with pytest.raises(TooManyFailuresError, match=r"X460.*X407"):
        run(tmp_path, nlp=nlp)
    assert not texts_if_any(tmp_path)
    with pytest.raises(TooManyFailuresError, match=r"X460.*10 of 10"):
        run(tmp_path)
    # Without their letters, the texts that failed are tried again.
    shutil.rmtree(tmp_path / "dead-letters")
    run(tmp_path)
    assert len(texts(tmp_path)) == len(RECORDS)


def texts_if_any(folder):
    return [doc for file in folder.glob("*.spacy") for doc in read_docs(file, Vocab())]


def test_memory_is_freed_after_each_block(tmp_path):
    """A teacher's vocabulary, too, forgets the words of a block."""
    nlp, taught = spacy.blank("xx"), save_ruler(tmp_path / "ruler", {"Ana": "PER"})
    pipe = add_ensemble(nlp, {"a": span_teacher(taught)}, labels=["PER"])
    pipe.load()
    vocabs = [nlp.vocab, pipe.teachers["a"].nlp.vocab]
    before = [len(vocab.strings) for vocab in vocabs]
    items = [RawText(str(i), f"Ana word{i} likes{i}", None) for i in range(500)]
    run(tmp_path / "silver", nlp=nlp, items=items, shard_size=50)
    assert all(len(vocab.strings) < n + 50 for vocab, n in zip(vocabs, before, strict=True))
    docs = list(read_docs(tmp_path / "silver", Vocab()))
    assert [doc.text for doc in docs] == [item.text for item in items]
    assert {ent.text for doc in docs for ent in doc.ents} == {"Ana"}


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
    assert len(read_manifest(folder).entries) in (len(left), len(left) - 1)


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
    # The shards were moved to a larger disk, and the run goes on there.
    shutil.copytree(small_disk, tmp_path / "larger")
    run(tmp_path / "larger")
    assert parts(tmp_path / "larger") == expected


def test_a_truncated_input_file(tmp_path):
    nlp = spacy.blank("xx")
    path = tmp_path / "in.spacy"
    DocBin(docs=[nlp(f"Ana {i}") for i in range(50)]).to_disk(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(XnerError, match="X006"):
        run(tmp_path / "silver", items=(item for _, item in TextSource(path).items()))
    assert not parts(tmp_path / "silver")


def test_a_clock_that_is_set_back(tmp_path, monkeypatch):
    """Nothing is decided by the time of day, neither rates nor what is done again."""
    clock = iter(range(10**9, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    log = io.StringIO()
    with Progress(log, show=False) as progress, progress.run():
        run(tmp_path, watcher=progress)
        os.utime(sorted(tmp_path.glob("*.spacy"))[0], (0, 0))
    events = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["start", "shard", "shard", "shard", "end"]
    assert all(event["texts_per_second"] > 0 for event in events[1:])
    assert run(tmp_path, nlp=pipeline(batches=0))
