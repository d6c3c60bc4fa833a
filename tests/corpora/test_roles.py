from contextlib import nullcontext as does_not_raise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xner.corpora.roles import check_roles, check_student, teachers_of
from spacy_xner.errors import XnerError

LANGUAGES = st.lists(st.sampled_from("abcdef"), min_size=1, unique=True)


@given(sources=LANGUAGES, targets=LANGUAGES)
def test_a_language_has_one_role_or_is_left_out_of_its_own(sources, targets):
    both = set(sources) & set(targets)
    if both:
        with pytest.raises(XnerError, match=f"X219.*{min(both)}.*leave_one_out"):
            check_roles(sources, targets)
    else:
        check_roles(sources, targets)
    if len(sources) > 1:
        check_roles(sources, targets, leave_one_out=True)
        for target in targets:
            assert target not in teachers_of(target, sources)
            assert {*teachers_of(target, sources), target} >= set(sources)


def test_somebody_else_must_teach():
    with pytest.raises(XnerError, match=r"X223.*'hau'"):
        check_roles(["hau"], ["hau"], leave_one_out=True)


@pytest.mark.parametrize(
    ("sources", "targets", "fine"),
    [
        (["en", "hau"], ["swa", "ibo"], True),
        (["en", "hau", "swa"], ["swa"], True),
        (["en", "hau"], ["hau", "swa"], False),
        (["hau", "swa"], ["hau", "swa"], False),
    ],
)
def test_labels_must_not_go_round_by_another_target(sources, targets, fine):
    expected = does_not_raise()
    if not fine:
        expected = pytest.raises(XnerError, match=r"X224.*hau.*one target at a time")
    with expected:
        check_student(sources, targets)


def test_relatives_do_not_teach_each_other():
    families = [["en", "de"], ["es", "pt", "fr"]]
    sources = ["en", "es", "de", "pt", "zh"]
    assert teachers_of("pt", sources, families=families) == ["en", "de", "zh"]
    assert teachers_of("zh", sources, families=families) == ["en", "es", "de", "pt"]
    with pytest.raises(XnerError, match="X223"):
        teachers_of("en", ["en", "de"], families=families)
