import pytest
from handmade import shard
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xner.errors import XnerError
from spacy_xner.jobs.manifest import in_order, read_manifest
from spacy_xner.rewrite import input_files, rewrite
from spacy_xner.shards import read_docs, write_docs


@pytest.fixture
def source(tmp_path):
    """Three files of 2, 0 and 3 documents."""
    (tmp_path / "old").mkdir()
    for name, count in (("a", 2), ("b", 0), ("c", 3)):
        docs = [Doc(Vocab(), words=[f"{name}{i}"]) for i in range(count)]
        write_docs(tmp_path / "old" / f"{name}.spacy", docs)
    return tmp_path / "old"


class Mark:
    """Numbers documents, and fails at a file if told to."""

    def __init__(self, fail_at=None):
        self.calls, self.fail_at = [], fail_at

    def __call__(self, docs, before):
        if before == self.fail_at:
            raise KeyboardInterrupt
        self.calls.append((before, len(docs)))
        for number, doc in enumerate(docs, start=before):
            doc.user_data["number"] = number


def numbers(folder):
    return [doc.user_data["number"] for doc in read_docs(folder, Vocab())]


def test_one_shard_a_file(source, tmp_path):
    mark = Mark()
    shards = rewrite(source, tmp_path / "new", mark, settings={})
    assert mark.calls == [(0, 2), (2, 0), (2, 3)]
    assert [shard["docs"] for shard in shards] == [2, 0, 3]
    assert in_order(read_manifest(tmp_path / "new")) == shards
    assert numbers(tmp_path / "new") == [0, 1, 2, 3, 4]
    assert all(not doc.user_data for doc in read_docs(source, Vocab()))


def test_an_interrupted_run_goes_on(source, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        rewrite(source, tmp_path / "new", Mark(fail_at=2), settings={"k": 1})
    assert numbers(tmp_path / "new") == [0, 1]
    mark = Mark()
    shards = rewrite(source, tmp_path / "new", mark, settings={"k": 1})
    assert mark.calls == [(2, 0), (2, 3)]
    mark = Mark()
    assert rewrite(source, tmp_path / "new", mark, settings={"k": 1}) == shards
    assert mark.calls == []
    assert numbers(tmp_path / "new") == [0, 1, 2, 3, 4]


def test_a_damaged_shard_is_made_again_alone(source, tmp_path):
    first = rewrite(source, tmp_path / "new", Mark(), settings={})
    shard(tmp_path / "new", 1).write_bytes(b"")
    mark = Mark()
    assert rewrite(source, tmp_path / "new", mark, settings={}) == first
    assert mark.calls == [(2, 0)]


def test_other_settings_or_another_input_are_another_run(source, tmp_path):
    rewrite(source, tmp_path / "new", Mark(), settings={"k": 1})
    mark = Mark()
    with pytest.raises(XnerError, match="X411"):
        rewrite(source, tmp_path / "new", mark, settings={"k": 2})
    write_docs(source / "b.spacy", [Doc(Vocab(), words=["more"])])
    with pytest.raises(XnerError, match="X411"):
        rewrite(source, tmp_path / "new", mark, settings={"k": 1})
    assert mark.calls == [] and len(numbers(tmp_path / "new")) == 5
    rewrite(source, tmp_path / "new", mark, settings={"k": 1}, force=True)
    assert numbers(tmp_path / "new") == [0, 1, 2, 3, 4, 5]


def test_the_input_is_never_the_output(source):
    files = sorted(source.iterdir())
    assert input_files(source, source.with_name("old-2")) == files
    assert input_files(files[0], source / "new") == files[:1]
    for path, output in ((source, source), (source, source / "new"), (files[0], source)):
        with pytest.raises(XnerError, match="X433"):
            rewrite(path, output, Mark(), settings={}, force=True)
    assert sorted(source.iterdir()) == files
