"""How far a student's token vectors are from those of a bigger model, and the gradient of that."""

from collections.abc import Callable
from typing import Any

from thinc.api import get_array_module
from thinc.types import Floats2d

# As thinc's LayerNorm, which is what the tagger sees of a token vector.
EPSILON = 1e-8


def normalise_rows(vectors: Floats2d) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """Layer normalisation without parameters: y = (x - mean x) / sqrt(var x + 1e-8), row by row.

    vectors (Floats2d of shape (tokens, width)): Any; a row of equal numbers becomes zeros.
    RETURNS: the rows, and the function that takes their gradient to the vectors'.
    """
    xp = get_array_module(vectors)
    centred = vectors - vectors.mean(axis=1, keepdims=True)
    inverse = 1.0 / xp.sqrt((centred**2).mean(axis=1, keepdims=True) + EPSILON)
    rows = centred * inverse

    def backprop(d_rows: Floats2d) -> Floats2d:
        along = (d_rows * rows).mean(axis=1, keepdims=True)
        return (d_rows - d_rows.mean(axis=1, keepdims=True) - along * rows) * inverse

    return rows, backprop


def hidden_loss(vectors: Floats2d, target: Floats2d) -> tuple[float, Floats2d]:
    """The mean squared error between layer-normalised token vectors.

    L = 1/n sum_i 1/D || LN(h_i) - LN(t_i) ||^2, which is 1/n sum_i 2 (1 - r_i), with r_i the
    correlation of h_i and t_i: from 0 to 4. Hidden states as hints are of Romero et al. 2015
    (FitNets), the squared error of those of transformers is of Jiao et al. 2020 (TinyBERT). The
    normalisation is this project's: the tagger normalises what it reads, so length and mean of a
    vector mean nothing to it, and need not be learnt.

    vectors (Floats2d of shape (tokens, width)): h, of the student.
    target (Floats2d of shape (tokens, width)): t. Rows of equal numbers, such as the zeros of a
        token without a sub-word, teach nothing, and n is the number of the others.
    RETURNS (Tuple[float, Floats2d]): Loss and its gradient with respect to h; 0 and zeros if n = 0.
    """
    xp = get_array_module(vectors)
    taught: Any = target.max(axis=1) > target.min(axis=1)
    scale = taught.reshape((-1, 1)) / (max(int(taught.sum()), 1) * vectors.shape[1])
    rows, backprop = normalise_rows(vectors)
    difference = rows - normalise_rows(target)[0]
    d_rows = (2.0 * difference * scale).astype(vectors.dtype)
    return float(xp.sum(difference**2 * scale)), backprop(d_rows)
