"""How voices are combined: pure functions from K distributions a token to one."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pool = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""(probabilities (K, tokens, C), weights (tokens, K)) -> (tokens, C), rows sum to 1."""

# A teacher that rules a class out must not be able to veto all others by a rounding error.
FLOOR = 1e-6


def linear_pool(probs: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """p(c) = sum_k alpha_k p_k(c) (Wu et al. 2020, equation 4)."""
    return np.einsum("tk,ktc->tc", weights, probs, optimize=True)


def log_linear_pool(
    probs: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """p(c) proportional to prod_k p_k(c)^alpha_k (logarithmic opinion pool; Heskes 1998)."""
    logs = np.einsum("tk,ktc->tc", weights, np.log(np.maximum(probs, FLOOR)), optimize=True)
    result = np.exp(logs - logs.max(axis=1, keepdims=True))
    return result / result.sum(axis=1, keepdims=True)


def make_linear_pool() -> Pool:
    """Registered as `spacy-xner.LinearPool.v1`."""
    return linear_pool


def make_log_linear_pool() -> Pool:
    """Registered as `spacy-xner.LogLinearPool.v1`."""
    return log_linear_pool
