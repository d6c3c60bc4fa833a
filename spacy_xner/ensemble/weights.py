"""Who is heard: each function gives every teacher a weight at every token.

A weight function takes the documents and their `Votes` and returns an array of shape
(tokens, teachers) whose rows sum to 1. Language-level weights repeat one row, sentence-level
weights repeat it over a document, token-level weights use the votes. A teacher that abstains may
get a weight: the ensemble takes it away (`votes.leave_out_silent`).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..errors import Errors, XnerError
from .votes import Votes

Weights = Callable[[Sequence[Doc], Votes], NDArray[np.float64]]


def make_uniform_weights() -> Weights:
    """All teachers alike. Registered as `spacy-xner.UniformWeights.v1`."""

    def uniform(docs: Sequence[Doc], votes: Votes) -> NDArray[np.float64]:
        n_teachers, n_tokens, _ = votes.probs.shape
        return np.full((n_tokens, n_teachers), 1.0 / n_teachers)

    return uniform


def make_fixed_weights(weights: dict[str, float]) -> Weights:
    """Weights by name of teacher. Registered as `spacy-xner.FixedWeights.v1`.

    weights (Dict[str, float]): Not negative, not all zero; normalised to sum 1.
    RAISES (XnerError): X308 for such numbers; when called, X403 if the names are not the teachers'.
    """
    values = list(weights.values())
    if not values or min(values) < 0 or not 0 < sum(values) < float("inf"):
        expected = "numbers of 0 or more, one of them above 0"
        raise XnerError(Errors.X308.format(key="weights", value=weights, expected=expected))

    def fixed(docs: Sequence[Doc], votes: Votes) -> NDArray[np.float64]:
        if set(weights) != set(votes.names):
            found = {"found": sorted(weights), "expected": sorted(votes.names)}
            raise XnerError(Errors.X403.format(**found))
        row = np.array([weights[name] for name in votes.names]) / sum(values)
        return np.tile(row, (votes.probs.shape[1], 1))

    return fixed
