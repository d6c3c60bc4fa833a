import re
from importlib.metadata import distribution

import pytest
import spacy
import spacy_llm  # noqa: F401  makes the registry llm_models
from spacy import registry
from spacy.language import Language

POINTS = [p for p in distribution("spacy-xner").entry_points if p.group != "console_scripts"]
FUNCTIONS = [p for p in POINTS if p.group not in ("spacy_factories", "spacy_cli")]


def test_there_are_entry_points():
    groups = {point.group for point in POINTS}
    assert {"spacy_factories", "spacy_architectures", "spacy_misc", "spacy_readers"} <= groups


@pytest.mark.parametrize("point", FUNCTIONS, ids=lambda point: point.name)
def test_functions_are_found_by_name(point):
    catalogue = getattr(registry, point.group.partition("_")[2])
    assert catalogue.get(point.name) is point.load()


@pytest.mark.parametrize("point", FUNCTIONS, ids=lambda point: point.name)
def test_names_carry_package_and_version(point):
    assert re.fullmatch(r"spacy-xner\.\w+\.v\d+", point.name)


@pytest.mark.parametrize("name", ["xner", "similarity_evaluator", "teacher_ensemble"])
def test_factories(name):
    nlp = spacy.blank("xx")  # spaCy reads the entry points with the first pipeline
    assert Language.has_factory(name)
    nlp.add_pipe(name)
    assert nlp.pipe_names == [name]
    point = next(p for p in POINTS if p.group == "spacy_factories" and p.name == name)
    assert callable(point.load())


def test_the_command_line_is_a_plug_in():
    (point,) = (p for p in POINTS if p.group == "spacy_cli")
    point.load()
