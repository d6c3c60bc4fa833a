"""A teacher that is asked once: its answers are kept on disk.

Weights and pools can then be changed, and compared, without another pass through the teachers.
"""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..errors import Errors, XnerError, reason
from ..labels import iob2_tags
from ..silver import pack_vectors, unpack_vectors
from .base import SimilarityTeacher, Teacher, abstains, evaluates
from .faults import count_failures, faults_of

# Two bytes a probability. An ensemble hears the rounded ones the first time too, so that a second
# run gives the same to the last bit.
STORED = np.dtype("<f2")
# Before a document's vectors: how many components each has.
WIDTH = np.dtype("<u2")
# Raised when the same teachers would give other answers, so that no old ones are read.
REVISION = 1
FILE = "answers.sqlite"
TABLE = "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, probs BLOB) WITHOUT ROWID"


class CachedTeacher:
    """Another teacher's distributions and vectors, read from an SQLite file if they are there.

    Answers are found by the teacher's specification (with the hash of its files) and the words and
    spaces of a document; several teachers and several processes may share a file.

    teacher (Teacher): Who is asked what is not known.
    path (Path): Folder of the file, made when needed.
    """

    def __init__(self, teacher: Teacher, path: Path) -> None:
        self.teacher = teacher
        self.label_map = teacher.label_map
        self.path = path
        self._keys: dict[str, bytes] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """The teacher's own."""
        return self.teacher.labels

    def load(self) -> None:
        """Load the teacher.

        RAISES (XnerError): X413 if the teacher does not say by a hash what it is, and what the
            teacher raises.
        """
        self.teacher.load()
        found = self.teacher.specification()
        if not found.get("sha256"):
            raise XnerError(Errors.X413.format(found=sorted(found)))
        told = {**found, "path": None, "revision": REVISION}
        # An evaluator beside the teacher changes nothing about its distributions.
        evaluator = told.pop("evaluator", {}).get("sha256")
        asked = {"probs": told, "vectors": {**told, "evaluator": evaluator}}
        self._keys = {
            kind: hashlib.sha256(json.dumps(data, sort_keys=True).encode()).digest()
            for kind, data in asked.items()
        }

    def specification(self) -> dict[str, Any]:
        """The teacher's own: where answers are kept does not matter."""
        return self.teacher.specification()

    @property
    def faults(self) -> Counter[str]:
        """The teacher's own."""
        return faults_of(self.teacher)

    def relocate(self, path: Path) -> None:
        """Tell the teacher."""
        self.teacher.relocate(path)

    def memory_zone(self) -> AbstractContextManager[Any]:
        """The teacher's own, if it has one."""
        return getattr(self.teacher, "memory_zone", nullcontext)()

    def distributions(self, docs: Sequence[Doc]) -> list[NDArray[np.float64]]:
        """See `Teacher`; only documents without an answer are handed to the teacher.

        RAISES (XnerError): X414 if the file cannot be used.
        """

        def pack(rows: NDArray[np.float64]) -> bytes:
            return rows.astype(STORED).tobytes()

        return self._answers("probs", docs, self.teacher.distributions, pack, self._rows)

    @property
    def has_evaluator(self) -> bool:
        """The teacher's own."""
        return evaluates(self.teacher)

    def vectors(self, docs: Sequence[Doc]) -> list[NDArray[np.float64]]:
        """See `SimilarityTeacher`; kept as silver annotations keep them, one byte a component.

        RAISES (XnerError): X414 if the file cannot be used.
        """

        def pack(rows: NDArray[np.float64]) -> bytes:
            width = np.array([rows.shape[1]], dtype=WIDTH).tobytes()
            return width + pack_vectors(rows)

        ask = cast(SimilarityTeacher, self.teacher).vectors
        return self._answers("vectors", docs, ask, pack, self._unit_rows)

    def _answers(
        self,
        kind: str,
        docs: Sequence[Doc],
        ask: Callable[[list[Doc]], list[NDArray[np.float64]]],
        pack: Callable[[NDArray[np.float64]], bytes],
        unpack: Callable[[bytes, int], NDArray[np.float64]],
    ) -> list[NDArray[np.float64]]:
        if not self._keys:
            self.load()
        keys = [self._doc_key(kind, doc) for doc in docs]
        passing: dict[bytes, NDArray[np.float64]] = {}
        try:
            found = self._read(keys)
            unknown = {key: doc for key, doc in zip(keys, docs, strict=True) if key not in found}
            before = count_failures(self.teacher)
            answers = ask(list(unknown.values())) if unknown else []
            said = dict(zip(unknown, answers, strict=True))
            if kind == "probs":  # who abstains is asked again the next time
                passing = {key: rows for key, rows in said.items() if abstains(rows)}
            if count_failures(self.teacher) > before:
                # Of which documents nobody knows. A teacher whose answers can fail keeps those that
                # do not by itself.
                passing = said
            new = {key: pack(rows) for key, rows in said.items() if key not in passing}
            if new:
                with self._database:
                    self._database.executemany(
                        "INSERT OR REPLACE INTO answers VALUES (?, ?)", new.items()
                    )
        except sqlite3.Error as err:
            raise XnerError(Errors.X414.format(path=self.path, reason=reason(err))) from err
        known = found | new
        return [
            passing[key] if key in passing else unpack(known[key], len(doc))
            for key, doc in zip(keys, docs, strict=True)
        ]

    @cached_property
    def _database(self) -> sqlite3.Connection:
        self.path.mkdir(parents=True, exist_ok=True)
        # Another process may be writing: wait for it.
        database = sqlite3.connect(self.path / FILE, timeout=60, check_same_thread=False)
        database.execute(TABLE)
        return database

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        query = "SELECT probs FROM answers WHERE key = ?"
        rows = {key: self._database.execute(query, (key,)).fetchone() for key in set(keys)}
        return {key: row[0] for key, row in rows.items() if row}

    def _doc_key(self, kind: str, doc: Doc) -> bytes:
        tokens = json.dumps([[token.text, bool(token.whitespace_)] for token in doc])
        return hashlib.blake2b(tokens.encode(), key=self._keys[kind], digest_size=32).digest()

    def _rows(self, data: bytes, length: int) -> NDArray[np.float64]:
        shape = (length, len(iob2_tags(self.labels)))
        if len(data) != shape[0] * shape[1] * STORED.itemsize:
            found = f"an answer of {len(data)} bytes for {length} tokens"
            raise XnerError(Errors.X414.format(path=self.path, reason=found))
        rows = np.frombuffer(data, dtype=STORED).reshape(shape).astype(np.float64)
        return rows / rows.sum(axis=1, keepdims=True)

    def _unit_rows(self, data: bytes, length: int) -> NDArray[np.float64]:
        width = int(np.frombuffer(data[: WIDTH.itemsize], dtype=WIDTH)[0])
        if len(data) != WIDTH.itemsize + length * width:
            found = f"vectors of {len(data)} bytes for {length} tokens"
            raise XnerError(Errors.X414.format(path=self.path, reason=found))
        return unpack_vectors(data[WIDTH.itemsize :], (length, width))


def keep_answers(teachers: Mapping[str, Teacher], path: Path) -> dict[str, Teacher]:
    """The same teachers, each with its answers kept in a folder.

    teachers (Mapping[str, Teacher]): By name.
    path (Path): The folder, for all of them.
    RETURNS (Dict[str, Teacher]): By name.
    """
    return {name: CachedTeacher(teacher, path) for name, teacher in teachers.items()}


def make_cached_teacher(teacher: Any, path: str) -> CachedTeacher:
    """Registered as `spacy-xner.CachedTeacher.v1`; for the settings see `CachedTeacher`."""
    return CachedTeacher(teacher, Path(path))
