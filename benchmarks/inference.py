"""What inference costs: words a second, latency, loading, memory, and size of the installation.

Each contender is measured in a process of its own, in the environment that it needs and no more, on
Linux; all of them in turn, round by round, on the same texts. contenders.py is that process.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from install_size import folder_size
from made_models import requirements, save_checkpoint, save_ner, save_tokenizer
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.cli.ensemble import named_paths
from spacy_xner.corpora.raw_text import read_text
from spacy_xner.errors import Errors, XnerError
from spacy_xner.evaluation.provenance import PACKAGES, provenance
from spacy_xner.safety import read_metadata
from spacy_xner.util import load_pipeline, write_json

app = typer.Typer(pretty_exceptions_enable=False)
ROOT = Path(__file__).parents[1]
RUNNER = Path(__file__).with_name("contenders.py")
BASE = "transformers"
"""Hugging Face's pipeline with its default batch size: the speed that others are divided by."""
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
VERSIONS = (*PACKAGES, "onnxruntime", "tokenizers", "gliner")
NO_GLINER = (
    "GLiNER is not measured: it needs an environment of its own, named by --gliner-python (see "
    "benchmarks/README.md)"
)
NO_TRANSFORMERS = (
    "The Hugging Face pipeline is not measured, and there are no ratios to it: name one of the "
    "pipelines with --transformers"
)

Job = dict[str, Any]


def run(action: str, name: str, job: Job, target: Path, *, python: str, threads: int) -> None:
    """Run contenders.py in a process of its own.

    RAISES (XnerError): X611 with the last line that it printed, if it fails.
    """
    count = str(threads)
    environment = {**os.environ, **dict.fromkeys(THREADS, count)}
    environment |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    environment["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    environment.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "job.json"
        source.write_text(json.dumps(job), encoding="utf8")
        arguments = [python, str(RUNNER), action, str(source), str(target)]
        try:
            done = subprocess.run(arguments, env=environment, capture_output=True, text=True)
        except OSError as err:
            raise XnerError(Errors.X611.format(name=name, reason=err)) from err
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        raise XnerError(Errors.X611.format(name=name, reason=reason))


def prepare(
    pipelines: Mapping[str, str],
    folder: Path,
    *,
    transformers: str | None,
    batch_sizes: Sequence[int],
    ner: Path | None,
    gliner: Job | None,
) -> dict[str, Job]:
    """The contenders, made where they have to be.

    pipelines (Mapping[str, str]): Paths of spaCy pipelines by name.
    folder (Path): For what is made.
    transformers (Optional[str]): Pipeline whose parameters go into the Hugging Face pipeline.
    batch_sizes (Sequence[int]): Of that, beside 1, its default.
    ner (Optional[Path]): Config of a student, over whose encoder spaCy's own `ner` is put.
    gliner (Optional[Dict]): "python", "tokenizer" (a folder, None for the offline encoder's) and
        "encoder", what differs from the published sizes. None to leave it out.
    RETURNS (Dict[str, Dict]): A job a contender, see `contenders.measure`.
    """
    jobs: dict[str, Job] = {}
    for name, path in pipelines.items():
        # The name of an installed pipeline stays, and a folder is the same wherever we are.
        where = str(Path(path).resolve()) if Path(path).is_dir() else path
        jobs[name] = {"kind": "spacy", "path": where, "requirements": requirements(path)}
    if ner is not None:
        save_ner(ner, folder / "ner")
        jobs["spacy-ner"] = {"kind": "spacy", "path": folder / "ner", "requirements": ["spacy"]}
    if transformers is not None:
        save_checkpoint(load_pipeline(transformers), folder / BASE)
        for size in dict.fromkeys((1, *batch_sizes)):
            jobs[BASE if size == 1 else f"{BASE}-{size}"] = {
                "kind": BASE,
                "path": folder / BASE,
                "batch_size": size,
                "requirements": ["transformers", "torch"],
            }
    if gliner is not None:
        tokenizer = gliner.get("tokenizer")
        if tokenizer is None:
            tokenizer = folder / "tokenizer"
            tokenizer.mkdir()
            save_tokenizer(tokenizer)
        job = {"tokenizer": str(tokenizer), "encoder": gliner.get("encoder", {})}
        made = folder / "gliner"
        run("prepare", "gliner", job, made, python=gliner["python"], threads=1)
        jobs["gliner"] = {"kind": "gliner", "path": made, "requirements": ["gliner"]}
    for job in jobs.values():
        job["path"] = str(job["path"])
    return jobs


def compare(
    jobs: Mapping[str, Job],
    texts: Sequence[str],
    *,
    pythons: Mapping[str, str],
    threads: Sequence[int],
    rounds: int,
    latency: int,
    warmup: int = 20,
) -> dict[str, Any]:
    """Measure all contenders in turn.

    jobs (Mapping[str, Dict]): See `prepare`.
    texts (Sequence[str]): The same for all.
    pythons (Mapping[str, str]): Interpreters by contender, where it is not this one.
    threads (Sequence[int]): Numbers of threads, and of cores, that a process may use.
    rounds (int): Processes a contender and number of threads.
    latency (int): Texts that are read one by one.
    warmup (int): Texts that are read before the clock starts.
    RETURNS (Dict[str, Any]): JSON-able: "runs", a row a process; "contenders", by name and number
        of threads the medians, see `summary`; "texts", "words".
    RAISES (XnerError): X611 if a contender cannot be measured.
    """
    words = sum(len(text.split()) for text in texts)
    common = {"texts": list(texts), "latency": latency, "warmup": warmup, "packages": VERSIONS}
    runs: list[dict[str, Any]] = []
    about: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for count in threads:
                for name, job in jobs.items():
                    target = Path(folder) / "row.json"
                    python = pythons.get(name, sys.executable)
                    task = {**job, **common, "threads": count}
                    run("measure", name, task, target, python=python, threads=count)
                    row = json.loads(target.read_text(encoding="utf8"))
                    about[name] = {key: row.pop(key) for key in ("versions", "environment")}
                    times = 1000 * np.array(row.pop("latencies"))
                    row["latency_ms"] = float(np.median(times))
                    row["latency_p95_ms"] = float(np.percentile(times, 95))
                    row["words_per_second"] = words / row["seconds"]
                    runs.append({"name": name, "threads": count, "round": number, **row})
    for name, job in jobs.items():
        path = Path(job["path"])
        size = folder_size(path) / 1e6 if path.is_dir() else None  # else in the environment
        about[name] |= {"kind": job["kind"], "model_mb": size}
        about[name]["requirements"] = job["requirements"]
    found = {name: {**about[name], "threads": summary(runs, name, threads)} for name in jobs}
    return {"texts": len(texts), "words": words, "contenders": found, "runs": runs}


FIGURES = ("words_per_second", "latency_ms", "latency_p95_ms", "load", "loaded_mb", "peak_mb")


def summary(
    runs: Sequence[dict[str, Any]], name: str, threads: Sequence[int]
) -> dict[str, dict[str, float]]:
    """Medians over the rounds, by number of threads, and "ratio", that of words a second in those
    of the Hugging Face pipeline in the same round.
    """
    found = {}
    for count in threads:
        rows, base = (
            [row for row in runs if (row["name"], row["threads"]) == (who, count)]
            for who in (name, BASE)
        )
        found[str(count)] = {key: statistics.median(row[key] for row in rows) for key in FIGURES}
        if base:
            key = "words_per_second"
            ratios = [a[key] / b[key] for a, b in zip(rows, base, strict=True)]
            found[str(count)]["ratio"] = statistics.median(ratios)
    return found


HEADER = (
    "contender",
    "threads",
    "words/s",
    "ratio",
    "latency (ms)",
    "95 %",
    "load (s)",
    "peak (MB)",
    "model (MB)",
    "environment (MB)",
)


def table(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row a contender and number of threads, as texts."""
    rows: list[tuple[str, ...]] = []
    for name, contender in result["contenders"].items():
        size, environment = contender["model_mb"], contender["environment"]
        # The sum without what is missing would be too small.
        whole = "-" if environment["missing"] else f"{environment['mb']:.0f}"
        for count, found in contender["threads"].items():
            row = (
                name,
                count,
                f"{found['words_per_second']:,.0f}",
                f"{found['ratio']:.2f}" if "ratio" in found else "-",
                f"{found['latency_ms']:.1f}",
                f"{found['latency_p95_ms']:.1f}",
                f"{found['load']:.1f}",
                f"{found['peak_mb']:.0f}",
                "-" if size is None else f"{size:.1f}",
                whole,
            )
            rows.append(row)
    return rows


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """The table for docs/performance.md."""
    lines = [HEADER, ["---", *["---:"] * (len(HEADER) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@command("compare", group=app)
def compare_command(
    texts: Annotated[Path, typer.Argument(help="Raw text: .txt, .jsonl, ... or a folder.")],
    pipelines: Annotated[
        list[str], typer.Argument(metavar="NAME=PATH...", help="spaCy pipelines.")
    ],
    transformers: Annotated[
        str | None,
        typer.Option(help="Pipeline whose parameters the Hugging Face pipeline gets; none."),
    ] = None,
    batch_size: Annotated[
        list[int] | None, typer.Option(help="Of that pipeline, beside 1, its default; repeated.")
    ] = None,
    gliner_python: Annotated[
        str | None, typer.Option(help="Interpreter of an environment with gliner; none.")
    ] = None,
    ner: Annotated[
        Path, typer.Option(help="Student's config over whose encoder spaCy's `ner` is put.")
    ] = ROOT / "configs/student_cnn.cfg",
    python: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="Interpreter for a contender; repeated. This one."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Texts.")] = 1000,
    latency: Annotated[int, typer.Option(min=2, help="Texts that are read one by one.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="Processes of each, in turn.")] = 3,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, help="Threads of each; repeated. 1 and 2.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file for the figures.")
    ] = None,
) -> None:
    """Measure pipelines, and what they are compared with, on the same texts."""
    counts, known = threads or [1, 2], named_paths(pipelines)
    if max(counts) > (cores := len(os.sched_getaffinity(0))):
        raise typer.BadParameter(f"There are {cores} cores.", param_hint="--threads")
    pythons = named_paths(python or [])
    read = [record.text for record in islice(read_text(texts), limit)]
    gliner = None
    if gliner_python is not None:
        gliner = {"python": gliner_python}
        pythons = {"gliner": gliner_python, **pythons}
    else:
        msg.info(NO_GLINER)
    if transformers is None:
        msg.info(NO_TRANSFORMERS)
    with tempfile.TemporaryDirectory() as folder:
        jobs = prepare(
            known,
            Path(folder),
            transformers=known.get(transformers or "", transformers),
            batch_sizes=batch_size or [8],
            ner=ner,
            gliner=gliner,
        )
        how: dict[str, Any] = {"threads": counts, "rounds": rounds, "latency": latency}
        result = compare(jobs, read, pythons=pythons, **how)
    msg.table(table(result), header=HEADER, aligns=("l", *"r" * (len(HEADER) - 1)), divider=True)
    if output is not None:
        files = {name: Path(path) for name, path in known.items() if Path(path).exists()}
        result |= how
        result["provenance"] = provenance(models={}, files={"texts": texts, "ner": ner, **files})
        write_json(output, result)
        msg.good("Wrote the figures", output)


@command("table", group=app)
def table_command(
    result: Annotated[Path, typer.Argument(help="JSON file that compare wrote.")],
) -> None:
    """Print the table of earlier figures as Markdown."""
    print(markdown(table(read_metadata(result))))


if __name__ == "__main__":
    app()
