"""The plan of a study, from its config."""

from pathlib import Path

import pytest

from spacy_xner.errors import XnerError
from spacy_xner.study.plan import RECIPES, SIZES, make_study_plan, read_plan

CONFIGS = Path(__file__).parents[2] / "configs"
GOOD = {
    "name": "trial",
    "settings": ["rich"],
    "systems": ["direct", "weighted"],
    "seeds": [0],
    "scales": [1, 2],
    "orders": 1,
    "sizes": dict.fromkeys(SIZES, 5),
    "recipes": {name: {"config": "configs/teacher.cfg", "epochs": 1.0} for name in RECIPES},
}


@pytest.mark.parametrize("name", ["small", "full"])
def test_the_projects_plans_can_be_read(name):
    plan = read_plan(CONFIGS / f"study_{name}.cfg")
    assert plan.name == name
    assert all((CONFIGS.parent / recipe.config).is_file() for recipe in plan.recipes.values())


def test_the_full_plan_is_what_the_questions_need():
    plan = read_plan(CONFIGS / "study_full.cfg")
    assert plan.scales == (15, 1, 4, 2, 8)
    assert (len(plan.seeds), plan.orders) == (3, 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": ["poor"]}, "settings"),
        ({"systems": []}, "systems"),
        ({"systems": ["magic"]}, "magic"),
        ({"seeds": []}, "seeds"),
        ({"scales": [0, 1]}, "1 or more"),
        ({"orders": -1}, "orders"),
        ({"sizes": {"source": 5}}, "supervised"),
        ({"sizes": {**GOOD["sizes"], "test": -1}}, "0 or more"),
        ({"recipes": {}}, "teacher"),
        ({"recipes": {**GOOD["recipes"], "ner": {"epochs": 1.0}}}, "recipes.ner"),
        ({"recipes": {**GOOD["recipes"], "ner": {"config": "x", "passes": 1}}}, "passes"),
    ],
)
def test_a_wrong_plan_is_refused_with_the_setting(change, said):
    with pytest.raises(XnerError, match="X308") as caught:
        make_study_plan(**{**GOOD, **change})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "X601"),
        ("[nlp]\nlang = xx\n", "X607"),
        ('[study]\n@misc = "spacy-xner.LinearPool.v1"\n', "X607"),
        ('[study]\n@misc = "spacy-xner.StudyPlan.v1"\nname = "x"\n', "X607"),
        ("no config", "X607"),
    ],
)
def test_what_is_no_plan_is_refused(text, code, tmp_path):
    path = tmp_path / "study.cfg"
    if text is not None:
        path.write_text(text)
    with pytest.raises(XnerError, match=code):
        read_plan(path)
