"""Similarity of two words, its loss, and how much a pair of words counts (MTMT; Li et al. 2022).

Multiple tasks and multiple teachers, ACL 2022: a student learns from a recogniser which tag a word
has and from a similarity evaluator whether two words have the same one. All functions are pure.
What teachers say gives constants; gradients go into the student's vectors alone.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from thinc.api import get_array_module
from thinc.backends import get_array_ops
from thinc.types import Floats1d, Floats2d

Kind = Literal["published", "rescaled"]
"""published: sigmoid(cos), which lies in [0.27, 0.73]; rescaled: nearly all of [0, 1]."""

# Of the rescaled similarity. With 1 a vector beside itself would be certain, and its logarithm in a
# loss that asks for the contrary infinite.
SLOPE = 0.99
# Vectors that are shorter have no direction. Tokens without a sub-word have zeros.
SHORTEST = 1e-8

Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]
"""The first and the second token of each pair, as rows of the vectors."""


def similarity(cosine: Any, kind: Kind) -> Any:
    """The probability that two words have the same tag.

    cosine (Array): Of their vectors.
    kind (Kind): "published": sigmoid(cos). "rescaled": (1 + 0.99 cos) / 2.
    RETURNS (Array): Of the same shape, in (0, 1).
    """
    if kind == "rescaled":
        return 0.5 * (1.0 + SLOPE * cosine)
    xp = get_array_module(cosine)
    return 1.0 / (1.0 + xp.exp(-cosine))


def unit_rows(vectors: Floats2d) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """Divide rows by their lengths; those without a direction become and teach zeros.

    vectors (Floats2d of shape (tokens, width)): Any.
    RETURNS: the rows of length 1, and the function that takes their gradient to the vectors'.
    """
    xp = get_array_module(vectors)
    lengths = xp.sqrt((vectors**2).sum(axis=1, keepdims=True))
    inverse = xp.where(lengths > SHORTEST, 1.0 / xp.maximum(lengths, SHORTEST), 0.0)
    inverse = inverse.astype(vectors.dtype)
    unit = vectors * inverse

    def backprop(d_unit: Floats2d) -> Floats2d:
        return (d_unit - (d_unit * unit).sum(axis=1, keepdims=True) * unit) * inverse

    return unit, backprop


def cosines(unit: Any, pairs: Pairs) -> Any:
    """The inner products of rows: unit[i] . unit[j] for each pair (i, j).

    unit (Array of shape (tokens, width)): Rows of length 1 at most.
    RETURNS (Array of shape (pairs,)): In [-1, 1], but for rounding.
    """
    xp = get_array_module(unit)
    first, second = (xp.asarray(rows) for rows in pairs)
    return (unit[first] * unit[second]).sum(axis=1)


def pair_loss(
    vectors: Floats2d, pairs: Pairs, target: Floats1d, weights: Floats1d, *, kind: Kind
) -> tuple[float, Floats2d]:
    """Binary cross-entropy of the similarities of pairs, in nats.

    With s = similarity(cos(h_i, h_j)) and the target t, the mean over pairs of

        w ( - t log s - (1 - t) log (1 - s) )         dL/ds = w (s - t) / ( s (1 - s) )

    which for s = sigmoid(cos) means dL/dcos = w (s - t).

    vectors (Floats2d of shape (tokens, width)): h.
    pairs (Pairs): P of them.
    target (Floats1d of shape (P,)): t, in [0, 1].
    weights (Floats1d of shape (P,)): w, for example gamma beta.
    kind (Kind): See `similarity`.
    RETURNS (Tuple[float, Floats2d]): Loss and its gradient with respect to the vectors; 0 and zeros
        without pairs.
    """
    xp = get_array_module(vectors)
    count = len(target)
    if not count:
        return 0.0, xp.zeros_like(vectors)
    unit, backprop = unit_rows(vectors)
    s = similarity(cosines(unit, pairs), kind)
    losses = -(target * xp.log(s) + (1.0 - target) * xp.log(1.0 - s))
    d_cosine = s - target
    if kind == "rescaled":
        d_cosine = 0.5 * SLOPE * d_cosine / (s * (1.0 - s))
    d_unit = _spread((weights * d_cosine / count).astype(vectors.dtype), unit, pairs)
    return float((weights * losses).sum() / count), backprop(d_unit)


def _spread(d_cosine: Any, unit: Floats2d, pairs: Pairs) -> Floats2d:
    """Each row's sum of the rows it is paired with, times the gradients of the cosines.

    Sorted and then summed in runs: many times faster than adding row by row, and on a GPU too
    always in the same order.
    """
    ops = get_array_ops(unit)
    own, other = np.concatenate(pairs), np.concatenate(pairs[::-1])
    order = np.argsort(own, kind="stable")
    lengths: Any = np.bincount(own, minlength=len(unit)).astype("i")
    gradients = d_cosine[ops.xp.asarray(order % len(pairs[0]))]
    rows = unit[ops.xp.asarray(other[order])] * gradients.reshape((-1, 1))
    return ops.reduce_sum(rows, ops.asarray1i(lengths))


def certainty(probs: NDArray[np.floating]) -> NDArray[np.floating]:
    """alpha_n = (max_c p_n(c))^2: how sure the recogniser is of a word.

    probs (Array of shape (tokens, tags)): Rows sum to 1.
    RETURNS (Array of shape (tokens,)): In (0, 1].
    """
    return probs.max(axis=1, initial=0.0) ** 2


def decidedness(sim: NDArray[np.floating]) -> NDArray[np.floating]:
    """beta = min(1, (2 sim - 1)^2 + 0.5): how sure the evaluator is of a pair.

    sim (Array of shape (pairs,)): Its similarity; the rescaled one reaches all of [0.5, 1].
    RETURNS (Array of shape (pairs,)): In [0.5, 1].
    """
    return np.minimum(1.0, (2.0 * sim - 1.0) ** 2 + 0.5)


def consistency(
    tags: NDArray[np.floating], sim: NDArray[np.floating], *, kind: Kind
) -> NDArray[np.floating]:
    """gamma: how far the recogniser agrees with the evaluator about a pair.

    published    gamma = 1 - | sigmoid(cos(p_1, p_2)) - sim |
    rescaled     gamma = 1 - | cos(p_1, p_2) - sim |

    Distributions are not negative, so that their cosine is in [0, 1] as it is.

    tags (Array of shape (pairs,)): cos(p_1, p_2), of the recogniser's distributions.
    sim (Array of shape (pairs,)): The evaluator's similarity of the same kind.
    RETURNS (Array of shape (pairs,)): In [0, 1].
    """
    same = similarity(tags, kind) if kind == "published" else tags
    return 1.0 - np.abs(same - sim)


def mean_by_token(values: NDArray[np.floating], pairs: Pairs, tokens: int) -> NDArray[np.floating]:
    """The mean of each token's pairs; a token in no pair has the mean of all, 1 without any.

    values (Array of shape (pairs,)): For example gamma.
    tokens (int): How many there are.
    RETURNS (Array of shape (tokens,)): One number a token.
    """
    own = np.concatenate(pairs)
    counts = np.bincount(own, minlength=tokens)
    sums = np.bincount(own, weights=np.concatenate((values, values)), minlength=tokens)
    rest = values.mean() if len(values) else 1.0
    return np.where(counts > 0, sums / np.maximum(counts, 1), rest)
