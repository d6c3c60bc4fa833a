"""Losses between a model's logits and a label distribution, gold or silver.

Gold labels are one-hot distributions, so that one loss serves both. Each is a pure function and
returns the loss in its own unit, averaged over the tokens that count (weight above 0), and its
gradient with respect to the logits.
"""

from collections.abc import Callable

from thinc.api import get_array_module
from thinc.types import Floats1d, Floats2d

Loss = Callable[[Floats2d, Floats2d, Floats1d], tuple[float, Floats2d]]
"""(logits, target, weights) -> (loss, gradient); logits, target and gradient: (tokens, tags)."""


def softmax(logits: Floats2d) -> Floats2d:
    """Row-wise softmax.

    logits (Floats2d of shape (tokens, tags)): Any finite numbers.
    RETURNS (Floats2d): Rows sum to 1.
    """
    xp = get_array_module(logits)
    shifted = xp.exp(logits - xp.max(logits, axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def soft_cross_entropy(
    logits: Floats2d, target: Floats2d, weights: Floats1d
) -> tuple[float, Floats2d]:
    """Cross-entropy against a distribution, in nats (Hinton et al. 2015, with temperature 1).

    L = mean_i w_i (- sum_c q_ic log p_ic) and dL/dlogits_i = w_i (p_i - q_i) / n.

    logits (Floats2d of shape (tokens, tags)): Of the student.
    target (Floats2d of shape (tokens, tags)): q, rows sum to 1.
    weights (Floats1d of shape (tokens,)): 0 leaves a token out.
    RETURNS (Tuple[float, Floats2d]): Loss and its gradient with respect to the logits.
    """
    xp = get_array_module(logits)
    scale = _scale(weights)
    peak: Floats2d = xp.max(logits, axis=1, keepdims=True)
    log_probs = logits - peak - xp.log(xp.exp(logits - peak).sum(axis=1, keepdims=True))
    losses = -(target * log_probs).sum(axis=1)
    return float(xp.sum(losses * scale)), (xp.exp(log_probs) - target) * scale.reshape((-1, 1))


def mean_squared_error(
    logits: Floats2d, target: Floats2d, weights: Floats1d
) -> tuple[float, Floats2d]:
    """The mean squared error between probabilities (Wu et al. 2020, equation 2).

    L = mean_i w_i mean_c (p_ic - q_ic)^2. Arguments and results as in `soft_cross_entropy`.
    """
    xp = get_array_module(logits)
    scale = _scale(weights)
    probs = softmax(logits)
    difference = probs - target
    losses = (difference**2).mean(axis=1)
    d_probs = 2.0 * difference / logits.shape[1]
    d_logits = probs * (d_probs - (d_probs * probs).sum(axis=1, keepdims=True))
    return float(xp.sum(losses * scale)), d_logits * scale.reshape((-1, 1))


def squared_error(logits: Floats2d, target: Floats2d, weights: Floats1d) -> tuple[float, Floats2d]:
    """The squared error, summed over tags (Li et al. 2022): C times `mean_squared_error`.

    L = mean_i w_i sum_c (p_ic - q_ic)^2. Arguments and results as in `soft_cross_entropy`.
    """
    loss, gradient = mean_squared_error(logits, target, weights)
    return loss * logits.shape[1], gradient * logits.shape[1]


def _scale(weights: Floats1d) -> Floats1d:
    """Divide by the number of tokens that count: a low weight must stay low when all are low."""
    return weights / max(int((weights > 0).sum()), 1)


def make_soft_cross_entropy() -> Loss:
    """Registered as `spacy-xner.SoftCrossEntropy.v1`."""
    return soft_cross_entropy


def make_mean_squared_error() -> Loss:
    """Registered as `spacy-xner.MeanSquaredError.v1`."""
    return mean_squared_error


def make_squared_error() -> Loss:
    """Registered as `spacy-xner.SquaredError.v1`."""
    return squared_error
