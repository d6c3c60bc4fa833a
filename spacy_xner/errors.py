"""The catalogue of error messages: what was found, what was expected, what to change.

Numbers are stable, so that a message can be searched for. Ranges: X0 labels, decoding and silver;
X1 encoders; X2 corpora and assets; X3 trainable components and training; X4 teachers and the
ensemble; X5 evaluation; X6 the command line; X7 safety, locks and checksums; X8 studies.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .messages.basics import BasicMessages
from .messages.corpora import CorpusMessages
from .messages.ensemble import EnsembleMessages
from .messages.evaluation import EvaluationMessages
from .messages.jobs import JobMessages
from .messages.safety import SafetyMessages
from .messages.study import StudyMessages
from .messages.training import TrainingMessages


class XnerError(ValueError):
    """An error that the user can act on. The command line prints it without a traceback."""


class TooManyFailuresError(XnerError):
    """A run was stopped since too many texts failed; the command line exits with 3."""


def reason(err: Exception) -> str:
    """What an error says, on one line.

    spaCy goes on to list every registered name, and thinc to print the whole block: both are cut.

    err (Exception): Any error.
    RETURNS (str): Begins with the error's type where its message alone says little.
    """
    lines = str(err).split("\n\nAvailable ")[0].splitlines()
    text = " ".join(" ".join(line for line in lines if not line.startswith("{")).split())
    plain = text and isinstance(err, OSError | ValueError | ImportError)
    return text if plain else f"{type(err).__name__} {text}".strip()


@contextmanager
def config_errors(path: Path) -> Iterator[None]:
    """Turn what spaCy, thinc and configparser raise for a wrong config into one readable error.

    path (Path): The config, for the message.
    RAISES (XnerError): X607.
    """
    from configparser import Error as ParserError

    from catalogue import RegistryError
    from thinc.api import ConfigValidationError

    try:
        yield
    except (ConfigValidationError, RegistryError, ParserError, ImportError) as err:
        raise XnerError(Errors.X607.format(path=path, reason=reason(err))) from err


class _WithCodes(type):
    """Put the code in front of each message, as spaCy's catalogue does."""

    def __getattribute__(cls, code: str) -> str:
        message: str = super().__getattribute__(code)
        return message if code.startswith("__") else f"[{code}] {message}"


class Errors(
    BasicMessages,
    CorpusMessages,
    TrainingMessages,
    EnsembleMessages,
    EvaluationMessages,
    JobMessages,
    SafetyMessages,
    StudyMessages,
    metaclass=_WithCodes,
):
    """Messages, to be filled with ``.format(...)``; the texts are in `messages/`."""


def check_range(values: Mapping[str, Any], expected: Mapping[str, tuple[bool, str]]) -> None:
    """Refuse settings that are out of range.

    values (Mapping[str, Any]): Settings by name, such as all arguments of a function.
    expected (Mapping[str, Tuple[bool, str]]): By name whether it is in range, and what that is.
    RAISES (XnerError): X308 for the first that is not.
    """
    for key, (good, wanted) in expected.items():
        if not good:
            details = {"key": key, "value": values[key], "expected": wanted}
            raise XnerError(Errors.X308.format(**details))
