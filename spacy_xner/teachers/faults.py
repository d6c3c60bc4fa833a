"""What can go wrong when a model is asked: faults are counted and skipped, and stop no run.

Nothing that a server or a library said comes into a fault: error texts may quote prompts, and URLs
may hold keys. Only kinds, types of exceptions and numbers of HTTP are kept.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from .base import Teacher

TIMEOUTS, ERRORS, REFUSALS = "timeouts", "errors", "refusals"
MALFORMED, NOT_IN_TEXT, ABSTAINED = "malformed", "not_in_text", "abstained"
# In the order in which they are told.
WORDS = {
    TIMEOUTS: "time-outs",
    ERRORS: "errors",
    REFUSALS: "refusals",
    MALFORMED: "malformed answers",
    NOT_IN_TEXT: "spans that are not in the text",
    ABSTAINED: "documents without an answer",
}
# What reading an answer of another form than expected raises.
SHAPES = (KeyError, IndexError, TypeError, AttributeError, AssertionError)


class AnswerError(Exception):
    """An answer that cannot be used.

    kind (str): See `WORDS`.
    detail (str): A type or a number, and never text that came from elsewhere.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind} {detail}".strip())
        self.kind = kind


def as_fault(err: Exception) -> AnswerError:
    """Tell time-outs, answers that are not JSON of the right form, and all other errors apart.

    err (Exception): What a model raised; libraries have their own types, so that names decide.
    RETURNS (AnswerError): Without the error's text.
    """
    if isinstance(err, AnswerError):
        return err
    names = " ".join(kind.__name__ for kind in type(err).__mro__)
    detail = type(err).__name__
    for found in (err, err.__cause__):
        status = getattr(getattr(found, "response", None), "status_code", None)
        if isinstance(status, int):
            detail = f"HTTP {status}"
    if "Timeout" in names:
        return AnswerError(TIMEOUTS, detail)
    if "JSONDecode" in names or isinstance(err, SHAPES):
        return AnswerError(MALFORMED, detail)
    return AnswerError(ERRORS, detail)


@runtime_checkable
class CountingTeacher(Protocol):
    """What a teacher has besides if its answers can fail."""

    @property
    def faults(self) -> Counter[str]:
        """How often each kind of fault happened since the teacher was made."""


def faults_of(teacher: Teacher) -> Counter[str]:
    """The faults of a teacher; none for one whose answers cannot fail."""
    return teacher.faults if isinstance(teacher, CountingTeacher) else Counter()


def count_failures(teacher: Teacher) -> int:
    """How many answers of a teacher failed; a span that is not in the text spoils no answer."""
    return sum(count for kind, count in faults_of(teacher).items() if kind != NOT_IN_TEXT)


def tell_faults(faults: Mapping[str, Counter[str]]) -> str:
    """The faults of some teachers on one line.

    faults (Mapping[str, Counter[str]]): By name of teacher, see `faults_of`.
    RETURNS (str): For example "gpt: 3 time-outs, 1 refusals"; empty if there are none.
    """
    lines = []
    for name, found in faults.items():
        told = [f"{found[kind]} {words}" for kind, words in WORDS.items() if found[kind]]
        if told:
            lines.append(f"{name}: {', '.join(told)}")
    return "; ".join(lines)
