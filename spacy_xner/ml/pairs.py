"""Similarity of word pairs, the second task of Li et al. (2022), MTMT: loss, gradient and weights.

Pure functions; a pair is a row of two token numbers. All weights hang on the teachers alone and so
are constants for the gradient.
"""

from collections.abc import Callable
from typing import Literal, cast, get_args

from thinc.api import get_array_module
from thinc.types import Floats1d, Floats2d, Ints2d

from ..errors import Errors, XnerError

Kind = Literal["published", "rescaled"]

# The rescaled similarity keeps this distance from 0 and 1, where the logarithms have no end.
EDGE = 0.01


def check_kind(kind: str) -> Kind:
    """A similarity's name.

    RAISES (XnerError): X308 for an unknown one.
    """
    if kind not in get_args(Kind):
        expected = " or ".join(get_args(Kind))
        raise XnerError(Errors.X308.format(key="similarity", value=kind, expected=expected))
    return cast(Kind, kind)


def similarity(cosines: Floats1d, kind: Kind) -> Floats1d:
    """The probability that two words have the same tag.

    published: sigmoid(c), from 0.27 to 0.73 (Li et al. 2022, equation 1).
    rescaled: e + (1 - 2 e) (1 + c) / 2 with e = 0.01: linear, from 0.01 to 0.99.

    cosines (Floats1d of shape (pairs,)): From -1 to 1.
    kind (str): "published" or "rescaled".
    RETURNS (Floats1d of shape (pairs,)).
    """
    if kind == "rescaled":
        return EDGE + (0.5 - EDGE) * (1.0 + cosines)
    return 1.0 / (1.0 + get_array_module(cosines).exp(-cosines))


def pair_cosines(
    vectors: Floats2d, pairs: Ints2d
) -> tuple[Floats1d, Callable[[Floats1d], Floats2d]]:
    """The cosine of each pair of token vectors, and the way back.

    vectors (Floats2d of shape (tokens, width)): A row of zeros has cosine 0 with all others.
    pairs (Ints2d of shape (pairs, 2)): Numbers of rows.
    RETURNS (Tuple[Floats1d, Callable]): Cosines, and a function from their gradient to that of the
        vectors.
    """
    xp = get_array_module(vectors)
    norms = xp.sqrt((vectors**2).sum(axis=1, keepdims=True))
    scale = (norms > 0) / xp.maximum(norms, xp.finfo(vectors.dtype).tiny)
    units = vectors * scale
    first, second = pairs[:, 0], pairs[:, 1]
    cosines = (units[first] * units[second]).sum(axis=1)

    def backprop(d_cosines: Floats1d) -> Floats2d:
        d_units = xp.zeros_like(units)
        column = d_cosines.reshape((-1, 1))
        xp.add.at(d_units, first, column * units[second])
        xp.add.at(d_units, second, column * units[first])
        return (d_units - units * (d_units * units).sum(axis=1, keepdims=True)) * scale

    return cosines, backprop


def pair_loss(
    vectors: Floats2d, pairs: Ints2d, target: Floats1d, weights: Floats1d, *, kind: Kind
) -> tuple[float, Floats2d]:
    """Cross-entropy of the similarity of word pairs, in nats, averaged over all pairs.

    L = mean_p w_p BCE(s_p, t_p) with s_p the similarity of the vectors of pair p.

    vectors (Floats2d of shape (tokens, width)): Of the model that learns.
    pairs (Ints2d of shape (pairs, 2)): Numbers of rows.
    target (Floats1d of shape (pairs,)): t, from 0 to 1: a teacher's similarity, or 1 where the tags
        are the same.
    weights (Floats1d of shape (pairs,)): w.
    kind (str): See `similarity`.
    RETURNS (Tuple[float, Floats2d]): The loss and its gradient with respect to the vectors. Both
        are 0 without pairs.
    """
    xp = get_array_module(vectors)
    if not len(pairs):
        return 0.0, xp.zeros_like(vectors)
    cosines, backprop = pair_cosines(vectors, pairs)
    sim = similarity(cosines, kind)
    scale = weights / len(pairs)
    losses = -(target * xp.log(sim) + (1.0 - target) * xp.log(1.0 - sim))
    # Of the sigmoid, the slope s (1 - s) cancels the cross-entropy's denominator.
    slope = 1.0 if kind == "published" else (0.5 - EDGE) / (sim * (1.0 - sim))
    gradient: Floats1d = ((sim - target) * slope * scale).astype(vectors.dtype)
    return float((losses * scale).sum()), backprop(gradient)


def alpha_weights(probs: Floats2d) -> Floats1d:
    """alpha_n = (max_c p_nc)^2: how sure the recognisers are (Li et al. 2022).

    probs (Floats2d of shape (tokens, tags)): Of the teachers.
    RETURNS (Floats1d of shape (tokens,)): Above 0, at most 1.
    """
    return probs.max(axis=1) ** 2


def beta_weights(sim: Floats1d) -> Floats1d:
    """beta_p = min(1, (2 s_p - 1)^2 + 0.5): how sure the evaluators are (Li et al. 2022).

    sim (Floats1d of shape (pairs,)): The teachers' similarity.
    RETURNS (Floats1d of shape (pairs,)): From 0.5 to 1.
    """
    return get_array_module(sim).minimum(1.0, (2.0 * sim - 1.0) ** 2 + 0.5)


def gamma_weights(probs: Floats2d, pairs: Ints2d, sim: Floats1d, *, kind: Kind) -> Floats1d:
    """gamma_p = 1 - |sim(p_1, p_2) - s_p|: do recognisers and evaluators agree? (Li et al. 2022).

    probs (Floats2d of shape (tokens, tags)): Of the recognisers; sim is `similarity` of the cosine
        of a pair's two distributions.
    pairs (Ints2d of shape (pairs, 2)): Numbers of rows.
    sim (Floats1d of shape (pairs,)): s, the evaluators' similarity, of the same kind.
    kind (str): See `similarity`.
    RETURNS (Floats1d of shape (pairs,)): From 0 to 1.
    """
    cosines, _ = pair_cosines(probs, pairs)
    return 1.0 - abs(similarity(cosines, kind) - sim)


def mean_per_token(values: Floats1d, pairs: Ints2d, tokens: int) -> Floats1d:
    """The mean of the values of all pairs that a token is in.

    values (Floats1d of shape (pairs,)): One a pair.
    pairs (Ints2d of shape (pairs, 2)): Numbers of tokens.
    tokens (int): How many there are.
    RETURNS (Floats1d of shape (tokens,)): 1 for a token in no pair.
    """
    xp = get_array_module(values)
    ends = pairs.reshape((-1,))
    total = xp.bincount(ends, weights=xp.repeat(values, 2), minlength=tokens)
    count = xp.bincount(ends, minlength=tokens)
    return xp.where(count > 0, total / xp.maximum(count, 1), 1.0)
