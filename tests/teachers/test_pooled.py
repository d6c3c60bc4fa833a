"""One teacher of all sources together: who may hear it, and what is not asked of it."""

import pytest

from spacy_xner.errors import XnerError
from spacy_xner.teachers.pooled import (
    check_alone,
    check_pooled,
    check_pooled_teacher,
    taught_languages,
)


def write_pipeline(folder, *languages):
    """As much of a pipeline as says what it was taught."""
    folder.mkdir(parents=True)
    files = ", ".join(f'"{name}-train.spacy"' for name in languages)
    text = f"[corpora]\n\n[corpora.train]\nfolders = [{files}]\n" if languages else "[nlp]\n"
    (folder / "config.cfg").write_text(text)
    return folder


def test_it_is_asked_about_none_of_its_sources():
    check_pooled(["en", "hau"], ["swa"])
    with pytest.raises(XnerError, match=r"X225.*hau.*pooled_teacher"):
        check_pooled(["en", "hau"], ["hau", "swa"])


def test_what_it_was_taught_is_read_off_it(tmp_path):
    assert taught_languages(write_pipeline(tmp_path / "a", "en", "hau")) == {"en", "hau"}
    assert taught_languages(write_pipeline(tmp_path / "b")) == set()
    assert taught_languages(tmp_path / "none") == set()


def test_an_earlier_teacher_of_other_sources_is_refused(tmp_path):
    pipeline = write_pipeline(tmp_path / "pooled", "en", "es", "hau")
    check_pooled_teacher(pipeline, ["hau", "en", "es"])
    with pytest.raises(XnerError, match=r"X226.*en, es, hau, expected.*en, es:"):
        check_pooled_teacher(pipeline, ["en", "es"])
    check_pooled_teacher(tmp_path / "none", ["en"])  # not there: told by who loads it
    with pytest.raises(XnerError, match="X226.*no languages"):
        check_pooled_teacher(write_pipeline(tmp_path / "other"), ["en"])


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"aggregate": "bea", "llm": "none", "heard": "judged"}, "aggregate"),
        ({"aggregate": "none", "llm": "pooled", "heard": "judged"}, "llm_heard"),
        ({"aggregate": "none", "llm": "pooled", "heard": "always"}, None),
        ({"aggregate": "none", "llm": "none", "heard": "judged"}, None),
    ],
)
def test_one_teacher_has_nobody_to_compare_with(options, key):
    if key is None:
        check_alone(**options)
    else:
        with pytest.raises(XnerError, match=f"X308.*{key}.*pooled_teacher"):
            check_alone(**options)
