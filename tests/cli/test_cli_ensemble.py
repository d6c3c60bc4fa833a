import json
import shutil

import pytest
import spacy
from handmade import evaluator_pipeline

from spacy_xner.cli.ensemble import named_paths
from spacy_xner.errors import XnerError
from spacy_xner.silver import read_silver


def test_teachers_in_and_a_pipeline_out(ensemble):
    nlp = spacy.load(ensemble)
    doc = nlp("Ana met Bob in Lagos")
    assert [(ent.text, ent.label_) for ent in doc.ents][0] == ("Ana", "PER")
    found = json.loads((ensemble / "teacher_ensemble" / "ensemble.json").read_text("utf8"))
    assert list(found["teachers"]) == ["tagger", "names"]


def test_a_folder_is_made_and_a_failure_leaves_what_was_there(xner, ensemble, tmp_path):
    deep = tmp_path / "a" / "b" / "c"
    assert xner("ensemble", "ensemble.cfg", deep, "-t", "tagger=tagger")[0] == 0
    before = {path: path.read_bytes() for path in ensemble.rglob("*") if path.is_file()}
    code, output = xner("ensemble", "ensemble.cfg", ensemble, "-t", "a=tagger", "-t", "b=nowhere")
    assert (code, "[X401]" in output, "'b'" in output) == (1, True, True)
    assert {path: path.read_bytes() for path in before} == before
    assert xner("ensemble", "ensemble.cfg", tmp_path / "new", "-t", "b=nowhere")[0] == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], "X404"),
        (["-t", "tagger"], "X412"),
        (["-t", "=tagger"], "X412"),
        (["-t", "a=tagger", "-t", "a=names"], "X412"),
        (["-t", "a=names"], "X408"),
        (["--span-teacher", "a=names"], "X409"),
        (["-t", "a=tagger", "--label-map", "raw.txt"], "X204"),
        (["-t", "a=tagger", "--label-map", "none.json"], "none.json"),
    ],
)
def test_mistakes(arguments, code, xner, tmp_path):
    status, output = xner("ensemble", "ensemble.cfg", tmp_path / "out", *arguments)
    assert (status, code in output) == (1, True), output
    assert not (tmp_path / "out").exists()


def test_a_label_set_of_its_own_needs_a_map(xner, world, tmp_path):
    shutil.copy(world / "ensemble.cfg", tmp_path / "per.cfg")
    text = (tmp_path / "per.cfg").read_text().replace('["LOC", "PER"]', '["PER"]')
    (tmp_path / "per.cfg").write_text(text)
    arguments = ["ensemble", tmp_path / "per.cfg", tmp_path / "out", "--span-teacher", "a=names"]
    code, output = xner(*arguments)
    assert (code, "[X402]" in output) == (1, True), output
    assert xner(*arguments, "--label-map", "map.json")[0] == 0


def test_same_name_in_both_options_is_refused(xner, tmp_path):
    code, output = xner(
        "ensemble", "ensemble.cfg", tmp_path / "out", "-t", "a=tagger", "--span-teacher", "a=names"
    )
    assert (code, "[X412]" in output) == (1, True), output


def test_options_of_the_form_name_path():
    assert named_paths(["a=b", "c=d=e"]) == {"a": "b", "c": "d=e"}
    for wrong in (["a"], ["a="], ["=b"], ["a=b", "a=c"]):
        with pytest.raises(XnerError, match="X412"):
            named_paths(wrong)


def test_evaluators_of_teachers(xner, world, tmp_path):
    evaluator_pipeline().to_disk(tmp_path / "evaluator")
    arguments = [
        "ensemble",
        "ensemble.cfg",
        tmp_path / "out",
        "-t",
        "a=tagger",
        "--keep-similarity",
    ]
    code, output = xner(*arguments)
    assert (code, "[X440]" in output) == (1, True), output
    assert xner(*arguments, "--evaluator", f"a={tmp_path / 'evaluator'}")[0] == 0
    doc = spacy.load(tmp_path / "out")("Ana met Bob")
    assert read_silver(doc).similarity.shape == (3, 4)


def test_prompted_teachers(xner, world, tmp_path):
    from spacy.util import load_config

    pipeline = spacy.blank("xx")
    task = {"@llm_tasks": "spacy.NER.v3", "labels": ["LOC", "PER"]}
    model = {"@llm_models": "spacy.NoOp.v1"}
    pipeline.add_pipe("llm", config={"task": task, "model": model})
    pipeline.to_disk(tmp_path / "llm")
    options = ["--prompted", f"gpt={tmp_path / 'llm'}", "--samples", "3"]
    out = tmp_path / "out"
    arguments = ["ensemble", "ensemble.cfg", out, "-t", "a=tagger", *options]
    assert xner(*arguments, "--cache", tmp_path / "cache")[0] == 0
    block = load_config(out / "config.cfg")["components"]["teacher_ensemble"]["teachers"]["gpt"]
    assert (block["samples"], block["cache"]) == (3, str(tmp_path / "cache"))
    # This model never says a word: every sample is refused, and only the other teacher is heard.
    code, output = xner("annotate", out, "raw.txt", tmp_path / "silver")
    told = "Left out answers of gpt: 9 refusals, 3 documents without an answer"
    assert (code, told in output) == (0, True), output
    doc = spacy.load(out)("Ana met Bob")
    assert read_silver(doc).teacher_weights == {"a": 1.0, "gpt": 0.0}
    code, output = xner(*arguments, "--span-teacher", "gpt=names")
    assert (code, "[X412]" in output) == (1, True), output
