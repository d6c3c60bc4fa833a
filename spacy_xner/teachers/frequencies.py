"""From decisions to distributions: how often a teacher chose each tag."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc


def tag_columns(doc: Doc, tags: Sequence[str]) -> NDArray[np.intp]:
    """The tag of each token, by `doc.ents`.

    doc (Doc): Annotated.
    tags (Sequence[str]): O, B-x, I-x, ... of some labels; an entity of another label counts as O.
    RETURNS (Array[int] of shape (tokens,)): Positions in `tags`.
    """
    column = {tag: i for i, tag in enumerate(tags)}
    found = [f"{t.ent_iob_}-{t.ent_type_}" if t.ent_iob_ in ("B", "I") else "O" for t in doc]
    return np.array([column.get(tag, 0) for tag in found], dtype=np.intp)


def sample_distributions(
    samples: NDArray[np.intp], n_tags: int, certainty: float
) -> NDArray[np.float64]:
    """s f(c) + (1 - s) (1 - f(c)) / (C - 1), with f(c) the share of the samples that chose c.

    It is the mean of what each sample says by itself: its tag has the probability s, and the others
    share the rest.

    samples (Array[int] of shape (samples, tokens)): Tags, one sample or more.
    n_tags (int): C, 2 or more.
    certainty (float): s, in (0, 1].
    RETURNS (Array of shape (tokens, C)): Rows sum to 1.
    """
    shares = np.eye(n_tags)[samples].mean(axis=0)
    return certainty * shares + (1.0 - certainty) / (n_tags - 1) * (1.0 - shares)
