"""What it costs to ask a teacher: loading, time for a thousand sentences, and memory.

Each teacher is measured in a process of its own, on Linux: see `memory.py`.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from resident import resident
from spacy.tokens import Doc
from spacy.vocab import Vocab
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.cli.ensemble import named_paths
from spacy_xner.errors import Errors, XnerError
from spacy_xner.evaluation.provenance import provenance
from spacy_xner.shards import read_docs
from spacy_xner.util import write_json

app = typer.Typer(pretty_exceptions_enable=False)


def measure(path: str, docs: Sequence[Doc], *, rounds: int) -> dict[str, Any]:
    """Ask one teacher in this process.

    path (str): A pipeline with an `xner` component.
    docs (Sequence[Doc]): Sentences.
    rounds (int): How often all of them are asked about, after a first time that is not counted.
    RETURNS (Dict[str, Any]): JSON-able: "load" in seconds, until the first sentence is read;
        "seconds" of each round; "thousand", their median for 1,000 sentences; "peak_mb".
    """
    from spacy_xner.teachers.pipeline import make_xner_teacher

    start = time.perf_counter()
    teacher = make_xner_teacher(path)
    teacher.load()
    teacher.distributions(docs[:1])  # a language model is loaded with the first document
    load = time.perf_counter() - start
    teacher.distributions(docs)
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        teacher.distributions(docs)
        seconds.append(time.perf_counter() - start)
    thousand = 1000 * statistics.median(seconds) / len(docs)
    peak = resident()["VmHWM"]
    return {"load": load, "seconds": seconds, "thousand": thousand, "peak_mb": peak}


def measure_apart(path: str, text: Path, *, limit: int, threads: int, rounds: int) -> Any:
    """Run `measure` in a process of its own.

    RAISES (XnerError): X401 with the last line that the process printed, if it fails.
    """
    arguments = [sys.executable, __file__, "one", path, str(text), "--limit", str(limit)]
    arguments += ["--threads", str(threads), "--rounds", str(rounds)]
    process = subprocess.run(arguments, capture_output=True, text=True, check=False)
    lines = (process.stdout + process.stderr).strip().splitlines() or [""]
    if process.returncode:
        raise XnerError(Errors.X401.format(name="?", path=path, reason=lines[-1]))
    return json.loads(process.stdout.strip().splitlines()[-1])


Limit = Annotated[int, typer.Option(min=1, help="Sentences.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of PyTorch.")]
Rounds = Annotated[int, typer.Option(min=1, help="How often each is asked.")]


@command("compare", group=app)
def compare_command(
    text: Annotated[Path, typer.Argument(help="A .spacy file of sentences.")],
    teachers: Annotated[list[str], typer.Argument(metavar="NAME=PATH...", help="Pipelines.")],
    limit: Limit = 200,
    threads: Threads = 2,
    rounds: Rounds = 3,
    output: Annotated[
        Path | None, typer.Option(help="Write the figures to this JSON file.")
    ] = None,
) -> None:
    """Measure teachers on the same sentences, one after the other."""
    if not text.exists():
        raise XnerError(Errors.X601.format(path=text))
    paths = named_paths(teachers)
    how: dict[str, Any] = {"limit": limit, "threads": threads, "rounds": rounds}
    found = {name: measure_apart(path, text, **how) for name, path in paths.items()}
    rows = [
        (name, *(f"{row[key]:.1f}" for key in ("load", "thousand", "peak_mb")))
        for name, row in found.items()
    ]
    header = ("teacher", "load (s)", "1,000 sentences (s)", "peak (MB)")
    msg.table(rows, header=header, aligns=("l", "r", "r", "r"), divider=True)
    if output is not None:
        files = {"text": text, **{name: Path(path) for name, path in paths.items()}}
        report = {"teachers": found, **how}
        report["provenance"] = provenance(models={}, files=files, seed=0)
        write_json(output, report)


@command("one", group=app, hidden=True)
def one_command(
    path: Annotated[str, typer.Argument(help="Pipeline.")],
    text: Annotated[Path, typer.Argument(help="A .spacy file of sentences.")],
    limit: Limit = 200,
    threads: Threads = 2,
    rounds: Rounds = 3,
) -> None:
    """Measure one teacher in this process and print JSON."""
    import torch

    torch.set_num_threads(threads)
    docs = list(islice(read_docs(text, Vocab()), limit))
    print(json.dumps(measure(path, docs, rounds=rounds)))


if __name__ == "__main__":
    app()
