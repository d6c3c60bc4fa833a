"""scripts/export.py: every student gets the form in which it is packaged."""

import runpy
from pathlib import Path

import pytest
import spacy
from handmade import call, xner_pipeline
from tiny_checkpoint import save_tiny_checkpoint, save_unigram_checkpoint

from spacy_xner.checksums import check_sums
from spacy_xner.pipeline.export import torch_components
from spacy_xner.pipeline.trim import find_encoders, hf_objects

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "export.py"))


@pytest.fixture
def student(tmp_path):
    """Save a student over an encoder, or without one, and give its path."""

    def make(save_checkpoint=None):
        tok2vec = None
        if save_checkpoint is not None:
            pytest.importorskip("spacy_transformers")
            tok2vec = {
                "@architectures": "spacy-xner.TransformerEncoder.v1",
                "name": str(save_checkpoint(tmp_path / "encoder")),
                "get_spans": {"@span_getters": "spacy-transformers.doc_spans.v1"},
                "pooling": {"@layers": "reduce_first.v1"},
            }
        (tmp_path / "student").mkdir()
        xner_pipeline(tok2vec=tok2vec).to_disk(tmp_path / "student/model-last")
        return tmp_path / "student/model-last"

    return make


@pytest.fixture
def export(tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text/sw.jsonl").write_text('{"text": "ana met bob"}\n')

    def run(model, *options):
        output = tmp_path / "student/packaged"
        arguments = (model, output, tmp_path / "text", "--targets", "sw", *options)
        code, said = call(*arguments, on=SCRIPT["app"])
        assert code == 0, said
        assert check_sums(output) == []
        return spacy.load(output), said

    return run


def test_the_vocabulary_is_trimmed(student, export):
    model = student(save_unigram_checkpoint)
    sizes = []
    for pieces in (0, 500):
        nlp, _ = export(model, "--pieces", pieces)
        (encoder,) = find_encoders(nlp).values()
        sizes.append(hf_objects(encoder).tokenizer.vocab_size)
    assert sizes[0] < 60 and sizes[1] == 500
    assert nlp.meta["xner"]["exported"] == {"runtime": "torch"}


def test_onnx(student, export):
    nlp, _ = export(student(save_unigram_checkpoint), "--runtime", "onnx")
    assert torch_components(nlp) == [] and not find_encoders(nlp)
    assert nlp.meta["xner"]["exported"] == {"runtime": "onnx", "precision": "int8"}


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_another_tokenizer_keeps_its_vocabulary(student, export, runtime):
    nlp, said = export(student(save_tiny_checkpoint), "--runtime", runtime)
    assert "whole vocabulary is kept" in said
    assert len(nlp("ana met bob")) == 3


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_a_student_without_a_transformer_stays_as_it_is(student, export, runtime):
    model = student()
    nlp, said = export(model, "--runtime", runtime)
    assert "need torch" not in said
    assert [x.text for x in nlp("Ana met Bob in Lagos").ents] == [
        x.text for x in spacy.load(model)("Ana met Bob in Lagos").ents
    ]
