import numpy as np
import pytest
from spacy import registry

from spacy_xner.ml.losses import (
    mean_squared_error,
    soft_cross_entropy,
    softmax,
    squared_error,
)

LOSSES = pytest.mark.parametrize(
    "loss",
    [soft_cross_entropy, mean_squared_error, squared_error],
    ids=["cross-entropy", "mean squared error", "squared error"],
)


@pytest.fixture
def case():
    """Logits, target and weights of six tokens with five tags, in float64."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(6, 5)) * 3
    return logits, random.dirichlet(np.full(5, 0.5), size=6), np.array([1, 0.5, 0, 1, 0.1, 0.7])


@LOSSES
def test_gradient_equals_central_differences(loss, case):
    logits, target, weights = case
    _, gradient = loss(logits, target, weights)
    step = 1e-6
    numerical = np.zeros_like(logits)
    for index in np.ndindex(logits.shape):
        up, down = logits.copy(), logits.copy()
        up[index] += step
        down[index] -= step
        difference = loss(up, target, weights)[0] - loss(down, target, weights)[0]
        numerical[index] = difference / (2 * step)
    assert gradient == pytest.approx(numerical, abs=1e-8)


def test_one_hot_targets_give_the_usual_cross_entropy(case):
    logits, _, _ = case
    gold = np.array([0, 1, 2, 3, 4, 0])
    loss, gradient = soft_cross_entropy(logits, np.eye(5)[gold], np.ones(6))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert loss == pytest.approx(-np.log(probs[range(6), gold]).mean())
    probs[range(6), gold] -= 1.0
    assert gradient == pytest.approx(probs / 6)


def test_squared_error_is_the_formula(case):
    logits, target, _ = case
    loss, _ = mean_squared_error(logits, target, np.ones(6))
    assert loss == pytest.approx(np.mean((softmax(logits) - target) ** 2))


def test_cross_entropy_against_itself_is_the_entropy(case):
    logits, _, _ = case
    probs = softmax(logits)
    loss, gradient = soft_cross_entropy(logits, probs, np.ones(6))
    assert loss == pytest.approx(-(probs * np.log(probs)).sum(axis=1).mean())
    assert gradient == pytest.approx(np.zeros((6, 5)))


def test_uniform_target():
    uniform = np.full((3, 4), 0.25)
    loss, gradient = soft_cross_entropy(np.zeros((3, 4)), uniform, np.ones(3))
    assert loss == pytest.approx(np.log(4))
    assert not gradient.any()
    assert mean_squared_error(np.ones((3, 4)), uniform, np.ones(3))[0] == pytest.approx(0)


@LOSSES
def test_weight_zero_leaves_a_token_out(loss, case):
    logits, target, _ = case
    weights = np.array([1, 1, 0, 1, 0, 1.0])
    kept = weights > 0
    whole, gradient = loss(logits, target, weights)
    part, part_gradient = loss(logits[kept], target[kept], np.ones(4))
    assert whole == pytest.approx(part)
    assert gradient[kept] == pytest.approx(part_gradient)
    assert not gradient[~kept].any()


@LOSSES
def test_half_weights_halve_the_loss(loss, case):
    logits, target, _ = case
    whole, gradient = loss(logits, target, np.ones(6))
    half, half_gradient = loss(logits, target, np.full(6, 0.5))
    assert half == pytest.approx(whole / 2)
    assert half_gradient == pytest.approx(gradient / 2)


@LOSSES
def test_no_token_counts(loss, case):
    logits, target, _ = case
    value, gradient = loss(logits, target, np.zeros(6))
    assert value == 0.0
    assert not gradient.any()


@LOSSES
@pytest.mark.parametrize("size", [50.0, 1e4, 1e30])
def test_extreme_logits_stay_finite(loss, size):
    logits = np.array([[size, -size, 0], [-size, 0, size], [size, size, size]], dtype="f4")
    target = np.array([[0, 1, 0], [1, 0, 0], [0.5, 0.5, 0]], dtype="f4")
    value, gradient = loss(logits, target, np.ones(3, dtype="f4"))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() <= 1.0
    assert softmax(logits).sum(axis=1) == pytest.approx(np.ones(3))


@LOSSES
def test_single_precision_stays_single(loss, case):
    logits, target, weights = (array.astype("f4") for array in case)
    value, gradient = loss(logits, target, weights)
    assert isinstance(value, float)
    assert gradient.dtype == np.float32
    assert value == pytest.approx(loss(*case)[0], rel=1e-5)


@LOSSES
def test_arguments_are_left_as_they_are(loss, case):
    before = [array.copy() for array in case]
    loss(*case)
    assert all(np.array_equal(a, b) for a, b in zip(before, case, strict=True))


def test_registered_names():
    assert registry.misc.get("spacy-xner.SoftCrossEntropy.v1")() is soft_cross_entropy
    assert registry.misc.get("spacy-xner.MeanSquaredError.v1")() is mean_squared_error
