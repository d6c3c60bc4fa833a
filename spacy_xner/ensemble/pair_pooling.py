"""How the similarity evaluators of several teachers become one: by vectors that hold them all."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def pool_vectors(
    vectors: Mapping[str, NDArray[np.float64]],
    names: Sequence[str],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Vectors whose inner products are the pooled cosines of all evaluators.

    u_i is the concatenation of sqrt(alpha_ik) v_ik over the teachers k that have an evaluator, with
    alpha divided by its sum over those. Then

        u_i . u_j = sum_k sqrt(alpha_ik alpha_jk) cos_k(i, j)

    which for weights that are the same at both tokens is the weighted mean.

    vectors (Mapping[str, Array of shape (tokens, width)]): v, rows of length 1, by teacher. Widths
        may differ.
    names (Sequence[str]): All K teachers, in the order of the weights.
    weights (Array of shape (tokens, K)): alpha. Where no teacher with an evaluator is heard, all of
        them are, alike.
    RETURNS (Array of shape (tokens, sum of widths)): Rows of length 1 at most.
    """
    known = [k for k, name in enumerate(names) if name in vectors]
    share = weights[:, known]
    total = share.sum(axis=1, keepdims=True)
    share = np.divide(share, total, out=np.full_like(share, 1.0 / len(known)), where=total > 0)
    parts = [np.sqrt(share[:, [i]]) * vectors[names[k]] for i, k in enumerate(known)]
    return np.concatenate(parts, axis=1)
