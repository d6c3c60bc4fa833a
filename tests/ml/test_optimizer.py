import sys

import numpy as np
import pytest
import spacy
from spacy import registry
from thinc.api import Adam, NumpyOps

from spacy_xner.errors import XnerError
from spacy_xner.ml.optimizer import FusedAdam, make_fused_adam

torch = pytest.importorskip("torch")
STEPS, SIZE = 20, 37


def run(optimizer, *, dtype=np.float32, scale=1.0):
    """Weights after some updates with the same gradients for every optimizer."""
    random = np.random.default_rng(0)
    weights = random.normal(size=(SIZE, 3)).astype(dtype)
    for _ in range(STEPS):
        gradient = (scale * random.normal(size=weights.shape)).astype(dtype)
        weights, gradient = optimizer((0, "W"), weights, gradient)
        assert not gradient.any()
    return weights


def test_the_same_as_torch():
    fused = run(make_fused_adam(0.01, L2=0.1, grad_clip=0.0))
    random = np.random.default_rng(0)
    parameter = torch.nn.Parameter(torch.from_numpy(random.normal(size=(SIZE, 3)).astype("f4")))
    other = torch.optim.AdamW([parameter], lr=0.01, weight_decay=0.1, foreach=False)
    for _ in range(STEPS):
        parameter.grad = torch.from_numpy(random.normal(size=(SIZE, 3)).astype("f4"))
        other.step()
    np.testing.assert_allclose(fused, parameter.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_close_to_thinc():
    """They differ by eps under the root and by the order of decay and step."""
    settings = {"L2": 0.01, "grad_clip": 1.0, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    plain = Adam(0.01, L2_is_weight_decay=True, use_averages=False, **settings)
    np.testing.assert_allclose(
        run(make_fused_adam(0.01, **settings)), run(plain), rtol=0, atol=2e-4
    )


def test_a_large_gradient_is_cut():
    """Plain Adam forgets the scale of gradients; one large one among small ones shows."""
    weights = {clip: np.ones((2, 2), dtype="f4") for clip in (0.0, 1.0)}
    for clip, values in weights.items():
        optimizer = make_fused_adam(0.1, L2=0.0, grad_clip=clip)
        for size in (100.0, 0.5, 0.5):
            optimizer((0, "W"), values, np.full((2, 2), size, dtype="f4"))
    assert weights[0.0].max() > weights[1.0].max() + 0.05


def test_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(XnerError, match="X311.*Adam.v1"):
        make_fused_adam(0.1)


def test_updates_in_place_and_in_any_order():
    optimizer = make_fused_adam(0.01)
    first, second = np.ones((4, 2), dtype="f4"), np.ones((3,), dtype="f4")
    kept = first
    for _ in range(3):
        found, _ = optimizer((1, "W"), first, np.ones_like(first))
        optimizer((2, "b"), second, -np.ones_like(second))
        assert found is kept
    assert (first < 1).all()
    assert (second > 1).all()
    assert optimizer.nr_update == {(1, "W"): 3, (2, "b"): 3}


def test_schedules_are_followed():
    optimizer = make_fused_adam([0.1, 0.0], L2=0.0)
    weights = np.ones((2,), dtype="f4")
    optimizer((0, "W"), weights, np.ones_like(weights))
    after = weights.copy()
    assert (after < 1).all()
    optimizer.step_schedules()  # the rate is 0 from here
    optimizer.step_schedules()
    optimizer((0, "W"), weights, np.ones_like(weights))
    np.testing.assert_array_equal(weights, after)


def test_a_gradient_in_another_memory_order():
    gradient = np.arange(12, dtype="f4").reshape(3, 4)
    weights = {order: np.ones((3, 4), dtype="f4") for order in "CF"}
    for order, values in weights.items():
        _, left = make_fused_adam(0.1)((0, "W"), values, np.array(gradient, order=order))
        assert not left.any()
    np.testing.assert_array_equal(weights["C"], weights["F"])
    assert weights["C"].min() < 1


def test_empty_parameters_are_left_alone():
    weights = np.zeros((0, 3), dtype="f4")
    found, _ = make_fused_adam(0.1)((0, "W"), weights, weights.copy())
    assert found.shape == (0, 3)


def test_by_name_in_a_pipeline(gold_docs, examples):
    """A CNN's parameters are thinc's own arrays."""
    make = registry.optimizers.get("spacy-xner.FusedAdam.v1")
    nlp = spacy.blank("xx")
    nlp.add_pipe("xner")
    found = examples(gold_docs, nlp)
    nlp.initialize(lambda: found)
    optimizer = make(0.01)
    assert isinstance(optimizer, FusedAdam)
    losses = [nlp.update(found, sgd=optimizer)["xner"] for _ in range(30)]
    assert losses[-1] < losses[0] / 2


def test_thinc_and_fused_agree_on_float64():
    weights = run(make_fused_adam(0.01, L2=0.0), dtype=np.float64)
    expected = run(make_fused_adam(0.01, L2=0.0), dtype=np.float32)
    np.testing.assert_allclose(weights, expected, atol=1e-4)
    assert NumpyOps().xp.isfinite(weights).all()
