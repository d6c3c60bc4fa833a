import hashlib
import json
import subprocess
import sys

import spacy

from spacy_xner.evaluation.provenance import (
    git_commit,
    model_info,
    package_versions,
    provenance,
)
from spacy_xner.hashing import hash_folder


def test_model_info(tmp_path):
    nlp = spacy.blank("xx")
    assert model_info(nlp)["sha256"] is None
    nlp.meta["name"], nlp.meta["version"] = "student", "1.2.3"
    nlp.to_disk(tmp_path / "model")
    info = model_info(spacy.load(tmp_path / "model"))
    assert info["name"] == "xx_student"
    assert info["version"] == "1.2.3"
    assert info["sha256"] == hash_folder(tmp_path / "model")


def test_commit_inside_and_outside_of_a_repository(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert git_commit(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert git_commit(tmp_path) is None  # a repository without a commit
    subprocess.run([*git, "commit", "-q", "--allow-empty", "--no-verify", "-m", "m"], check=True)
    commit = git_commit(tmp_path)
    assert commit is not None and len(commit) == 40


def test_commit_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(tmp_path) is None


def test_provenance_is_complete_and_names_no_folder(tmp_path, monkeypatch):
    data = tmp_path / "swa-test.spacy"
    data.write_bytes(b"bytes")
    program = str(tmp_path / "bin" / "xner")
    monkeypatch.setattr(sys, "argv", [program, "evaluate", "a model"])
    result = provenance(models={"model": spacy.blank("xx")}, files={"swa": data}, seed=3)
    assert result["data"]["swa"] == {
        "file": "swa-test.spacy",
        "md5": hashlib.md5(b"bytes").hexdigest(),
    }
    assert result["command"] == "xner evaluate 'a model'"
    assert result["seed"] == 3
    assert result["machine"]["cpus"] >= 1
    assert result["date"].endswith("+00:00")
    assert set(result["machine"]) == {"platform", "python", "cpus"}
    assert str(tmp_path) not in json.dumps(result)


def test_absolute_paths_in_the_command_are_cut(tmp_path, monkeypatch):
    arguments = [
        str(tmp_path / "my model"),
        "corpus/sw.spacy",
        f"ha={tmp_path / 'b.spacy'}",
        f"--against={tmp_path / 'other'}",
        "--output",
        str(tmp_path / "a.json"),
    ]
    monkeypatch.setattr(sys, "argv", ["xner", "evaluate", *arguments, "--seed", "3"])
    command = provenance(models={}, files={})["command"]
    assert command == (
        "xner evaluate 'my model' corpus/sw.spacy ha=b.spacy --against=other "
        "--output a.json --seed 3"
    )


def test_versions():
    versions = package_versions()
    assert versions["spacy"] == spacy.__version__
    assert "numpy" in versions
