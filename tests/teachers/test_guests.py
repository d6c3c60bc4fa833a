from pathlib import Path

import pytest

from spacy_xner.errors import XnerError
from spacy_xner.teachers.guests import check_guests, check_taught, guest_paths, guest_sources

FOLDER = Path("training/llm")


def test_names_and_folders():
    assert guest_paths("none", FOLDER, ["en", "de"]) == {}
    assert guest_paths("pooled", FOLDER, ["en", "de"]) == {"llm": "training/llm/llm/model-last"}
    assert guest_paths("each", FOLDER, ["en", "de"]) == {
        "llm-en": "training/llm/llm-en/model-last",
        "llm-de": "training/llm/llm-de/model-last",
    }


def test_what_each_is_taught():
    assert guest_sources("llm", ["en", "pt-br"]) == ["en", "pt-br"]
    assert guest_sources("llm-pt-br", ["en", "pt-br"]) == ["pt-br"]


def test_a_trained_language_model_says_what_it_was_taught(tmp_path):
    check_taught("llm", tmp_path, "sw")  # nothing is there
    text = '[corpora]\n\n[corpora.train]\nfolders = ["en-train.spacy", "data/sw-train.spacy"]\n'
    (tmp_path / "config.cfg").write_text(text)
    check_taught("llm", tmp_path, "ha")
    with pytest.raises(XnerError, match=r"X443.*sw"):
        check_taught("llm", tmp_path, "sw")
    (tmp_path / "config.cfg").write_text("[corpora\n")
    with pytest.raises(XnerError, match="X607"):
        check_taught("llm", tmp_path, "sw")


def test_a_language_model_of_all_sources_knows_the_labels_of_all():
    check_guests("each", ["en", "sw"], ["sw"])
    check_guests("none", ["en", "sw"], ["sw"])
    check_guests("pooled", ["en"], ["sw"])
    with pytest.raises(XnerError, match=r"X443.*sw"):
        check_guests("pooled", ["en", "sw"], ["sw", "ha"])
