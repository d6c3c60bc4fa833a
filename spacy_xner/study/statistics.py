"""The mathematics of a study's report: means, tests, and what many tests mean together."""

from collections.abc import Mapping, Sequence
from math import comb
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors, XnerError
from ..evaluation.bootstrap import f1_of_totals

LEVEL = 0.05


def mean_sd(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean and standard deviation of a sample.

    values (Sequence[float]): For example one F1 a seed.
    RETURNS (Tuple[Optional[float], Optional[float]]): No mean without a value; no deviation
        (divided by n - 1) with less than two.
    """
    mean = fmean(values) if values else None
    return mean, stdev(values) if len(values) > 1 else None


def bootstrap_difference(
    pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]], *, samples: int, seed: int = 0
) -> dict[str, Any]:
    """How far the macro F1 of A and B lie apart, with a two-sided test.

    Both the runs and the sentences of each test set are resampled: an interval from sentences alone
    holds for these very models, not for the method. A run is resampled for all test sets and for
    both systems at once. With one run only sentences are. A mean of n runs that were drawn with
    replacement varies by (n - 1) / n too little, a third with three seeds: what differs between
    runs is stretched accordingly. The data count as one resample, so that no p-value is zero.

    pairs (Sequence[Tuple[ArrayLike, ArrayLike]]): For each test set the counts of A and of B, shape
        (runs, models, sentences, 3), see `evaluation.bootstrap.Counts`. F1 is the mean over the
        models of a run, of which A and B may have different numbers, and over runs.
    samples (int): Resamples.
    seed (int): Equal seeds give equal results.
    RETURNS (Dict[str, Any]): "difference" (A - B), "by_run" (in each run), "interval" of 95 %,
        "p_value" (two-sided).
    RAISES (XnerError): X504 if the test sets differ.
    Davison & Hinkley 1997, "Bootstrap Methods and their Application", section 3.8 on resampling at
    two levels, 4.2 on counting the data; Rao & Wu 1988, "Resampling Inference With Complex Survey
    Data", on stretching; Koehn 2004 on sentences.
    """
    rng = np.random.default_rng(seed)
    n = len(pairs[0][0])
    runs = _resampled(n, samples, rng)
    by_run = np.mean([_differences(a, b, samples, rng) for a, b in pairs], axis=0)
    mean = by_run.mean(axis=1)
    stretch = (n / (n - 1)) ** 0.5 if n > 1 else 1.0
    differences = mean + stretch * ((by_run * runs).sum(axis=1) / n - mean)
    resampled = differences[1:]
    share = min((resampled <= 0).mean(), (resampled >= 0).mean())
    return {
        "difference": float(differences[0]),
        "by_run": by_run[0].tolist(),
        "interval": np.percentile(resampled, [2.5, 97.5]).tolist(),
        "p_value": min(1.0, 2 * (1 + samples * float(share)) / (1 + samples)),
    }


def _resampled(size: int, samples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each of some things is drawn: shape (1 + samples, size), first the data itself."""
    drawn = rng.multinomial(size, np.full(size, 1 / size), size=samples)
    return np.concatenate([np.ones((1, size), dtype=np.int64), drawn])


def _differences(
    a: NDArray[Any], b: NDArray[Any], samples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """F1 of A - B on a test set, and on resamples of its sentences: (1 + samples, runs)."""
    gold = a[:1, :1, :, 2]
    if (
        not a.shape[2]
        or a.shape[2:] != b.shape[2:]
        or not all((x[..., 2] == gold).all() for x in (a, b))
    ):
        raise XnerError(Errors.X504.format(found_a=a.shape[2:], found_b=b.shape[2:]))
    drawn = _resampled(a.shape[2], samples, rng).astype(np.float64)
    totals = (np.einsum("sn,rmnc->srmc", drawn, x, optimize=True) for x in (a, b))
    one, other = map(f1_of_totals, totals)
    return np.asarray(one.mean(axis=2) - other.mean(axis=2))


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
    """What a test says, in one word.

    comparison (Optional[Mapping[str, Any]]): With a "difference" and its "adjusted" p-value.
    RETURNS (str): "better", "worse", "open" (not below `LEVEL`), or "missing" without a comparison.
    """
    if comparison is None:
        return "missing"
    if comparison["adjusted"] >= LEVEL:
        return "open"
    return "better" if comparison["difference"] > 0 else "worse"
