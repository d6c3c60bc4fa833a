"""How well a similarity evaluator tells pairs of words apart: the scorer spaCy finds by name.

It runs with the core installation, so it imports nothing beyond spaCy and numpy.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from spacy.training import Example

from ..ml.pairs import Kind, Pairs, cosines, similarity
from ..training.pairs import sample_pairs, tag_classes
from ..training.targets import targets
from .calibration import expected_calibration_error


def average_precision(scores: ArrayLike, correct: ArrayLike) -> float | None:
    """The area under the steps of precision over recall: sum_n (R_n - R_{n-1}) P_n.

    scores (ArrayLike): Higher for what is more likely right, shape (items,). Equal scores are one
        step.
    correct (ArrayLike): Was it right? Shape (items,).
    RETURNS (Optional[float]): From 0 to 1; None where nothing is right.
    """
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    values, hits = np.asarray(scores)[order], np.asarray(correct, dtype=bool)[order]
    if not hits.any():
        return None
    last = np.flatnonzero(np.append(np.diff(values) != 0, True))
    found = np.cumsum(hits)[last]
    recall = found / hits.sum()
    return float(np.sum(np.diff(recall, prepend=0.0) * found / (last + 1)))


def make_pair_scorer(max_pairs: int = 20_000, seed: int = 0) -> Callable[..., dict[str, Any]]:
    """Make the scorer of the evaluator (`spacy-xner.pair_scorer.v1` in `registry.scorers`).

    max_pairs (int): Pairs drawn from all examples together, as in training: half of them alike.
    seed (int): Decides which.
    RETURNS (Callable): From examples, and the `vectors`, `labels` and `similarity` that the
        component hands over, to `pairs_ap`, the average precision of "same tag", and `pairs_ece`,
        the expected calibration error of the similarities. None where there is no pair.
    """

    # A partial of a function that has a name: what spawned processes get must be pickled.
    return partial(_score, max_pairs=max_pairs, seed=seed)


def _score(
    examples: Iterable[Example],
    *,
    max_pairs: int,
    seed: int,
    vectors: Sequence[NDArray[np.floating]],
    labels: Sequence[str],
    similarity: Kind,
    **kwargs: Any,
) -> dict[str, Any]:
    known = [tag_classes(*targets(eg, labels, {})) for eg in examples]
    if not known:
        return {"pairs_ap": None, "pairs_ece": None}
    classes, rows = np.concatenate(known), np.concatenate(vectors)
    random = np.random.default_rng(seed)
    pairs = sample_pairs(classes, max_pairs=max_pairs, random=random)
    return pair_scores(rows, classes, pairs, kind=similarity)


def pair_scores(
    vectors: NDArray[np.floating], classes: NDArray[np.int64], pairs: Pairs, *, kind: Kind
) -> dict[str, Any]:
    """Average precision and expected calibration error of similarities.

    vectors (Array of shape (tokens, width)): Rows of length 1.
    classes (Array[int] of shape (tokens,)): The true tags.
    pairs (Pairs): Which pairs of tokens to ask about.
    kind (Kind): See `ml.pairs.similarity`.
    RETURNS (Dict[str, Any]): `pairs_ap` and `pairs_ece`, see `make_pair_scorer`.
    """
    same = classes[pairs[0]] == classes[pairs[1]]
    likely = similarity(cosines(vectors, pairs), kind)
    error = expected_calibration_error(likely, same)
    return {"pairs_ap": average_precision(likely, same), "pairs_ece": error}
