"""What weighting and pooling cost beside the teachers themselves.

A saved ensemble annotates text batch by batch as `teacher_ensemble` does: the teachers are asked
once a batch and round, and what they said is then weighted, pooled, decoded and written with every
kind of weights and pool, so that all of it meets the same state of the machine.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice, repeat
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any
from unittest.mock import patch

import typer
from spacy.tokens import Doc
from spacy.util import minibatch
from wasabi import msg

from spacy_xner.annotate import find_ensemble
from spacy_xner.cli._app import command
from spacy_xner.corpora.raw_text import read_text
from spacy_xner.ensemble.confidence import make_agreement_weights, make_confidence_weights
from spacy_xner.ensemble.pooling import Pool, make_linear_pool, make_log_linear_pool
from spacy_xner.ensemble.similarity_weights import make_similarity_weights
from spacy_xner.ensemble.votes import Votes, fill_untaught
from spacy_xner.ensemble.weights import Weights, make_uniform_weights
from spacy_xner.errors import Errors, XnerError
from spacy_xner.evaluation.provenance import provenance
from spacy_xner.pipeline import teacher_ensemble
from spacy_xner.pipeline.teacher_ensemble import TeacherEnsemble
from spacy_xner.spans import blank_copy, set_scored_spans
from spacy_xner.util import load_pipeline, write_json

app = typer.Typer(pretty_exceptions_enable=False)

TEACHERS, WEIGHTING, POOLING, DECODING = "teachers", "weighting", "pooling", "decoding"
WRITING, VOTES = "writing", "votes"
PARTS = (WEIGHTING, POOLING, DECODING, WRITING, VOTES)
POOLS: dict[str, Pool] = {"linear": make_linear_pool(), "log-linear": make_log_linear_pool()}


class Clock(dict[str, float]):
    """Seconds by part."""

    def watch(self, func: Callable, part: str) -> Callable:
        """The same function; the time that it takes counts for the part."""

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            start = perf_counter()
            try:
                return func(*args, **kwargs)
            finally:
                self[part] = self.get(part, 0.0) + perf_counter() - start

        return wrapper


def all_weights(similarity: Path | None = None, target: str | None = None) -> dict[str, Weights]:
    """Every kind of weights by name; those by similarity only where there is a file of weights."""
    found: dict[str, Weights] = {
        "uniform": make_uniform_weights(),
        "confidence": make_confidence_weights(),
        "confidence, sentence": make_confidence_weights(level="sentence"),
        "agreement": make_agreement_weights(),
        "agreement, sentence": make_agreement_weights(level="sentence"),
    }
    if similarity is not None:
        path = str(similarity)
        found["similarity"] = make_similarity_weights(path, target=target)
        found["similarity, sentence"] = make_similarity_weights(
            path, level="sentence", target=target
        )
    return found


@contextmanager
def settings(ensemble: TeacherEnsemble, weights: Weights, pool: Pool) -> Iterator[Clock]:
    """The ensemble with other weights and another pool, and a clock on what one batch costs."""
    clock = Clock()
    # What the pool says is decoded first, then what each teacher says.
    parts = chain([DECODING], repeat(VOTES))
    decode = teacher_ensemble.decode
    watched: list[tuple[Any, str, Callable]] = [
        (ensemble, "weights", clock.watch(weights, WEIGHTING)),
        (ensemble, "pool", clock.watch(pool, POOLING)),
        (teacher_ensemble, "fill_untaught", clock.watch(fill_untaught, POOLING)),
        (teacher_ensemble, "decode", lambda *args: clock.watch(decode, next(parts))(*args)),
        (teacher_ensemble, "set_scored_spans", clock.watch(set_scored_spans, VOTES)),
    ]
    with ExitStack() as stack:
        for owner, name, func in watched:
            stack.enter_context(patch.object(owner, name, func))
        yield clock


def ask(ensemble: TeacherEnsemble, docs: Sequence[Doc]) -> tuple[Votes, float]:
    """What the teachers say, and the seconds that they took together."""
    clock = Clock()
    with ExitStack() as stack:
        for teacher in ensemble.teachers.values():
            watched = clock.watch(teacher.distributions, TEACHERS)
            stack.enter_context(patch.object(teacher, "distributions", watched))
        return ensemble.predict(docs), clock[TEACHERS]


def annotate(
    ensemble: TeacherEnsemble, docs: Sequence[Doc], votes: Votes, weights: Weights, pool: Pool
) -> dict[str, float]:
    """Seconds of each of PARTS for one batch.

    docs (Sequence[Doc]): Left as they are.
    votes (Votes): What the teachers said of them.
    """
    copies = [blank_copy(doc, ensemble.vocab) for doc in docs]
    with settings(ensemble, weights, pool) as clock:
        start = perf_counter()
        ensemble.set_annotations(copies, votes)
        total = perf_counter() - start
    spent = {part: clock.get(part, 0.0) for part in PARTS}
    return {**spent, WRITING: total - sum(spent.values())}


def profile(
    ensemble: TeacherEnsemble,
    docs: Sequence[Doc],
    weights: dict[str, Weights],
    *,
    rounds: int,
    batch_size: int,
) -> dict[str, Any]:
    """Measure all kinds of weights and pools.

    ensemble (TeacherEnsemble): Its own weights and pool are not used.
    docs (Sequence[Doc]): Tokenised text, left as it is.
    weights (Dict[str, Weights]): By name.
    rounds (int): Repeats, after a round over the first documents that does not count.
    batch_size (int): Documents a batch.
    RETURNS (Dict[str, Any]): JSON-able. "teachers": their seconds in each round; "cases": by
        weights and pool, "seconds" of each part and round, "share": weighting and pooling as a
        share of the teachers' time, the median over "shares".
    """
    ensemble.load()
    cases = {(w, p): (weights[w], POOLS[p]) for w in weights for p in POOLS}
    seconds: dict[tuple[str, str], list[dict[str, float]]] = {case: [] for case in cases}
    teachers: list[float] = []
    for number in range(-1, rounds):
        found = [dict.fromkeys(PARTS, 0.0) for _ in cases]
        asked = 0.0
        for batch in minibatch(docs if number >= 0 else docs[:8], size=batch_size):
            votes, time = ask(ensemble, batch)
            asked += time
            for spent, (weigh, pool) in zip(found, cases.values(), strict=True):
                for part, time in annotate(ensemble, batch, votes, weigh, pool).items():
                    spent[part] += time
        if number >= 0:
            teachers.append(asked)
            for case, spent in zip(cases, found, strict=True):
                seconds[case].append(spent)
    return {
        TEACHERS: teachers,
        "cases": [
            describe(case, rows, teachers) | {"weights": case[0], "pool": case[1]}
            for case, rows in seconds.items()
        ],
    }


def describe(
    case: tuple[str, str], rows: Sequence[dict[str, float]], teachers: Sequence[float]
) -> dict[str, Any]:
    """The figures of one kind of weights and pool, from its seconds in each round."""
    shares = [
        (row[WEIGHTING] + row[POOLING]) / time for row, time in zip(rows, teachers, strict=True)
    ]
    return {
        "share": statistics.median(shares),
        "shares": shares,
        "seconds": {part: [row[part] for row in rows] for part in PARTS},
    }


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    asked = statistics.median(result[TEACHERS])
    rows = []
    for case in result["cases"]:
        seconds = {part: statistics.median(found) for part, found in case["seconds"].items()}
        cells = [f"{1000 * seconds[part]:.1f}" for part in PARTS]
        rows.append((case["weights"], case["pool"], f"{case['share']:.2%}", *cells))
    header = ("weights", "pool", "share", *(f"{part} ms" for part in PARTS))
    msg.table(rows, header=header, aligns=("l", "l", *"r" * (len(header) - 2)), divider=True)
    msg.info(
        f"{result['docs']} documents, {result['tokens']} tokens, {len(result['names'])} teachers: "
        f"{asked:.2f} s for their answers. share: weighting and pooling, of that"
    )


@command("pooling", group=app)
def pooling(
    model: Annotated[Path, typer.Argument(help="Pipeline with a teacher_ensemble.")],
    source: Annotated[Path, typer.Argument(help=".txt, .jsonl or .spacy file, or a folder.")],
    limit: Annotated[int, typer.Option(min=1, help="At most so many texts.")] = 200,
    similarity: Annotated[
        Path | None, typer.Option(help="File of 'xner similarity weights', for these weights too.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Which target of that file.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Repeats; the median is shown.")] = 3,
    batch_size: Annotated[int, typer.Option(min=1, help="Documents a batch.")] = 256,
    threads: Annotated[int, typer.Option(min=1, help="Threads of PyTorch.")] = 1,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file for the figures.")
    ] = None,
) -> None:
    """Measure weighting and pooling as a share of the time that the teachers take."""
    import torch

    torch.set_num_threads(threads)
    nlp = load_pipeline(model)
    ensemble = find_ensemble(nlp)
    docs = [
        Doc(nlp.vocab, words=record.words) if record.words else nlp.make_doc(record.text)
        for record in islice(read_text(source), limit)
    ]
    if not docs:
        raise XnerError(Errors.X427.format(name=source))
    weights = all_weights(similarity, target)
    result = profile(ensemble, docs, weights, rounds=rounds, batch_size=batch_size)
    result |= {
        "names": list(ensemble.teachers),
        "docs": len(docs),
        "tokens": sum(map(len, docs)),
        **{"rounds": rounds, "batch_size": batch_size, "threads": threads},
    }
    files = {"text": source, **({"similarity": similarity} if similarity else {})}
    result["provenance"] = provenance(models={"ensemble": nlp}, files=files)
    show(result)
    if output is not None:
        write_json(output, result)
        msg.good(f"Wrote the figures to {output}")


if __name__ == "__main__":
    app()
