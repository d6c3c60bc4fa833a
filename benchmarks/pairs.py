"""What the second task costs: training time and memory of the student, and bytes in the silver."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from resident import resident
from spacy.tokens import Doc, DocBin
from spacy.util import load_config
from spacy.vocab import Vocab
from training import SpacySide, demo_corpus, seconds
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.ensemble.pair_pooling import pool_vectors
from spacy_xner.errors import Errors, XnerError
from spacy_xner.evaluation.provenance import provenance
from spacy_xner.labels import iob2_tags
from spacy_xner.shards import read_docs, write_docs
from spacy_xner.silver import KEY, Silver, read_silver, write_silver
from spacy_xner.util import write_json

app = typer.Typer(pretty_exceptions_enable=False)
ROOT = Path(__file__).parents[1]
SIDES = {"plain": ROOT / "configs/student_trf.cfg", "pairs": ROOT / "configs/student_mtmt.cfg"}
LABELS = ("LOC", "ORG", "PER")
SURE = 0.9
# A pair of sampled words: two token numbers of two bytes each, and one byte for the similarity.
PAIR_BYTES = 5
COLUMNS = ("bytes", "more", "pairs")


def random_units(random: np.random.Generator, tokens: int, width: int) -> NDArray[np.float64]:
    """Vectors of length 1 in all directions: what can be compressed least."""
    rows = random.normal(size=(tokens, width))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def annotate(
    docs: Iterable[Doc], *, teachers: int, width: int, random: np.random.Generator
) -> float:
    """Turn gold documents into silver ones with the similarity of some random evaluators.

    RETURNS (float): The largest error of a pooled cosine within a document, as it is read again.
    """
    names = tuple(map(str, range(teachers)))
    tags = iob2_tags(LABELS)
    worst = 0.0
    for doc in docs:
        rows = np.full((len(doc), len(tags)), (1.0 - SURE) / (len(tags) - 1))
        for row, token in zip(rows, doc, strict=True):
            tag = f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ in LABELS else "O"
            row[tags.index(tag)] = SURE
        vectors = {name: random_units(random, len(doc), width) for name in names}
        pooled = None
        if teachers:
            weights = np.full((len(doc), teachers), 1.0 / teachers)
            pooled = pool_vectors(vectors, names, weights)
        write_silver(doc, Silver(LABELS, rows, np.ones(len(doc)), 1.0, {"a": 1.0}, pooled))
        if pooled is not None:
            found: Any = read_silver(doc).similarity
            worst = max(worst, float(np.abs(found @ found.T - pooled @ pooled.T).max()))
    return worst


def make_side(name: str, *, train: Path, encoder: Path, seed: int) -> SpacySide:
    """A student of one task or of two."""
    overrides = {
        "paths.train": str(train),
        "paths.dev": str(train),
        "paths.encoder": str(encoder),
        "system.seed": seed,
    }
    return SpacySide(load_config(SIDES[name], overrides=overrides))


def compare(*, train: Path, encoder: Path, updates: int, rounds: int, seed: int) -> dict[str, Any]:
    """Train both students in turn on the same batches; memory is that of processes of their own.

    train (Path): Silver annotations with similarity.
    encoder (Path): A checkpoint folder.
    updates (int): Updates a round, and before the first round.
    rounds (int): Rounds a side.
    seed (int): Of everything random.
    RETURNS (Dict[str, Any]): JSON-able. "ratio" is the median over the rounds of the seconds with
        pairs by those without; "peak_mb" the largest resident memory of a process.
    RAISES (XnerError): X601 for a missing path, and what reading and training raise.
    """
    for path in (train, encoder):
        if not path.exists():
            raise XnerError(Errors.X601.format(path=path))
    sides = {name: make_side(name, train=train, encoder=encoder, seed=seed) for name in SIDES}
    batches = {name: side.batches((rounds + 1) * updates) for name, side in sides.items()}
    times: dict[str, list[float]] = {name: [] for name in SIDES}
    for start in range(0, (rounds + 1) * updates, updates):
        for name, side in sides.items():
            spent = seconds(side.train, batches[name][start : start + updates])
            if start:  # the first round warms up
                times[name].append(spent)
    ratios = [b / a for a, b in zip(times["plain"], times["pairs"], strict=True)]
    measured = ["--train", train, "--encoder", encoder, "--updates", updates, "--seed", seed]
    return {
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "seconds": times,
        "peak_mb": {name: peak_apart(name, *map(str, measured)) for name in SIDES},
        "updates": updates,
        "threads": torch.get_num_threads(),
        "tokens_per_update": float(
            np.mean([sum(len(eg.predicted) for eg in batch) for batch in batches["plain"]])
        ),
    }


def peak_apart(name: str, *options: str) -> float:
    """The peak memory of one side in a process of its own, in MB.

    RAISES (XnerError): X401 with the last line that the process printed, if it fails.
    """
    arguments = [sys.executable, __file__, "peak", name, *options]
    process = subprocess.run(arguments, capture_output=True, text=True, check=False)
    lines = (process.stdout + process.stderr).strip().splitlines() or [""]
    if process.returncode:
        raise XnerError(Errors.X401.format(name=name, path=SIDES[name], reason=lines[-1]))
    return float(json.loads(process.stdout.strip().splitlines()[-1]))


def sizes(docs: Sequence[bytes], *, width: int, counts: Sequence[int], seed: int) -> list[dict]:
    """Bytes a token in a DocBin for some numbers of teachers, and the error of cosines.

    docs (Sequence[bytes]): Gold documents.
    width (int): Of each evaluator's vectors.
    counts (Sequence[int]): Numbers of teachers; the first must be 0.
    RETURNS (List[Dict]): For each: "teachers", "bytes" a token, "more" than with none, "pairs" a
        token that would take as much if they were stored, and "error".
    """
    results: list[dict[str, Any]] = []
    for count in counts:
        found = [Doc(Vocab()).from_bytes(data) for data in docs]
        tokens = sum(map(len, found))
        random = np.random.default_rng(seed)
        error = annotate(found, teachers=count, width=width, random=random)
        size = len(DocBin(docs=found, store_user_data=True).to_bytes()) / tokens
        raw = sum(len(doc.user_data[KEY].get("similarity", b"")) for doc in found) / tokens
        more = size - results[0]["bytes"] if results else 0.0
        entry = {"teachers": count, "bytes": size, "more": more, "raw": raw, "error": error}
        results.append({**entry, "pairs": more / PAIR_BYTES})
    return results


Train = Annotated[
    Path | None, typer.Option(help="Silver with similarity; the embedded corpus by default.")
]
Encoder = Annotated[Path, typer.Option(help="Checkpoint folder, see `xner encoder offline`.")]
Updates = Annotated[int, typer.Option(min=1, help="Updates a round.")]
Seed = Annotated[int, typer.Option(help="Seed of batches, dropout and pairs.")]
Output = Annotated[Path | None, typer.Option(help="Write the figures to this JSON file.")]


@command("training", group=app)
def training_command(
    encoder: Encoder,
    train: Train = None,
    updates: Updates = 20,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds a side, in turn.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Threads of PyTorch.")] = 1,
    seed: Seed = 0,
    output: Output = None,
) -> None:
    """Compare a student of one task with one of two."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        if train is None:
            docs = list(read_docs(demo_corpus(Path(folder)), Vocab()))
            annotate(docs, teachers=4, width=16, random=np.random.default_rng(seed))
            train = Path(folder) / "silver.spacy"
            write_docs(train, docs)
        result = compare(train=train, encoder=encoder, updates=updates, rounds=rounds, seed=seed)
        files = {"train": train, "encoder": encoder, **SIDES}
        result["provenance"] = provenance(models={}, files=files, seed=seed)
    low, high = min(result["ratios"]), max(result["ratios"])
    msg.good(f"The second task takes {result['ratio']:.3f} of the time ({low:.3f}-{high:.3f})")
    peaks = result["peak_mb"]
    msg.info(f"Peak memory: {peaks['pairs']:.0f} MB with pairs, {peaks['plain']:.0f} MB without")
    if output is not None:
        write_json(output, result)


@command("peak", group=app)
def peak_command(
    side: Annotated[str, typer.Argument(help="plain or pairs")],
    train: Annotated[Path, typer.Option(help="Silver with similarity.")],
    encoder: Encoder,
    updates: Updates = 20,
    seed: Seed = 0,
) -> None:
    """Train one student in this process and print its peak memory in MB."""
    torch.set_num_threads(1)
    student = make_side(side, train=train, encoder=encoder, seed=seed)
    student.train(student.batches(updates))
    print(json.dumps(resident()["VmHWM"]))


@command("silver", group=app)
def silver_command(
    train: Annotated[
        Path | None, typer.Option(help="Gold documents; the embedded corpus by default.")
    ] = None,
    width: Annotated[int, typer.Option(min=1, help="Of each evaluator's vectors.")] = 16,
    seed: Seed = 0,
    output: Output = None,
) -> None:
    """Measure what similarity adds to silver annotations, beside stored pairs."""
    with tempfile.TemporaryDirectory() as folder:
        path = train or demo_corpus(Path(folder))
        docs = [doc.to_bytes() for doc in read_docs(path, Vocab())]
        rows = sizes(docs, width=width, counts=(0, 1, 4, 15), seed=seed)
        result = {"width": width, "rows": rows}
        result["provenance"] = provenance(models={}, files={"train": path}, seed=seed)
    table = [
        [str(r["teachers"]), *(f"{r[k]:.1f}" for k in COLUMNS), f"{r['error']:.4f}"] for r in rows
    ]
    header = ("teachers", "bytes a token", "more", "as pairs a token", "largest error")
    msg.table(table, header=header, aligns=("r",) * 5, divider=True)
    if output is not None:
        write_json(output, result)


if __name__ == "__main__":
    app()
