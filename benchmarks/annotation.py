"""What an annotation job costs beside the teachers: shards and manifest, workers, Ray, memory."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import IO, Annotated, Any, cast

import typer
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.corpora.raw_text import RawText, read_text
from spacy_xner.errors import Errors, XnerError
from spacy_xner.evaluation.provenance import provenance
from spacy_xner.jobs.annotator import load_annotator
from spacy_xner.jobs.blocks import plain_source
from spacy_xner.jobs.local import in_process
from spacy_xner.jobs.progress import LOG
from spacy_xner.jobs.run import run_job
from spacy_xner.jobs.shard import BATCH
from spacy_xner.jobs.texts import to_docs
from spacy_xner.util import write_json

app = typer.Typer(pretty_exceptions_enable=False)

Model = Annotated[str, typer.Argument(help="Pipeline with a teacher_ensemble.")]
Output = Annotated[Path, typer.Argument(help="JSON file for the figures.")]


@command("overhead", group=app)
def overhead(
    model: Model,
    text: Annotated[Path, typer.Argument(help="File or folder of text.")],
    output: Output,
    limit: Annotated[int, typer.Option(min=1, help="Texts.")] = 2000,
    shard_size: Annotated[int, typer.Option(min=1, help="Texts a shard.")] = 500,
    rounds: Annotated[int, typer.Option(min=1, help="Of each, in turn.")] = 3,
) -> None:
    """A job against a bare `nlp.pipe` over the same texts, in this process with one thread."""
    records = list(islice(read_text(text), limit))
    nlp = load_annotator(model, threads=1)
    seconds: dict[str, list[float]] = {"pipe": [], "job": []}
    processor: dict[str, list[float]] = {"pipe": [], "job": []}

    def job() -> None:
        with tempfile.TemporaryDirectory() as folder:
            engine = in_process(nlp, Path(folder), key="benchmark")
            items = plain_source(records)
            run_job(items, Path(folder), engine, key="benchmark", shard_size=shard_size)

    bare(nlp, records[:BATCH])  # what is done once is not counted
    for _ in range(rounds):
        for name, run in (("pipe", lambda: bare(nlp, records)), ("job", job)):
            start, used = time.perf_counter(), time.process_time()
            run()
            processor[name].append(time.process_time() - used)
            seconds[name].append(time.perf_counter() - start)
    more = statistics.median(_differences(processor)) / len(records)
    ratio = statistics.median(a / b for a, b in zip(seconds["job"], seconds["pipe"], strict=True))
    msg.good(
        f"A job takes {ratio:.3f} times as long as nlp.pipe, and {1000 * more:.2f} ms more of the "
        "processor's time a text"
    )
    found = {"seconds": seconds, "processor_seconds": processor, "ratio": ratio}
    _report(output, {**found, "more_a_text": more, "texts": len(records)}, {"text": text})


def _differences(found: dict[str, list[float]]) -> list[float]:
    return [a - b for a, b in zip(found["job"], found["pipe"], strict=True)]


def bare(nlp: Any, records: list[RawText]) -> None:
    """What a user would write; the documents are not kept."""
    for _ in nlp.pipe(to_docs(nlp, records), batch_size=BATCH):
        pass


@command("engines", group=app)
def engines(
    model: Model,
    text: Annotated[Path, typer.Argument(help="File or folder of text.")],
    output: Output,
    engine: Annotated[
        list[str], typer.Option(help="Engine and workers, such as local:2; repeated.")
    ],
    limit: Annotated[int, typer.Option(min=1, help="Texts.")] = 2000,
    shard_size: Annotated[int, typer.Option(min=1, help="Texts a shard.")] = 100,
    rounds: Annotated[int, typer.Option(min=1, help="Of each, in turn.")] = 3,
) -> None:
    """The whole command with several engines, one thread a worker: seconds and texts a second."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in engine}
    for _ in range(rounds):
        for name in engine:
            kind, _, workers = name.partition(":")
            options = ["--engine", kind, "--workers", workers or "1", "--limit", str(limit)]
            runs[name].append(measure(model, text, *options, "--shard-size", str(shard_size)))
    medians = {name: _median(found) for name, found in runs.items()}
    rows = [(name, *(f"{x:.1f}" for x in row.values())) for name, row in medians.items()]
    header = ("engine", *next(iter(medians.values())))
    msg.table(rows, header=header, aligns=("l", *"r" * (len(header) - 1)), divider=True)
    _report(output, {"runs": runs, "medians": medians, "texts": limit}, {"text": text})


@command("memory", group=app)
def memory(
    model: Model,
    output: Output,
    texts: Annotated[list[int], typer.Option(help="Sentences made up and annotated; repeated.")],
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Peak memory of the command over inputs of growing size, given by standard input."""
    found = {}
    for count in texts:
        found[count] = measure(model, "-", "--workers", str(workers), stdin=sentences(count))
        msg.info(f"{count} texts: {found[count]['peak_mb']:.0f} MB")
    _report(output, {"texts": found, "workers": workers}, {})


def sentences(count: int) -> Iterable[str]:
    """Lines, most of which hold two words that no other line holds."""
    return (
        f"Amina{i} from Kisumu met Otieno near the market {i * 7919 % count}x .\n"
        for i in range(count)
    )


def measure(
    model: str, text: Path | str, *options: str, stdin: Iterable[str] = ()
) -> dict[str, float]:
    """Run `xner annotate` once, in a process of its own.

    RETURNS (Dict[str, float]): "seconds" from start to end, "rate" in texts a second once the run
        has begun, "peak_mb" of the largest process.
    RAISES (XnerError): X466 with what it printed, if it fails.
    """
    folder = Path(tempfile.mkdtemp())
    arguments = [sys.executable, "-m", "spacy", "xner", "annotate", model, str(text)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    with (folder / "said.txt").open("w+") as said:
        process = subprocess.Popen(
            [*arguments, str(folder / "out"), *options],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            text=True,
            env=environment,
        )
        with cast(IO[str], process.stdin) as pipe:
            pipe.writelines(stdin)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        if status:
            said.seek(0)
            raise XnerError(Errors.X466.format(reason=said.read()[-1000:]))
    lines = (folder / "out" / LOG).read_text("utf8").splitlines()
    rate = json.loads(lines[-1])["texts_per_second"]
    shutil.rmtree(folder)
    return {"seconds": seconds, "rate": rate, "peak_mb": usage.ru_maxrss / 1024}


def _median(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def _report(output: Path, found: dict[str, Any], files: dict[str, Path]) -> None:
    write_json(output, {**found, "provenance": provenance(models={}, files=files, seed=0)})
    msg.good("Wrote the figures", output)


if __name__ == "__main__":
    app()
