"""Further rounds of teaching: the student reads the text too, and a fresh student learns from both.

The new silver is the mixture of the ensemble's distributions and the student's.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from .decode import decode
from .errors import Errors, XnerError
from .hashing import hash_folder
from .jobs.shard import Entry
from .labels import projection
from .rewrite import input_files, rewrite
from .silver import Silver, read_silver, set_hard_reading, write_silver
from .teachers.pipeline import XnerTeacher, make_xner_teacher

# Raised when the same inputs would give another mixture, so that no old shards are kept.
REVISION = 1
# What the student is called among the teachers of a mixture.
STUDENT = "student"


def mix(silver: Silver, probs: NDArray[np.float64], share: float) -> Silver:
    """The mean of silver distributions and a student's: (1 - share) q + share p.

    silver (Silver): q, of the ensemble.
    probs (Array of shape (tokens, tags)): p, in the columns of q; rows sum to 1.
    share (float): In [0, 1].
    RETURNS (Silver): The student is one more teacher, with this share as its weight.
    """
    weights = {name: (1.0 - share) * weight for name, weight in silver.teacher_weights.items()}
    weights[STUDENT] = weights.get(STUDENT, 0.0) + share
    rows = (1.0 - share) * silver.distribution + share * probs
    return silver._replace(distribution=rows, teacher_weights=weights)


def add_student(
    source: Path,
    output: Path,
    student: Path,
    *,
    share: float = 0.5,
    threshold: float = 0.5,
    force: bool = False,
) -> list[Entry]:
    """Mix the student's distributions into silver shards, and write new shards.

    Votes and token weights stay as they are; entities are read anew.

    source (Path): A .spacy file or a folder of the ensemble's silver annotations.
    output (Path): Folder of the new shards.
    student (Path): Folder of a pipeline with an `xner` that learnt from such annotations.
    share (float): The student's share of the mixture.
    threshold (float): Entities and tokens below this probability are marked missing in `doc.ents`.
    force (bool): Replace what another run has left in the folder.
    RETURNS (List[Entry]): One entry a shard.
    RAISES (XnerError): X308 for a number out of range, X601 if there is no student, X401 or X408 if
        it cannot be used, X438 if it lacks a label, and what `rewrite` and `read_silver` raise.
    """
    for key, value in (("share", share), ("threshold", threshold)):
        if not 0.0 <= value <= 1.0:
            expected = "a number from 0 to 1"
            raise XnerError(Errors.X308.format(key=key, value=value, expected=expected))
    if not student.is_dir():
        raise XnerError(Errors.X601.format(path=student))
    input_files(source, output)

    @cache
    def reader() -> XnerTeacher:
        """Not loaded where all shards are there already."""
        teacher = make_xner_teacher(str(student))
        teacher.load()
        return teacher

    def change(docs: Sequence[Doc], before: int) -> None:
        for doc, probs in zip(docs, reader().distributions(docs), strict=True):
            silver = read_silver(doc)
            matrix, taught = projection(reader().labels, silver.labels, {})
            if not taught.all():
                known = {"found": list(reader().labels), "expected": list(silver.labels)}
                raise XnerError(Errors.X438.format(path=student, **known))
            mixed = mix(silver, probs @ matrix, share)
            write_silver(doc, mixed)
            (entities,) = decode([mixed.distribution], mixed.labels)
            confidence = mixed.distribution.max(axis=1, initial=0.0)
            if not silver.doc_weight:  # nobody was heard, and the student is no better informed
                entities, confidence = [], np.full(len(doc), -1.0)
            set_hard_reading(doc, entities, confidence, threshold=threshold)

    settings: dict[str, Any] = {"revision": REVISION, "share": share, "threshold": threshold}
    settings["student"] = hash_folder(student)
    return rewrite(source, output, change, settings=settings, force=force)
