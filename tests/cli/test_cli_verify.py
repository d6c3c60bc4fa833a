import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xner.checksums import SUMS, write_sums
from spacy_xner.shards import write_docs


@pytest.fixture
def model(world, tmp_path):
    folder = Path(shutil.copytree(world / "tagger", tmp_path / "model"))
    write_sums(folder)
    return folder


@pytest.fixture
def project_folder(tmp_path):
    """A project of two assets, of which one has an address and one is optional."""
    folder = tmp_path / "project"
    (folder / "assets").mkdir(parents=True)
    data = b"Amina B-PER\n"
    (folder / "assets/a.txt").write_bytes(data)
    md5 = hashlib.md5(data).hexdigest()
    (folder / "project.yml").write_text(
        "assets:\n"
        f"  - {{dest: assets/a.txt, url: 'https://example.org/a', checksum: {md5}}}\n"
        f"  - {{dest: assets/b.txt, checksum: {md5}}}\n"
    )
    return folder


def test_a_model(xner, model):
    code, output = xner("verify", model)
    assert (code, "a model" in output) == (0, True), output
    with (model / "xner/model").open("ab") as file:
        file.write(b"\0")
    code, output = xner("verify", model)
    assert (code, "xner/model" in output, "changed" in output) == (1, True, True), output


def test_a_model_without_checksums(xner, world):
    code, output = xner("verify", world / "tagger")
    assert (code, "cannot be verified" in output) == (1, True), output


def test_a_model_after_packaging(model, tmp_path, xner):
    """`spacy package` writes into the folder of the model; what counts is left alone."""
    arguments = [model, tmp_path, "--name", "mine", "--version", "1.0.0", "--build", "none"]
    command = [sys.executable, "-m", "spacy", "package", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)
    packaged = tmp_path / "xx_mine-1.0.0/xx_mine/xx_mine-1.0.0"
    assert (packaged / SUMS).read_bytes() == (model / SUMS).read_bytes()
    code, output = xner("verify", packaged)
    assert code == 0, output


def test_a_project(xner, project_folder):
    code, output = xner("verify", project_folder)
    assert (code, "a project" in output) == (0, True), output
    (project_folder / "assets/b.txt").write_text("other")
    code, output = xner("verify", project_folder)
    assert (code, "b.txt has the md5" in output) == (1, True), output
    (project_folder / "assets/a.txt").unlink()
    code, output = xner("verify", project_folder)
    assert (code, "a.txt is missing" in output, "b.txt has" in output) == (1, True, True), output


def test_an_asset_that_leaves_the_project(xner, project_folder):
    text = (project_folder / "project.yml").read_text()
    (project_folder / "project.yml").write_text(text.replace("assets/b.txt", "../b.txt"))
    code, output = xner("verify", project_folder)
    assert (code, "[X210]" in output) == (1, True), output


def test_shards(xner, ensemble, tmp_path):
    """Written, and then changed behind the manifest's back."""
    code, output = xner("annotate", ensemble, "raw.txt", tmp_path / "silver")
    assert code == 0, output
    code, output = xner("verify", tmp_path / "silver")
    assert (code, "silver shards" in output) == (0, True), output
    shard = next((tmp_path / "silver").glob("*.spacy"))
    write_docs(shard, [Doc(Vocab(), words=["other"])])
    code, output = xner("verify", tmp_path / "silver")
    assert (code, shard.name in output) == (1, True), output


def test_each_path_is_looked_at(xner, model, tmp_path):
    (tmp_path / "empty").mkdir()
    (model / SUMS).write_text("damaged\n")
    paths = (tmp_path / "empty", tmp_path / "nowhere", model)
    code, output = xner("verify", *paths)
    assert (code, output.count("[X707]"), "[X705]" in output) == (1, 2, True), output
    write_sums(model)
    code, output = xner("verify", *paths)
    assert (code, "all as recorded" in output) == (1, True), output
