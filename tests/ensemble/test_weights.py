import numpy as np
import pytest
from handmade import votes

from spacy_xner.ensemble.weights import make_fixed_weights, make_uniform_weights
from spacy_xner.errors import XnerError

TWO = votes([[[1.0, 0.0, 0.0]] * 4] * 2)


def test_uniform_weights_hear_all_alike():
    found = make_uniform_weights()([], TWO)
    assert found.shape == (4, 2)
    assert (found == 0.5).all()


def test_no_token_needs_no_weight():
    nothing = votes(np.zeros((3, 0, 3)))
    assert make_uniform_weights()([], nothing).shape == (0, 3)
    assert make_fixed_weights({"a": 1, "b": 1, "c": 2})([], nothing).shape == (0, 3)


def test_fixed_weights_go_by_name_and_are_normalised():
    found = make_fixed_weights({"b": 3.0, "a": 1.0})([], TWO)
    assert np.allclose(found, [[0.25, 0.75]] * 4)
    assert np.allclose(make_fixed_weights({"a": 0.0, "b": 5.0})([], TWO), [[0.0, 1.0]] * 4)


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"], ["a", "B"]])
def test_names_must_be_the_teachers(names):
    weigh = make_fixed_weights(dict.fromkeys(names, 1.0))
    with pytest.raises(XnerError, match=r"X403.*weights"):
        weigh([], TWO)


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"a": 0.0, "b": 0.0},
        {"a": -1.0, "b": 2.0},
        {"a": float("nan"), "b": 1.0},
        {"a": float("inf")},
    ],
)
def test_impossible_numbers_are_refused(weights):
    with pytest.raises(XnerError, match="X308"):
        make_fixed_weights(weights)
