"""Weights from the votes alone: how sure a teacher is, and how far the others agree with it.

Both look at distributions whose untaught classes were filled (`fill_untaught`, all teachers alike):
the O of a teacher that does not know a class is surer than it should be, and says something else
than the O of the others.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..errors import Errors, XnerError
from .votes import Votes, fill_untaught, leave_out_silent
from .weights import Weights, make_uniform_weights

Level = Literal["token", "sentence"]


def normalise(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide rows by their sums; a row of zeros favours nobody and becomes uniform.

    rows (Array of shape (tokens, teachers)): Not negative.
    RETURNS (Array of shape (tokens, teachers)): Rows sum to 1.
    """
    totals = rows.sum(axis=1, keepdims=True)
    uniform = np.full_like(rows, 1.0 / rows.shape[1])
    return np.divide(rows, totals, out=uniform, where=totals > 0)


def document_means(rows: NDArray[np.float64], lengths: Sequence[int]) -> NDArray[np.float64]:
    """Replace each row by the mean row of its document.

    rows (Array of shape (tokens, teachers)): Of documents one after the other.
    lengths (Sequence[int]): Tokens of each document, also 0.
    RETURNS (Array of shape (tokens, teachers)): The same row at all tokens of a document.
    """
    counts = np.array(lengths, dtype=int)
    owner = np.repeat(np.arange(len(counts)), counts)
    sums = np.zeros((len(counts), rows.shape[1]))
    np.add.at(sums, owner, rows)
    return sums[owner] / counts[owner, None]


def confidences(probs: NDArray[np.float64], *, power: float = 2.0) -> NDArray[np.float64]:
    """(max_c p_k(c))^power: the weight of MTMT (Li et al. 2022) with power 2.

    probs (Array of shape (K, tokens, C)): Rows sum to 1.
    power (float): 0 makes all alike.
    RETURNS (Array of shape (tokens, K)): Numbers from 0 to 1.
    """
    return probs.max(axis=2).T ** power


def agreements(probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the other teachers of 1 - TV, with TV(p, q) = 1/2 sum_c |p(c) - q(c)|.

    probs (Array of shape (K, tokens, C)): Rows sum to 1, or are zeros: that teacher abstains, and
        is none of the others.
    RETURNS (Array of shape (tokens, K)): Numbers from 0 to 1; 1 for a teacher without others.
    """
    n_teachers, n_tokens, _ = probs.shape
    result, others = np.zeros((2, n_tokens, n_teachers))
    heard = (probs != 0.0).any(axis=2)
    for j in range(n_teachers):
        for k in range(j):
            both = (heard[j] & heard[k])[:, None]
            similar = 1.0 - 0.5 * np.abs(probs[j] - probs[k]).sum(axis=1)
            result[:, [j, k]] += similar[:, None] * both
            others[:, [j, k]] += both
    # Sums of rows may be a rounding error above 1.
    mean = np.divide(result, others, out=np.ones_like(result), where=others > 0)
    return np.clip(mean, 0.0, 1.0)


def make_confidence_weights(*, level: Level = "token", power: float = 2.0) -> Weights:
    """Hear a teacher as far as it is sure. Registered as `spacy-xner.ConfidenceWeights.v1`.

    level (str): "token", or "sentence" for the mean of the confidences over a document.
    power (float): See `confidences`; 0 or more.
    RAISES (XnerError): X308 for another level or power.
    """
    _check_level(level)
    if not 0.0 <= power < float("inf"):
        found = {"key": "power", "value": power, "expected": "a number of 0 or more"}
        raise XnerError(Errors.X308.format(**found))

    def confidence(docs: Sequence[Doc], votes: Votes) -> NDArray[np.float64]:
        return _weigh(confidences(_filled(docs, votes), power=power), votes, level)

    return confidence


def make_agreement_weights(*, level: Level = "token") -> Weights:
    """Hear a teacher as far as the others agree. Registered as `spacy-xner.AgreementWeights.v1`.

    level (str): "token", or "sentence" for the mean of the agreements over a document.
    RAISES (XnerError): X308 for another level.
    """
    _check_level(level)

    def agreement(docs: Sequence[Doc], votes: Votes) -> NDArray[np.float64]:
        return _weigh(agreements(_filled(docs, votes)), votes, level)

    return agreement


def _filled(docs: Sequence[Doc], votes: Votes) -> NDArray[np.float64]:
    return fill_untaught(votes, leave_out_silent(make_uniform_weights()(docs, votes), votes))


def _weigh(rows: NDArray[np.float64], votes: Votes, level: Level) -> NDArray[np.float64]:
    return normalise(document_means(rows, votes.lengths) if level == "sentence" else rows)


def _check_level(level: str) -> None:
    if level not in ("token", "sentence"):
        found = {"key": "level", "value": repr(level), "expected": '"token" or "sentence"'}
        raise XnerError(Errors.X308.format(**found))
