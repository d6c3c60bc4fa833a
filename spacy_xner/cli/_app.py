"""The typer application and the one place that turns errors into messages and exit codes."""

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import typer
from wasabi import msg

from ..errors import XnerError

HELP = "Cross-lingual named entity recognition: teachers, silver annotations, students."

app = typer.Typer(name="xner", help=HELP, no_args_is_help=True, pretty_exceptions_enable=False)
encoder_app = typer.Typer(help="Make a pretrained encoder ready for training.")
app.add_typer(encoder_app, name="encoder")
similarity_app = typer.Typer(help="Weigh source languages by their likeness to a target.")
app.add_typer(similarity_app, name="similarity")
llm_app = typer.Typer(help="Fine-tune a language model as a teacher.")
app.add_typer(llm_app, name="llm")

F = TypeVar("F", bound=Callable[..., Any])


def command(name: str, *, group: typer.Typer = app, **settings: Any) -> Callable[[F], F]:
    """Register a command that prints one message and exits with 1 where the user made a mistake.

    name (str): The command's name.
    group (typer.Typer): The application or the sub-application it belongs to.
    settings: Passed on to `typer.Typer.command`.
    """

    def register(func: F) -> F:
        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            try:
                return func(*args, **kwargs)
            except XnerError as err:
                msg.fail(str(err))
            except OSError as err:
                msg.fail(f"{err.strerror or err}", err.filename or "")
            sys.exit(1)

        group.command(name, **settings)(wrapper)
        return func

    return register
