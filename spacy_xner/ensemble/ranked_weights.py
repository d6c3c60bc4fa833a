"""`spacy-xner.RankedWeights.v1`: hear the sources that stand best in a file of weights."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..errors import Errors, XnerError
from .language_weights import choose_target, read_weights, weights_of
from .nn_rank import select
from .votes import Votes
from .weights import Weights


def make_ranked_weights(
    path: str, *, target: str | None = None, top: int | None = None, equal: bool = False
) -> Weights:
    """Hear the best sources of a target, by any file that `xner similarity` writes.

    Registered as `spacy-xner.RankedWeights.v1`. Teachers bear the names of languages. The file is
    read with the first documents.

    path (str): What `xner similarity rank` or `xner similarity weights` wrote.
    target (Optional[str]): Which target of the file; None for the only one.
    top (Optional[int]): Hear so many of the ensemble's teachers, the best ones; None for all.
    equal (bool): Those alike, and not in proportion to their weights.
    RAISES (XnerError): X308 for a `top` below 1; when called, X421 for a damaged file, X422 for
        teachers without a weight, X423 for an unknown target.
    """
    if top is not None and top < 1:
        found = {"key": "top", "value": top, "expected": "1 or more, or null for all"}
        raise XnerError(Errors.X308.format(**found))

    @cache
    def known() -> Mapping[str, float]:
        return choose_target(read_weights(Path(path))["targets"], target)["weights"]

    def ranked(docs: Sequence[Doc], votes: Votes) -> NDArray[np.float64]:
        row = select(weights_of(votes.names, known(), path=path), top=top, equal=equal)
        return np.tile(list(row.values()), (votes.probs.shape[1], 1))

    return ranked
