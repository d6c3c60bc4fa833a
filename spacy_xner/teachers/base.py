"""The contract between a teacher and the ensemble."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc


@runtime_checkable
class Teacher(Protocol):
    """Anything that gives label distributions. Register a function that makes one under `misc`.

    label_map: The teacher's label to the ensemble's label; "" for none.
    """

    label_map: dict[str, str]

    def load(self) -> None:
        """Load what is needed; called once, before the first batch."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity types that the teacher was taught, in its own names; known after `load`."""

    def distributions(self, docs: Sequence[Doc]) -> list[NDArray[np.float64]]:
        """Distributions over `iob2_tags(self.labels)` for the tokens of the given documents.

        docs (Sequence[Doc]): In the ensemble's vocabulary; must not be changed.
        RETURNS (List[Array of shape (tokens, tags)]): One array a document, rows sum to 1. All
            zeros for a document on which the teacher abstains.
        """

    def specification(self) -> dict[str, Any]:
        """What identifies the teacher, for JSON: path, name, version, hash. Known after `load`."""

    def relocate(self, path: Path) -> None:
        """Where the teacher may lie, as seen from a saved ensemble, if it is not where it was."""


@runtime_checkable
class SimilarityTeacher(Protocol):
    """What a teacher has besides if it says how alike two words are (Li et al. 2022)."""

    @property
    def has_evaluator(self) -> bool:
        """Is there an evaluator? Known after `load`."""

    def vectors(self, docs: Sequence[Doc]) -> list[NDArray[np.float64]]:
        """Vectors of length 1 whose inner products are the evaluator's cosines.

        docs (Sequence[Doc]): In the ensemble's vocabulary; must not be changed.
        RETURNS (List[Array of shape (tokens, width)]): One array a document. A token that the
            evaluator cannot read may have zeros.
        """


def abstains(rows: NDArray[np.float64]) -> bool:
    """Has a teacher nothing to say about a document? Of one without tokens nobody abstains.

    rows (Array of shape (tokens, tags)): What `Teacher.distributions` gives for it.
    """
    return len(rows) > 0 and not rows.any()


def evaluates(teacher: Teacher) -> bool:
    """Does a loaded teacher have a similarity evaluator?"""
    return isinstance(teacher, SimilarityTeacher) and teacher.has_evaluator
