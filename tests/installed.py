"""Run by .ci/run against the built wheel, in a clean environment without the sources.

Not collected by pytest under this name: in the development environment it would test the sources.
"""

import importlib.util
import subprocess
import sys

import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

WORDS = ["Amina", "Odhiambo", "visited", "Kisumu"]


def make_example(nlp):
    doc = Doc(nlp.vocab, words=WORDS)
    doc.ents = [Span(doc, 0, 2, label="PER"), Span(doc, 3, 4, label="LOC")]
    return Example(Doc(nlp.vocab, words=WORDS), doc)


def test_environment_is_the_core_installation():
    for module in ("torch", "transformers", "seqeval", "sklearn"):
        assert importlib.util.find_spec(module) is None, module


def test_package_comes_from_the_wheel():
    import spacy_xner

    assert "site-packages" in spacy_xner.__file__
    assert importlib.util.find_spec("spacy_xner.pipeline.xner") is not None


def test_student_trains_saves_and_loads_without_torch(tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("xner")
    example = make_example(nlp)
    optimizer = nlp.initialize(lambda: [example])
    for _ in range(80):
        nlp.update([example], sgd=optimizer)
    nlp.to_disk(tmp_path / "student")
    doc = spacy.load(tmp_path / "student")(" ".join(WORDS))
    assert [(ent.text, ent.label_) for ent in doc.ents] == [
        ("Amina Odhiambo", "PER"),
        ("Kisumu", "LOC"),
    ]
    assert all(0.5 < score <= 1.0 for score in doc.spans["xner"].attrs["scores"])


def test_smoke_test_works_without_torch(tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("xner")
    example = make_example(nlp)
    nlp.initialize(lambda: [example])
    nlp.to_disk(tmp_path / "student")
    for options in (["--record"], []):
        command = [sys.executable, "-m", "spacy", "xner", "smoke", "student", *options]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "8 texts, 0 differ" in done.stdout


def test_spacy_evaluate_works_without_seqeval(tmp_path):
    from spacy.tokens import DocBin

    nlp = spacy.blank("xx")
    nlp.add_pipe("xner")
    example = make_example(nlp)
    nlp.initialize(lambda: [example])
    nlp.to_disk(tmp_path / "student")
    DocBin(docs=[example.reference]).to_disk(tmp_path / "gold.spacy")
    command = [sys.executable, "-m", "spacy", "evaluate", "student", "gold.spacy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "NER F" in done.stdout


def test_command_lines_work():
    for command in ([f"{sys.prefix}/bin/xner"], [sys.executable, "-m", "spacy", "xner"]):
        done = subprocess.run([*command, "--help"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "annotate" in done.stdout
