import shutil

import pytest
import spacy
from handmade import add_ensemble, save_ruler, span_teacher

from spacy_xner.annotate import find_ensemble, run_key, run_parts
from spacy_xner.errors import XnerError


def test_key_depends_on_all_that_decides(tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("Ana\n")
    save_ruler(tmp_path / "teacher", {"Ana": "PER", "Lagos": "LOC"})

    def key(limit=0, **settings):
        nlp = spacy.blank("xx")
        add_ensemble(nlp, {"only": span_teacher(str(tmp_path / "teacher"))}, **settings)
        return run_key(run_parts(nlp, tmp_path / "text", limit=limit))

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
        return nlp, run_key(run_parts(nlp, tmp_path / "a.txt"))

    nlp, first = key()
    assert key()[1] == first
    nlp.tokenizer.add_special_case("AnaLima", [{"ORTH": "Ana"}, {"ORTH": "Lima"}])
    assert (
        len({first, run_key(run_parts(nlp, tmp_path / "a.txt")), key(labels=["PER", "LOC"])[1]})
        == 3
    )


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
        return run_key(run_parts(nlp, tmp_path / "a.txt"))

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
