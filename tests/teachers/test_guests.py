from pathlib import Path

import pytest

from spacy_xner.errors import XnerError
from spacy_xner.teachers.guests import check_guests, guest_paths

FOLDER = Path("training/llm")


def test_names_and_folders():
    assert guest_paths("none", FOLDER, ["en", "de"]) == {}
    assert guest_paths("pooled", FOLDER, ["en", "de"]) == {"llm": "training/llm/llm/model-last"}
    assert guest_paths("each", FOLDER, ["en", "de"]) == {
        "llm-en": "training/llm/llm-en/model-last",
        "llm-de": "training/llm/llm-de/model-last",
    }


def test_a_language_model_of_all_sources_knows_the_labels_of_all():
    check_guests("each", ["en", "sw"], ["sw"])
    check_guests("none", ["en", "sw"], ["sw"])
    check_guests("pooled", ["en"], ["sw"])
    with pytest.raises(XnerError, match=r"X443.*sw"):
        check_guests("pooled", ["en", "sw"], ["sw", "ha"])
