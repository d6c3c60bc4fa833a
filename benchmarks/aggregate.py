"""How fast the aggregators are, and what they gain on teachers that err independently.

Votes are drawn, not read: what is timed is the aggregation, from votes in memory to posteriors.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.ensemble.bea import bea
from spacy_xner.ensemble.confusion import gather, vote_shares
from spacy_xner.ensemble.sequence import fit_sequence, sequence_posteriors
from spacy_xner.evaluation.provenance import package_versions
from spacy_xner.util import write_json

app = typer.Typer(pretty_exceptions_enable=False)
N_LABELS = 3


def errors(n_teachers: int) -> NDArray[np.float64]:
    """Shares of entities that the teachers get wrong: uneven, 7 to 50 of 100."""
    return np.linspace(0.07, 0.5, n_teachers)


def draw_spans(
    n_spans: int, n_teachers: int, seed: int
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Classes of spans (half of them O), and votes of shape (spans, teachers)."""
    random = np.random.default_rng(seed)
    truth = (random.integers(0, N_LABELS, n_spans) + 1) * (random.random(n_spans) < 0.5)
    votes = np.repeat(truth[:, None], n_teachers, axis=1)
    wrong = random.random(votes.shape) < errors(n_teachers)
    votes[wrong] = random.integers(0, N_LABELS + 1, int(wrong.sum()))
    return truth.astype(np.int8), votes.astype(np.int8)


def draw_tags(
    n_docs: int, n_teachers: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[int]]:
    """Tags of 10 to 40 tokens a document, votes (tokens, teachers), and lengths.

    A wrong teacher misses the whole entity or gives it another label; it also sees entities of one
    token that are none.
    """
    random = np.random.default_rng(seed)
    lengths = random.integers(10, 41, n_docs)
    n = int(lengths.sum())
    starts = random.random(n) < 0.08
    inside = np.zeros(n, dtype=bool)
    begin = starts.copy()
    for share in (0.5, 0.3):  # entities of one, two or three tokens
        begin = np.roll(begin, 1) & (random.random(n) < share) & ~starts
        inside |= begin
    inside[np.concatenate(([0], np.cumsum(lengths)[:-1]))] = False
    inside &= np.roll(starts | inside, 1)
    entity = np.cumsum(starts)
    label = random.integers(0, N_LABELS, entity[-1] + 1)

    def tags(names: NDArray[np.int64]) -> NDArray[np.int64]:
        found = names[entity]
        said = (starts | inside) & (found >= 0)
        return np.where(said, 1 + 2 * found + inside, 0)

    truth = tags(label)
    votes = []
    for error in errors(n_teachers):
        wrong = random.random(len(label)) < error
        other = (label + random.integers(1, N_LABELS, len(label))) % N_LABELS
        other[random.random(len(label)) < 0.5] = -1
        answer = tags(np.where(wrong, other, label))
        free = ~starts & ~inside & ~np.roll(inside, -1) & (random.random(n) < 0.01 * error)
        votes.append(np.where(free, 1 + 2 * random.integers(0, N_LABELS, n), answer))
    return truth, np.stack(votes, axis=1), lengths.tolist()


def right(truth: NDArray[np.integer], posteriors: NDArray[np.float64]) -> float:
    """F1 over spans or tokens that are not O."""
    found = posteriors.argmax(axis=1)
    both = ((found == truth) & (truth > 0)).sum()
    return float(2 * both / ((found > 0).sum() + (truth > 0).sum()))


def timed(func: Callable[[], Any], rounds: int) -> tuple[Any, list[float]]:
    """The result, and the seconds of each round."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        found = func()
        seconds.append(time.perf_counter() - start)
    return found, seconds


@command("aggregate", group=app)
def main(
    spans: Annotated[int, typer.Option(min=1, help="Spans for BEA.")] = 1_000_000,
    docs: Annotated[int, typer.Option(min=1, help="Documents for the sequence model.")] = 20_000,
    teachers: Annotated[int, typer.Option(min=2, help="How many teachers vote.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, help="Repeats; the median is shown.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the votes.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file for the figures.")
    ] = None,
) -> None:
    """Time both aggregators."""
    truth, votes = draw_spans(spans, teachers, seed)
    evidence = gather(votes, 1 + N_LABELS)
    shares = vote_shares(evidence.rows)[evidence.which]
    found, span_seconds = timed(lambda: bea(votes, 1 + N_LABELS).posteriors, rounds)
    result: dict[str, dict[str, Any]] = {"bea": {"units": spans, "seconds": span_seconds}}
    result["bea"] |= {"distinct": len(evidence.rows)}
    result["bea"] |= {"f1": right(truth, found), "vote": right(truth, shares)}

    tags, said, lengths = draw_tags(docs, teachers, seed)
    names = [str(k) for k in range(teachers)]

    def sequence() -> NDArray[np.float64]:
        model = fit_sequence(said, lengths, names, N_LABELS)
        return sequence_posteriors(model, said, lengths, names)

    evidence = gather(said, 1 + 2 * N_LABELS)
    shares = vote_shares(evidence.rows)[evidence.which]
    found, doc_seconds = timed(sequence, rounds)
    result["sequence"] = {"units": docs, "seconds": doc_seconds, "tokens": len(tags)}
    result["sequence"] |= {"f1": right(tags, found), "vote": right(tags, shares)}
    result["sequence"]["distinct"] = len(evidence.rows)

    rows = []
    for name, figures in result.items():
        median = float(np.median(figures["seconds"]))
        speed = f"{figures['units'] / median:,.0f}"
        figures["units_per_second"] = figures["units"] / median
        f1 = [f"{100 * figures[key]:.2f}" for key in ("vote", "f1")]
        rows.append([name, f"{figures['units']:,}", f"{median:.2f}", speed, *f1])
    header = ["Method", "Spans or docs", "Seconds", "A second", "F1 of the vote", "F1"]
    msg.table(rows, header=header, aligns=["l", *"rrrrr"])
    if output is not None:
        write_json(output, {"teachers": teachers, "versions": package_versions(), **result})
        msg.good(f"Wrote the figures to {output}")


if __name__ == "__main__":
    app()
