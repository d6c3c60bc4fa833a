"""`spacy-xner.GuestWeights.v1`: teachers that are no language's beside those that are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..errors import Errors, XnerError
from .votes import Votes, choose
from .weights import Weights


def make_guest_weights(guests: list[str], weights: Any, *, share: float | None = None) -> Weights:
    """Hear some teachers at a fixed share, and the others by weights that know only them.

    Weights by language, for example, know nothing of a language model that was taught all sources.
    Registered as `spacy-xner.GuestWeights.v1`.

    guests (List[str]): Names of teachers, which share alike.
    weights (Weights): Of the other teachers, the hosts.
    share (Optional[float]): Of all guests together, in [0, 1]; None for as much as an average
        teacher has, each: G / (H + G) for G guests and H hosts.
    RAISES (XnerError): X308 for a share out of range, or for guests that are none or named twice;
        when called, X403 if a guest is no teacher of the ensemble, or nobody else is.
    """
    if not guests or len(set(guests)) < len(guests):
        expected = "one name or more, each once"
        raise XnerError(Errors.X308.format(key="guests", value=guests, expected=expected))
    if share is not None and not 0.0 <= share <= 1.0:
        expected = "a number from 0 to 1, or null"
        raise XnerError(Errors.X308.format(key="share", value=share, expected=expected))

    def guest_weights(docs: Sequence[Doc], votes: Votes) -> NDArray[np.float64]:
        hosts = [name for name in votes.names if name not in guests]
        if not hosts or not set(guests) <= set(votes.names):
            details = {"found": sorted(guests), "expected": sorted(votes.names)}
            raise XnerError(Errors.X403.format(**details))
        part = len(guests) / len(votes.names) if share is None else share
        inner = weights(docs, choose(votes, hosts))
        columns = dict(zip(hosts, (1.0 - part) * inner.T, strict=True))
        each = np.full(len(inner), part / len(guests))
        return np.stack([columns.get(name, each) for name in votes.names], axis=1)

    return guest_weights
