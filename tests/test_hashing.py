import hashlib

from spacy_xner.hashing import hash_file, hash_folder


def test_a_file_hashes_to_what_hashlib_says(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert hash_file(tmp_path / "file") == hashlib.md5(b"abc").hexdigest()
    found = hash_file(tmp_path / "file", algorithm="sha256")
    assert found == hashlib.sha256(b"abc").hexdigest()


def test_hash_of_a_folder_depends_on_names_and_bytes_only(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "file").write_bytes(b"abc")
        (tmp_path / name / "other").write_bytes(b"")
    first = hash_folder(tmp_path / "one")
    assert hash_folder(tmp_path / "two") == first
    (tmp_path / "two" / "__pycache__").mkdir()
    (tmp_path / "two" / "__pycache__" / "x.pyc").write_bytes(b"0")
    assert hash_folder(tmp_path / "two") == first
    (tmp_path / "two" / "other").write_bytes(b"d")
    assert hash_folder(tmp_path / "two") != first
    (tmp_path / "one" / "other").rename(tmp_path / "one" / "renamed")
    assert hash_folder(tmp_path / "one") != first


def test_names_and_bytes_cannot_be_mistaken_for_each_other(tmp_path):
    for name, files in {"one": {"a": b"b", "c": b""}, "two": {"a": b"", "bc": b""}}.items():
        (tmp_path / name).mkdir()
        for file, data in files.items():
            (tmp_path / name / file).write_bytes(data)
    assert hash_folder(tmp_path / "one") != hash_folder(tmp_path / "two")


def test_only_some_files(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a.bin", "b.txt", "sub/a.bin"):
        (tmp_path / name).write_text("one")
    whole, some = hash_folder(tmp_path), hash_folder(tmp_path, only=("*.bin", "a.*"))
    for name in ("b.txt", "sub/a.bin"):
        (tmp_path / name).write_text("two")
    assert hash_folder(tmp_path) != whole
    assert hash_folder(tmp_path, only=("*.bin", "a.*")) == some
    (tmp_path / "a.bin").write_text("two")
    assert hash_folder(tmp_path, only=("*.bin", "a.*")) != some
