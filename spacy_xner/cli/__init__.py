"""The command line: `xner ...`, and `spacy xner ...` through the entry point in `plugin.py`.

Importing it is light: a plug-in that is slow or fails would break every `spacy` command, so that
each command imports what it needs when it runs.
"""

from importlib import import_module

from ._app import app

COMMANDS = (
    "aggregate",
    "annotate",
    "calibrate",
    "convert",
    "encoder",
    "ensemble",
    "evaluate",
    "export",
    "leakage",
    "llm",
    "neighbours",
    "peers",
    "report",
    "similarity",
    "smoke",
    "train",
    "verify",
    "weights",
)
for _name in COMMANDS:
    import_module(f"{__name__}.{_name}")


def main() -> None:
    """The entry point of the `xner` script."""
    app()


__all__ = ["app", "main"]
