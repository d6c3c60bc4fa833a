"""A task of a student: its token vectors follow those of a bigger pipeline."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.training import Example
from thinc.api import Ops
from thinc.types import Floats2d

from ..errors import Errors, XnerError, reason
from ..ml.hidden import hidden_loss
from ..teachers.pipeline import XnerTeacher


class HiddenLesson(NamedTuple):
    """What the bigger pipeline says of a batch's tokens.

    vectors: Array of shape (tokens, width).
    token_weights: 1, for each token counts as much as ever.
    """

    vectors: NDArray[np.float64]
    token_weights: float = 1.0


class HiddenStates:
    """The settings of the task; see `ml/hidden.py` for its loss.

    The bigger pipeline is loaded with the first batch and not before, so that a finished student,
    whose config still names it, can be loaded without it. It is no part of the student.

    teacher (str): Path or package name of a pipeline with an `xner` whose token vectors are as wide
        as the student's.
    weight (float): Of the task, above 0.
    RAISES (XnerError): X308 for a weight out of range.
    """

    def __init__(self, teacher: str, *, weight: float = 1.0) -> None:
        if not 0.0 < weight < float("inf"):
            found = {"key": "weight", "value": weight, "expected": "a number above 0"}
            raise XnerError(Errors.X308.format(**found))
        self.teacher = teacher
        self.weight = weight
        self._pipeline: XnerTeacher | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pipeline": None}

    def lesson(
        self, examples: Sequence[Example], target: Any, weights: Any, *, number: int
    ) -> HiddenLesson:
        """The token vectors of the bigger pipeline; see `tasks.Task`.

        RAISES (XnerError): X324 if it cannot be loaded or has no token vectors, X408 if it has no
            `xner`, and what `safety.check_pipeline` raises.
        """
        pipeline = self._load()
        with pipeline.memory_zone():
            rows = pipeline.token_vectors([eg.predicted for eg in examples])
        return HiddenLesson(np.concatenate(rows))

    def _load(self) -> XnerTeacher:
        if self._pipeline is None:
            pipeline = XnerTeacher(self.teacher, label_map={}, tokens="target")
            try:
                pipeline.load()
            except XnerError as err:
                if err.__cause__ is None:
                    raise  # found by us, not by spaCy, and said as it is
                found = {"path": self.teacher, "reason": reason(err.__cause__)}  # type: ignore[arg-type]
                raise XnerError(Errors.X324.format(**found)) from err
            self._pipeline = pipeline
        return self._pipeline

    def loss(self, ops: Ops, lesson: HiddenLesson, vectors: Floats2d) -> tuple[float, Floats2d]:
        """The weighted loss and its gradient with respect to the student's vectors.

        RAISES (XnerError): X323 if the widths differ.
        """
        found, expected = lesson.vectors.shape[1], vectors.shape[1]
        if found != expected:
            raise XnerError(Errors.X323.format(found=found, path=self.teacher, expected=expected))
        target: Any = lesson.vectors
        loss, gradient = hidden_loss(vectors, ops.asarray2f(target))
        return self.weight * loss, self.weight * gradient


def make_hidden_states(teacher: str | None = None, weight: float = 1.0) -> HiddenStates | None:
    """Registered as `spacy-xner.HiddenStates.v1`; the settings are described at `HiddenStates`.

    Without a teacher there is no such task: a config can name the block and leave it off.
    """
    return HiddenStates(teacher, weight=weight) if teacher else None


def hidden_overrides(teacher: str, output: Path) -> dict[str, str]:
    """The settings that have a student follow another pipeline.

    teacher (str): Path or package name; empty for none.
    output (Path): The folder that the student is written to.
    RETURNS (Dict[str, str]): For a config with the block [components.xner.hidden].
    RAISES (XnerError): X325 if the pipeline lies in that folder, where the student replaces it.
    """
    if not teacher:
        return {}
    if Path(teacher).resolve().is_relative_to(output.resolve()):
        raise XnerError(Errors.X325.format(found=teacher, path=output))
    return {"components.xner.hidden.teacher": teacher}
