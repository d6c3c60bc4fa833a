"""Is one system better than another? A paired bootstrap over test sentences."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import Errors, XnerError
from ..labels import Entity

Counts = NDArray[np.int64]
"""Shape (sentences, 3): true positives, predicted entities, gold entities."""


def sentence_counts(
    gold: Iterable[Collection[Entity]], predicted: Iterable[Collection[Entity]]
) -> Counts:
    """Count, for each sentence, what F1 needs.

    gold (Iterable[Collection[Entity]]): The (start, end, label) of each sentence.
    predicted (Iterable[Collection[Entity]]): The same of a system, for the same sentences.
    RETURNS (Counts): Shape (sentences, 3): true positives, predicted, gold.
    """
    rows = [
        (len(set(g) & set(p)), len(set(p)), len(set(g)))
        for g, p in zip(gold, predicted, strict=True)
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def f1_from_counts(counts: ArrayLike) -> float:
    """Micro F1 over sentences, 0 where there is neither a gold nor a predicted entity.

    counts (ArrayLike): Shape (sentences, 3), see `sentence_counts`.
    """
    true_positives, predicted, gold = np.asarray(counts).sum(axis=0)
    return float(2 * true_positives / (predicted + gold)) if predicted + gold else 0.0


def f1_of_totals(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Micro F1 from counts that are summed already, 0 where there is nothing to count.

    totals (NDArray[np.float64]): Shape (..., 3), the last axis as in `Counts`.
    RETURNS (NDArray[np.float64]): Shape (...).
    """
    true_positives, predicted, gold = np.moveaxis(totals, -1, 0)
    return np.asarray(2 * true_positives / np.maximum(predicted + gold, 1))


def paired_bootstrap(
    counts_a: ArrayLike, counts_b: ArrayLike, *, samples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Compare the micro F1 of systems A and B on resampled test sentences.

    The one-sided p-value is the share of resamples in which A is not better than B (difference
    <= 0), so a small value speaks for A. To test whether B is better, swap the two.

    counts_a (ArrayLike): Shape (sentences, 3), see `sentence_counts`.
    counts_b (ArrayLike): The same of B, for the same sentences in the same order.
    samples (int): Number of resamples.
    seed (int): Equal seeds give equal results.
    RETURNS (Dict): "f1_a", "f1_b", "difference" (A - B), "interval" (2.5 and 97.5 percentile of
        the resampled differences), "p_value", "samples".
    RAISES (XnerError): X504 if there is no sentence, or the two are not of the same sentences.
    Koehn 2004, "Statistical Significance Tests for Machine Translation Evaluation";
    Berg-Kirkpatrick et al. 2012, "An Empirical Investigation of Statistical Significance in NLP".
    """
    return paired_bootstrap_macro([(counts_a, counts_b)], samples=samples, seed=seed)


def paired_bootstrap_macro(
    pairs: Sequence[tuple[ArrayLike, ArrayLike]], *, samples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """As `paired_bootstrap`, for the macro average of F1 over several test sets.

    The sentences of each set are resampled within the set.

    pairs (Sequence[Tuple[ArrayLike, ArrayLike]]): The counts of A and B for each test set.
    samples (int): Number of resamples.
    seed (int): Equal seeds give equal results.
    RETURNS (Dict): As `paired_bootstrap`.
    RAISES (XnerError): X504.
    """
    rng = np.random.default_rng(seed)
    # Axes: test set, resample (the first is the data itself), system.
    f1 = np.array([_resampled_f1(a, b, samples, rng) for a, b in pairs]).mean(axis=0)
    differences = f1[1:, 0] - f1[1:, 1]
    return {
        "f1_a": float(f1[0, 0]),
        "f1_b": float(f1[0, 1]),
        "difference": float(f1[0, 0] - f1[0, 1]),
        "interval": np.percentile(differences, [2.5, 97.5]).tolist(),
        "p_value": float((differences <= 0).mean()),
        "samples": samples,
    }


def _resampled_f1(
    counts_a: ArrayLike, counts_b: ArrayLike, samples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """F1 of both systems on the data and on each resample: shape (1 + samples, 2)."""
    a, b = np.asarray(counts_a), np.asarray(counts_b)
    comparable = a.ndim == 2 and a.shape[1] == 3 and a.shape == b.shape and len(a) > 0
    if not comparable or not (a[:, 2] == b[:, 2]).all():
        raise XnerError(Errors.X504.format(found_a=a.shape, found_b=b.shape))
    both = np.stack([a, b], axis=1)
    totals = [both.sum(axis=0)]
    # One resample at a time: all at once would need samples x sentences integers of memory.
    for _ in range(samples):
        totals.append(both[rng.integers(len(both), size=len(both))].sum(axis=0))
    return f1_of_totals(np.array(totals, dtype=np.float64))
