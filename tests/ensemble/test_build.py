from pathlib import Path

import pytest
from handmade import ENSEMBLE, save_ruler

from spacy_xner.ensemble.build import build_ensemble
from spacy_xner.errors import XnerError
from spacy_xner.teachers.pipeline import SpanTeacher, XnerTeacher

SHIPPED = Path(__file__).parents[2] / "configs" / "ensemble.cfg"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "ensemble.cfg"
    path.write_text(ENSEMBLE)
    return path


def test_each_teacher_gets_a_block(config, tmp_path):
    names = save_ruler(tmp_path / "names", {"Ana": "PERSON", "Lagos": "LOC"})
    nlp = build_ensemble(
        config, {"en": "somewhere"}, span_teachers={"names": names}, label_map={"PERSON": "PER"}
    )
    assert nlp.pipe_names == ["teacher_ensemble"]
    teachers = nlp.get_pipe("teacher_ensemble").teachers
    assert isinstance(teachers["en"], XnerTeacher)
    assert isinstance(teachers["names"], SpanTeacher)
    assert {teacher.path for teacher in teachers.values()} == {"somewhere", names}
    assert all(teacher.label_map == {"PERSON": "PER"} for teacher in teachers.values())
    block = nlp.config["components"]["teacher_ensemble"]["teachers"]["names"]
    assert block["@misc"] == "spacy-xner.SpanTeacher.v1"


def test_teachers_written_below_our_config_are_kept(config):
    block = '[components.teacher_ensemble.teachers.own]\n@misc = "spacy-xner.XnerTeacher.v1"\n'
    config.write_text(f'{SHIPPED.read_text("utf8")}\n{block}path = "own"\n')
    nlp = build_ensemble(config, {"other": "other"})
    assert list(nlp.get_pipe("teacher_ensemble").teachers) == ["own", "other"]


def test_a_label_map_into_nowhere_is_refused(config):
    with pytest.raises(XnerError, match=r"X002.*MISC"):
        build_ensemble(config, {"en": "en"}, label_map={"LANGUAGE": "MISC"})


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("UniformWeights.v1", "LoudestWeights.v1", "LoudestWeights"),
        ("LinearPool.v1", "Whirlpool.v1", "Whirlpool"),
        ("threshold = 0.5", 'threshold = "much"', "threshold"),
        ("keep_votes = true", "keep_voices = true", "keep_voices"),
        ("[nlp]", "[nlp", "nlp"),
        ("threshold = 0.5", "threshold = 0.5\nthreshold = 0.6", "threshold"),
        ('lang = "xx"', 'lang = "qq"', "qq"),
        ("keep_votes = true", "keep_votes = ${nowhere.at_all}", "nowhere"),
    ],
)
def test_one_readable_error_for_a_wrong_config(old, new, says, config):
    assert old in ENSEMBLE
    config.write_text(ENSEMBLE.replace(old, new, 1))
    with pytest.raises(XnerError, match="X607") as error:
        build_ensemble(config, {"en": "en"})
    message = str(error.value)
    assert says in message
    assert config.name in message
    assert "Available names" not in message
    assert "\n" not in message
    assert len(message) < 600


def test_settings_out_of_range(config):
    config.write_text(ENSEMBLE.replace("threshold = 0.5", "threshold = 1.5"))
    with pytest.raises(XnerError, match=r"X308.*threshold"):
        build_ensemble(config, {"en": "en"})


def test_no_config_or_none_for_an_ensemble(config, tmp_path):
    with pytest.raises(XnerError, match="X601"):
        build_ensemble(tmp_path / "none.cfg", {})
    config.write_text('[nlp]\nlang = "xx"\npipeline = []\n\n[components]\n')
    with pytest.raises(XnerError, match="X410"):
        build_ensemble(config, {})
