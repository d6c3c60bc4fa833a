"""Answers of models, kept in an SQLite file, so that no prompt is paid for twice.

spacy-llm has a cache of its own, which is not used: it knows a document by the sum of its words'
hashes, whatever their order, and would give the same answer to every sample.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import Errors, XnerError, reason

FILE = "responses.sqlite"
TABLE = "CREATE TABLE IF NOT EXISTS responses (key BLOB PRIMARY KEY, response TEXT) WITHOUT ROWID"
# How a model is asked, and not what it answers.
TRANSPORT = {"strict", "max_tries", "interval", "max_request_time"}


def response_key(model: Mapping[str, Any], prompt: object, sample: int) -> bytes:
    """What an answer is known by.

    model (Mapping[str, Any]): The model's block in the config, without secrets.
    prompt (object): Text, for nearly all models.
    sample (int): Each repetition of a prompt has an answer of its own.
    RETURNS (bytes): A SHA-256.
    """
    identity = {name: value for name, value in model.items() if name not in TRANSPORT}
    data = json.dumps([identity, str(prompt), sample], sort_keys=True, default=str)
    return hashlib.sha256(data.encode("utf8", "surrogatepass")).digest()


class Responses:
    """A folder with the answers of any models; several processes may share it.

    path (Optional[Path]): The folder, made when needed; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def get(self, key: bytes) -> str | None:
        """The answer, if it is known.

        RAISES (XnerError): X453 if the file cannot be used.
        """
        if self.path is None:
            return None
        rows = self._run("SELECT response FROM responses WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def add(self, key: bytes, response: str) -> None:
        """Keep an answer. It is on the disk at once: a run that is killed loses none.

        RAISES (XnerError): X453 if the file cannot be written.
        """
        if self.path is not None:
            self._run("INSERT OR REPLACE INTO responses VALUES (?, ?)", (key, response))

    def remove(self, keys: Iterable[bytes]) -> None:
        """Forget answers that turned out to be of no use.

        RAISES (XnerError): X453 if the file cannot be written.
        """
        for key in keys if self.path is not None else ():
            self._run("DELETE FROM responses WHERE key = ?", (key,))

    def _run(self, command: str, values: tuple) -> list[tuple]:
        try:
            with self._database:
                return self._database.execute(command, values).fetchall()
        except (sqlite3.Error, OSError) as err:
            raise XnerError(Errors.X453.format(path=self.path, reason=reason(err))) from err

    @cached_property
    def _database(self) -> sqlite3.Connection:
        folder = Path(self.path or "")
        folder.mkdir(parents=True, exist_ok=True)
        # Another process may be writing: wait for it.
        database = sqlite3.connect(folder / FILE, timeout=60, check_same_thread=False)
        database.execute(TABLE)
        return database
