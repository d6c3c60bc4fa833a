"""A teacher that is described by a file, so that kept answers are heard without loading it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray
from spacy.tokens import Doc

from ..hashing import hash_file
from ..safety import read_metadata
from ..teachers.base import SimilarityTeacher, Teacher, evaluates
from ..util import write_json


class RememberedTeacher:
    """Another teacher that is loaded only if it is asked something.

    Loading a transformer takes seconds, and `CachedTeacher` needs no more of a teacher that has
    answered everything than what it is.

    teacher (Teacher): Loaded when it is first asked.
    stamp (Path): A file that changes whenever the teacher is trained.
    memory (Path): JSON file for the description, written the first time.
    """

    def __init__(self, teacher: Teacher, *, stamp: Path, memory: Path) -> None:
        self.teacher = teacher
        self.label_map = teacher.label_map
        self.stamp = stamp
        self.memory = memory
        self._loaded = False
        self._known: dict[str, Any] = {}

    def load(self) -> None:
        """Read the description, or load the teacher and write it."""
        stamp = hash_file(self.stamp, algorithm="sha256")
        try:
            known = read_metadata(self.memory)
        except (FileNotFoundError, ValueError):
            known = {}
        if known.get("stamp") != stamp:
            self._load_teacher()
            known = {
                "stamp": stamp,
                "labels": list(self.teacher.labels),
                "evaluates": evaluates(self.teacher),
                "specification": self.teacher.specification(),
            }
            write_json(self.memory, known)
        self._known = known

    @property
    def labels(self) -> tuple[str, ...]:
        """The teacher's own."""
        return tuple(self._known["labels"])

    def specification(self) -> dict[str, Any]:
        """The teacher's own."""
        return dict(self._known["specification"])

    def relocate(self, path: Path) -> None:
        """Tell the teacher."""
        self.teacher.relocate(path)

    def distributions(self, docs: Sequence[Doc]) -> list[NDArray]:
        """See `Teacher`."""
        self._load_teacher()
        return self.teacher.distributions(docs)

    @property
    def has_evaluator(self) -> bool:
        """The teacher's own."""
        return bool(self._known["evaluates"])

    def vectors(self, docs: Sequence[Doc]) -> list[NDArray]:
        """See `SimilarityTeacher`."""
        if not docs:
            return []
        self._load_teacher()
        return cast(SimilarityTeacher, self.teacher).vectors(docs)

    def memory_zone(self) -> AbstractContextManager[Any]:
        """The teacher's own, once it is loaded."""
        return (
            getattr(self.teacher, "memory_zone", nullcontext)() if self._loaded else nullcontext()
        )

    def _load_teacher(self) -> None:
        if not self._loaded:
            self.teacher.load()
            self._loaded = True
