"""The agreement of all teachers as a further target (UniTrans; Wu et al., IJCAI 2020)."""

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..aggregate import read_votes, token_votes
from ..ensemble.confusion import ABSTAIN
from ..silver import SPANS_KEY, Silver


def agreed_tags(votes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The tag that all teachers who vote give to a token, if two or more of them do.

    votes (Array[int] of shape (tokens, K)): Columns of the tag set, -1 for no vote.
    RETURNS (Array[int] of shape (tokens,)): The tag, -1 where there is none.
    """
    heard = votes != ABSTAIN
    best = votes.max(axis=1, initial=ABSTAIN)
    alike = ((votes == best[:, None]) | ~heard).all(axis=1)
    return np.where(alike & (heard.sum(axis=1) > 1), best, ABSTAIN)


def add_agreement(
    distribution: NDArray[np.float64],
    agreed: NDArray[np.int64],
    weights: NDArray[np.float64],
    strength: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fold a cross-entropy to agreed tags into distributions and weights.

    Cross-entropy is linear in its target. With the one-hot row e of the agreed tag,

        w (CE(q, p) + strength CE(e, p)) = w (1 + strength) CE((q + strength e) / (1 + strength), p)

    All weights are divided by 1 + strength, so that none is above 1: tokens with an agreed tag keep
    theirs, the others' fall.

    distribution (Array of shape (tokens, tags)): q, rows sum to 1.
    agreed (Array[int] of shape (tokens,)): A tag, or -1 for none.
    weights (Array of shape (tokens,)): In [0, 1].
    strength (float): 0 or more; 0 changes nothing.
    RETURNS: The new distribution and weights, of the same shapes.
    """
    known = agreed != ABSTAIN
    one_hot = np.eye(distribution.shape[1])[np.where(known, agreed, 0)]
    mixed = (distribution + strength * one_hot) / (1.0 + strength)
    rows = np.where(known[:, None], mixed, distribution)
    return rows, np.where(known, weights, weights / (1.0 + strength))


def has_votes(doc: Doc) -> bool:
    """Does a document keep the entities of any teacher?"""
    return any(key.startswith(f"{SPANS_KEY}/") for key in doc.spans)


def sharpen(doc: Doc, silver: Silver, strength: float) -> Silver:
    """Add the agreement of the votes that a document keeps to its silver annotations.

    doc (Doc): With silver annotations and votes; left as it is.
    silver (Silver): What it carries, or a variant of that.
    strength (float): See `add_agreement`.
    RETURNS (Silver): With another distribution and other token weights.
    RAISES (XnerError): X430 if there are no votes, and what `aggregate.read_votes` raises.
    """
    agreed = agreed_tags(token_votes(read_votes([doc])))
    rows, weights = add_agreement(silver.distribution, agreed, silver.token_weights, strength)
    return silver._replace(distribution=rows, token_weights=weights)
