"""The student's second task: pairs of words, with what teachers say of them (Li et al. 2022)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.training import Example
from thinc.api import Ops
from thinc.types import Floats2d

from ..align import project_vectors
from ..errors import Errors, XnerError
from ..ml.pairs import (
    Kind,
    Pairs,
    certainty,
    consistency,
    cosines,
    decidedness,
    mean_by_token,
    pair_loss,
    similarity,
    unit_rows,
)
from ..silver import has_silver, read_silver
from .pairs import sample_pairs, tag_classes


class Lesson(NamedTuple):
    """What the teachers say of pairs of a batch's words.

    pairs: P of them.
    similarity: Array of shape (P,), what the evaluators say.
    weights: Array of shape (P,), gamma beta.
    token_weights: Array of shape (tokens,), alpha times the mean gamma of a token's pairs.
    """

    pairs: Pairs
    similarity: NDArray[np.float64]
    weights: NDArray[np.float64]
    token_weights: NDArray[np.float64]


class PairTask:
    """The settings of the second task.

    With pairs (1, 2) of words and the losses L_NER of a word and L_SIM of a pair, a student learns

        1/2 E[gamma alpha_1 L_NER,1] + 1/2 E[gamma alpha_2 L_NER,2] + weight E[gamma beta L_SIM]

    weight (float): Of the similarity task; 0 leaves it out, and keeps alpha and gamma.
    similarity (Kind): "published" or "rescaled"; see `ml/pairs.py`.
    alpha (bool): Weigh a word by the recogniser's certainty.
    beta (bool): Weigh a pair by the evaluator's certainty.
    gamma (bool): Weigh a pair and its words by the agreement of recogniser and evaluator.
    max_pairs (int): Pairs drawn from a batch.
    seed (int): Decides which.
    RAISES (XnerError): X308 for a number out of range.
    """

    def __init__(
        self,
        *,
        weight: float = 0.5,
        similarity: Kind = "published",
        alpha: bool = True,
        beta: bool = True,
        gamma: bool = True,
        max_pairs: int = 2000,
        seed: int = 0,
    ) -> None:
        if not 0.0 <= weight < float("inf"):
            found = {"key": "weight", "value": weight, "expected": "a number of 0 or more"}
            raise XnerError(Errors.X308.format(**found))
        if max_pairs < 1:
            found = {"key": "max_pairs", "value": max_pairs, "expected": "1 or more"}
            raise XnerError(Errors.X308.format(**found))
        self.weight = weight
        self.similarity = similarity
        self.alpha, self.beta, self.gamma = alpha, beta, gamma
        self.max_pairs = max_pairs
        self.seed = seed

    def lesson(
        self,
        examples: Sequence[Example],
        target: NDArray[np.float64],
        weights: NDArray[np.float64],
        *,
        number: int,
    ) -> Lesson:
        """Draw pairs of a batch by what the evaluators say in its annotations; see `tasks.Task`.

        RAISES (XnerError): X320, X321.
        """
        return self.draw(target, weights, evaluator_vectors(examples), number=number)

    def draw(
        self,
        target: NDArray[np.float64],
        weights: NDArray[np.float64],
        vectors: NDArray[np.float64],
        *,
        number: int,
    ) -> Lesson:
        """Draw pairs of a batch and weigh them.

        target (Array of shape (tokens, tags)): The recogniser's distributions.
        weights (Array of shape (tokens,)): Tokens of weight 0 are in no pair.
        vectors (Array of shape (tokens, width)): Of the evaluators, see `evaluator_vectors`.
        number (int): Of the batch: each draws other pairs.
        RETURNS (Lesson): Constants of the student's loss.
        """
        random = np.random.default_rng((self.seed, number))
        classes = tag_classes(target, weights)
        pairs = sample_pairs(classes, max_pairs=self.max_pairs, random=random)
        sim = similarity(np.clip(cosines(vectors, pairs), -1.0, 1.0), self.similarity)
        ones = np.ones(len(sim))
        rows: Any = target
        alike = cosines(unit_rows(rows)[0], pairs)
        gamma = consistency(alike, sim, kind=self.similarity) if self.gamma else ones
        beta = decidedness(sim) if self.beta else ones
        alpha = certainty(target) if self.alpha else np.ones(len(target))
        return Lesson(pairs, sim, gamma * beta, alpha * mean_by_token(gamma, pairs, len(target)))

    def loss(self, ops: Ops, lesson: Lesson, vectors: Floats2d) -> tuple[float, Floats2d]:
        """weight E[gamma beta L_SIM] and its gradient with respect to the student's vectors."""
        target: Any = lesson.similarity
        weights: Any = self.weight * lesson.weights
        arrays = ops.asarray1f(target), ops.asarray1f(weights)
        return pair_loss(vectors, lesson.pairs, *arrays, kind=self.similarity)


def evaluator_vectors(examples: Sequence[Example]) -> NDArray[np.float64]:
    """The evaluators' vectors for the tokens of `eg.predicted`, one example after the other.

    examples (Sequence[Example]): Their references carry silver annotations with similarity.
    RETURNS (Array of shape (tokens, width)): Inner products are pooled cosines.
    RAISES (XnerError): X320 if there is no similarity, X321 if the annotations of a batch come from
        different evaluators.
    """
    found = []
    for eg in examples:
        rows = read_silver(eg.reference).similarity if has_silver(eg.reference) else None
        if rows is None:
            raise XnerError(Errors.X320.format(text=eg.reference.text[:60]))
        found.append(project_vectors(rows, eg.reference, eg.predicted))
    widths = sorted({rows.shape[1] for rows in found})
    if len(widths) > 1:
        raise XnerError(Errors.X321.format(found=widths))
    return np.concatenate(found)


def make_pair_task(
    weight: float = 0.5,
    similarity: Kind = "published",
    alpha: bool = True,
    beta: bool = True,
    gamma: bool = True,
    max_pairs: int = 2000,
    seed: int = 0,
) -> PairTask:
    """Registered as `spacy-xner.PairTask.v1`; the settings are described at `PairTask`."""
    return PairTask(
        weight=weight,
        similarity=similarity,
        alpha=alpha,
        beta=beta,
        gamma=gamma,
        max_pairs=max_pairs,
        seed=seed,
    )
