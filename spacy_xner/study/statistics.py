"""The mathematics of a study's report: means, tests, and what many tests mean together."""

from collections.abc import Mapping, Sequence
from math import comb
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..evaluation.bootstrap import paired_bootstrap_macro


def mean_sd(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean and standard deviation of a sample.

    values (Sequence[float]): For example one F1 a seed.
    RETURNS (Tuple[Optional[float], Optional[float]]): No mean without a value; no deviation
        (divided by n - 1) with less than two.
    """
    mean = fmean(values) if values else None
    return mean, stdev(values) if len(values) > 1 else None


def bootstrap_difference(
    pairs: Sequence[tuple[ArrayLike, ArrayLike]], *, samples: int, seed: int = 0
) -> dict[str, Any]:
    """How far the macro F1 of A and B lie apart, with a two-sided test.

    The test is the one-sided one of `evaluation.bootstrap` in the better direction, doubled. The
    data count as one resample, so that no p-value is zero.

    pairs (Sequence[Tuple[ArrayLike, ArrayLike]]): For each test set the counts of A and of B, shape
        (sentences, 3); sums over several seeds are counts too.
    samples (int): Resamples.
    seed (int): Equal seeds give equal results.
    RETURNS (Dict[str, Any]): "difference" (A - B), "interval" of 95 %, "p_value" (two-sided).
    RAISES (XnerError): X504 if the test sets differ.
    Davison & Hinkley 1997, "Bootstrap Methods and their Application", section 4.2, on counting the
    data.
    """
    found = paired_bootstrap_macro(pairs, samples=samples, seed=seed)
    share = found["p_value"]
    if share > 0.5:
        # B seems better. Its share is not 1 - p: resamples without a difference count for neither.
        swapped = [(b, a) for a, b in pairs]
        share = paired_bootstrap_macro(swapped, samples=samples, seed=seed)["p_value"]
    p_value = min(1.0, 2 * (1 + samples * share) / (1 + samples))
    return {
        "difference": found["difference"],
        "interval": found["interval"],
        "p_value": p_value,
    }


def sign_test(wins: int, losses: int) -> float:
    """The exact two-sided sign test; ties are dropped beforehand.

    wins (int): For example languages on which A is better.
    losses (int): Languages on which B is.
    RETURNS (float): Probability of a split at least as uneven, if both were equally likely.
    Dixon & Mood 1946, "The Statistical Sign Test".
    """
    n = wins + losses
    tail = sum(comb(n, i) for i in range(min(wins, losses) + 1))
    return min(1.0, 2 * tail / 2**n)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for the number of tests, step by step from the smallest.

    p_values (Sequence[float]): Of all tests that are looked at together.
    RETURNS (List[float]): In the same order: max over the smaller ones of (m - rank) p, 1 at most.
    Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable").tolist()):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def verdict(comparison: Mapping[str, Any] | None) -> str:
    """What an interval says, in one word.

    comparison (Optional[Mapping[str, Any]]): With the "interval" of a difference.
    RETURNS (str): "better", "worse", "open" (0 lies within), or "missing" without a comparison.
    """
    if comparison is None:
        return "missing"
    low, high = comparison["interval"]
    if low > 0:
        return "better"
    return "worse" if high < 0 else "open"
