"""Run an `xner` command in this process and kill it, as `kill -9` does, at a given call.

python kill_at.py <module> <name> <number> <before|after> <arguments of xner>
"""

import importlib
import os
import signal
import sys

from spacy_xner.cli import app


def kill_at(module: str, name: str, number: int, *, after: bool) -> None:
    """Let the n-th call of a function or method be the last thing that this process does."""
    owner = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    original, calls = getattr(owner, last), 0

    def call(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == number and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, last, call)


if __name__ == "__main__":
    module, name, number, when, *arguments = sys.argv[1:]
    kill_at(module, name, int(number), after=when == "after")
    app(arguments)
