"""Aggregation of teachers' votes: the methods of `xner aggregate` against those of skweak.

Both sides get the same spans of the same teachers on the same documents, with their own settings,
and nothing else; gold entities only score. skweak runs in an environment of its own, by
skweak_runner.py. Each side is measured in a fresh process with one thread, in turn.
"""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab
from wasabi import msg

from spacy_xner.aggregate import Method, aggregate_votes, read_votes, set_aggregate
from spacy_xner.cli._app import command
from spacy_xner.decode import ScoredEntity
from spacy_xner.errors import Errors, XnerError
from spacy_xner.evaluation.bootstrap import (
    Counts,
    f1_from_counts,
    paired_bootstrap_macro,
    sentence_counts,
)
from spacy_xner.evaluation.provenance import provenance
from spacy_xner.evaluation.report import entity_sets
from spacy_xner.labels import iob2_tags
from spacy_xner.shards import read_docs, spacy_files
from spacy_xner.silver import SPANS_KEY, Silver, write_silver
from spacy_xner.spans import blank_copy, set_scored_spans
from spacy_xner.util import write_json

app = typer.Typer(pretty_exceptions_enable=False)
ROOT = Path(__file__).parents[1]
RUNNER = Path(__file__).with_name("skweak_runner.py")
ENVIRONMENT = (
    "python3.11 -m venv skweak-venv && skweak-venv/bin/pip install skweak==0.3.3 spacy==3.8.18 "
    "hmmlearn==0.3.3 numpy==2.4.6 pandas==3.1.1"
)
WARMUP = 20  # documents; the same in skweak_runner.py
SIDES = ("xner", "skweak")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Record = dict[str, Any]
"""A document as both sides read it: "tokens", how many; "votes", (start, end, label) by teacher;
"untaught", by teacher the labels that it does not know."""


def read_corpora(
    silver: Path, gold: Path
) -> tuple[list[str], dict[str, list[Record]], dict[str, list[Doc]]]:
    """Votes and gold documents by language.

    silver (Path): One folder of shards, or one .spacy file, a language.
    gold (Path): Folder with <language>-test.spacy or <language>.spacy, the same documents in order.
    RETURNS: Labels, votes by language, gold documents by language.
    RAISES (XnerError): X601 or X007 for a missing path, X503 for other tokens or documents, and
        what `read_votes` raises.
    """
    spacy_files(silver)
    labels: list[str] = []
    corpora: dict[str, list[Record]] = {}
    answers: dict[str, list[Doc]] = {}
    for path in sorted(silver.iterdir()):
        if not (path.is_dir() or path.suffix == ".spacy"):
            continue
        language = (path.name if path.is_dir() else path.stem).removesuffix("-test")
        found = list(read_docs(path, Vocab()))
        labels = labels or list(read_votes(found).labels)
        corpora[language] = [to_record(doc) for doc in found]
        names = (gold / f"{language}-test.spacy", gold / f"{language}.spacy")
        answers[language] = list(
            read_docs(next((n for n in names if n.exists()), names[0]), Vocab())
        )
        check_tokens(language, found, answers[language])
    return labels, corpora, answers


def check_tokens(language: str, silver: Sequence[Doc], gold: Sequence[Doc]) -> None:
    """Are these the same documents?

    RAISES (XnerError): X503, with the first that differs.
    """
    for index in range(max(len(silver), len(gold))):
        sizes = [len(docs[index]) if index < len(docs) else None for docs in (silver, gold)]
        if sizes[0] != sizes[1]:
            details = {"found": sizes[0], "expected": sizes[1]}
            raise XnerError(Errors.X503.format(language=language, index=index, **details))


def to_record(doc: Doc) -> Record:
    """The votes of a silver document."""
    prefix = f"{SPANS_KEY}/"
    groups = {
        key[len(prefix) :]: group for key, group in doc.spans.items() if key.startswith(prefix)
    }
    return {
        "tokens": len(doc),
        "votes": {
            name: [(span.start, span.end, span.label_) for span in group]
            for name, group in groups.items()
        },
        "untaught": {
            name: list(group.attrs["untaught"])
            for name, group in groups.items()
            if "untaught" in group.attrs
        },
    }


def draw_corpora(
    seeds: int, docs: int, teachers: int
) -> tuple[list[str], dict[str, list[Record]], dict[str, list[Doc]]]:
    """Sentences without words and teachers that err independently, by the tests' generator.

    seeds (int): Corpora, each with teachers of its own.
    docs (int): Documents of each.
    teachers (int): Wrong in 7 to 50 of 100 entities, evenly spread.
    RETURNS: As `read_corpora`.
    """
    path = ROOT / "tests" / "synthetic.py"
    spec: Any = importlib.util.spec_from_file_location("synthetic", path)
    synthetic = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(synthetic)
    labels = ["LOC", "ORG", "PER"][: synthetic.N_LABELS]

    def named(entities: list[tuple[int, int, int]]) -> list[tuple[int, int, str]]:
        return [(start, end, labels[label]) for start, end, label in entities]

    corpora, answers = {}, {}
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        truth = synthetic.corpus(random, docs)
        said = {
            f"teacher{k}": synthetic.teacher(random, truth, error)
            for k, error in enumerate(np.linspace(0.07, 0.5, teachers))
        }
        corpora[f"seed {seed}"] = [
            {
                "tokens": size,
                "votes": {name: named(found[d]) for name, found in said.items()},
                "untaught": {},
            }
            for d, (size, _) in enumerate(truth)
        ]
        vocab = Vocab()
        answers[f"seed {seed}"] = [
            with_entities(Doc(vocab, words=["w"] * size), named(entities))
            for size, entities in truth
        ]
    return labels, corpora, answers


def with_entities(doc: Doc, entities: Sequence[Sequence[Any]]) -> Doc:
    """A copy without annotations but for these entities: start, end, label."""
    copy = blank_copy(doc, doc.vocab)
    copy.set_ents([Span(copy, start, end, label=label) for start, end, label in entities])
    return copy


def make_docs(records: Sequence[Record], labels: Sequence[str]) -> list[Doc]:
    """Silver documents with these votes and uniform distributions."""
    vocab = Vocab()
    width = len(iob2_tags(labels))
    docs = []
    for record in records:
        size, votes = record["tokens"], record["votes"]
        doc = Doc(vocab, words=["w"] * size)
        rows = np.full((size, width), 1.0 / width)
        weights = dict.fromkeys(votes, 1.0 / len(votes))
        write_silver(doc, Silver(tuple(labels), rows, np.ones(size), 1.0, weights))
        for name, spans in votes.items():
            unknown = record["untaught"].get(name)
            attrs = {"untaught": unknown} if unknown else {}
            entities = [ScoredEntity(a, b, label, 1.0) for a, b, label in spans]
            set_scored_spans(doc, f"{SPANS_KEY}/{name}", entities, **attrs)
        docs.append(doc)
    return docs


def measure(records: Sequence[Record], labels: Sequence[str], method: str) -> dict[str, Any]:
    """Aggregate a corpus as `xner aggregate` does between reading and writing.

    RETURNS (Dict[str, Any]): As the function of the same name in skweak_runner.py.
    """
    start = time.perf_counter()
    docs = make_docs(records, labels)
    built = time.perf_counter()
    votes = read_votes(docs)
    set_aggregate(docs, votes, aggregate_votes(votes, method=Method(method)))
    end = time.perf_counter()
    entities = [[(s.start, s.end, s.label_) for s in doc.spans[SPANS_KEY]] for doc in docs]
    return {"seconds": end - built, "build": built - start, "entities": entities}


def run_side(side: str, data: Mapping[str, Any], python: Path) -> dict[str, Any]:
    """Measure all methods of a side in a process of its own.

    side (str): One of SIDES.
    data (Mapping[str, Any]): "labels" and "corpora".
    python (Path): The interpreter that has skweak.
    RETURNS (Dict[str, Any]): "methods": by method and corpus, see `measure`; "versions".
    RAISES (BadParameter): If the process fails, with the last line that it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "votes.json", Path(folder) / "figures.json"
        source.write_text(json.dumps(data), encoding="utf8")
        # Isolated: neither our packages nor the scripts in this folder are found there.
        program = [str(python), "-I", str(RUNNER)]
        if side == "xner":
            program = [sys.executable, __file__, "measure"]
        process = subprocess.run(
            [*program, str(source), str(target)],
            env={**os.environ, **dict.fromkeys(THREADS, "1")},
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode:
            lines = (process.stdout + process.stderr).strip().splitlines() or ["no message"]
            hint = f" An environment with skweak is made by: {ENVIRONMENT}"
            text = f"Cannot measure {side} with {program[0]}: {lines[-1]}."
            raise typer.BadParameter(text + (hint if side == "skweak" else ""))
        result: dict[str, Any] = json.loads(target.read_text(encoding="utf8"))
        return result


def score(
    entities: Mapping[str, Sequence[Any]], gold: Mapping[str, Sequence[Doc]], labels: Sequence[str]
) -> dict[str, Counts]:
    """What F1 needs, by language.

    entities (Mapping[str, Sequence]): By language, for each document, (start, end, label).
    gold (Mapping[str, Sequence[Doc]]): By language.
    labels (Sequence[str]): The classes that count.
    """
    counts = {}
    for language, docs in gold.items():
        pairs = zip(docs, entities[language], strict=True)
        examples = [Example(with_entities(doc, found), doc) for doc, found in pairs]
        counts[language] = sentence_counts(*entity_sets(examples, labels, language=language))
    return counts


def teacher_scores(
    corpora: Mapping[str, Sequence[Record]], gold: Mapping[str, Sequence[Doc]], labels: list[str]
) -> dict[str, float]:
    """Macro F1 of the teachers: their "mean", and of the best one of each language ("oracle")."""
    means, best = [], []
    for language, records in corpora.items():
        names = sorted({name for record in records for name in record["votes"]})
        found = [
            score(
                {language: [record["votes"].get(name, []) for record in records]},
                {language: gold[language]},
                labels,
            )
            for name in names
        ]
        figures = [f1_from_counts(counts[language]) for counts in found]
        means.append(statistics.fmean(figures))
        best.append(max(figures))
    return {"mean": statistics.fmean(means), "oracle": statistics.fmean(best)}


def compare(
    labels: Sequence[str],
    corpora: Mapping[str, Sequence[Record]],
    gold: Mapping[str, Sequence[Doc]],
    *,
    python: Path,
    scored: Sequence[str],
    rounds: int,
    samples: int = 1000,
) -> dict[str, Any]:
    """Measure both sides in turn, and score what they found in the first round.

    labels (Sequence[str]): The classes that are voted for.
    corpora (Mapping[str, Sequence[Record]]): By language; each is aggregated by itself.
    gold (Mapping[str, Sequence[Doc]]): By language.
    python (Path): The interpreter that has skweak.
    scored (Sequence[str]): The classes that count.
    rounds (int): Processes a side.
    samples (int): Of the paired bootstrap.
    RETURNS (Dict[str, Any]): JSON-able. "systems": by name macro "f1", "languages" and
        "docs_per_second" over all corpora, of the aggregation alone and with making the documents;
        "differences" of ours to each of skweak's, see `paired_bootstrap_macro`; "speed_ratios",
        medians over the rounds of ours divided by skweak's; "teachers".
    """
    data = {"labels": list(labels), "corpora": dict(corpora)}
    turns = [{side: run_side(side, data, python) for side in SIDES} for _ in range(rounds)]
    n_docs = sum(map(len, corpora.values()))
    systems: dict[str, dict[str, Any]] = {}
    counts: dict[str, dict[str, Counts]] = {}
    for side in SIDES:
        for method, found in turns[0][side]["methods"].items():
            name = f"{side} {method}"
            entities = {language: row["entities"] for language, row in found.items()}
            counts[name] = score(entities, gold, scored)
            rows = {language: f1_from_counts(row) for language, row in counts[name].items()}
            times = [list(turn[side]["methods"][method].values()) for turn in turns]
            alone = [sum(row["seconds"] for row in time) for time in times]
            build = [sum(row["build"] for row in time) for time in times]
            whole = [a + b for a, b in zip(alone, build, strict=True)]
            systems[name] = {
                "f1": statistics.fmean(rows.values()),
                "languages": rows,
                "docs_per_second": {
                    "aggregation": {"rounds": [n_docs / x for x in alone]},
                    "with_documents": {"rounds": [n_docs / x for x in whole]},
                },
            }
            for speed in systems[name]["docs_per_second"].values():
                speed["median"] = statistics.median(speed["rounds"])
    names = [[name for name in systems if name.startswith(side)] for side in SIDES]
    pairs = [(a, b) for a in names[0] for b in names[1]]
    return {
        "docs": n_docs,
        "tokens": sum(record["tokens"] for records in corpora.values() for record in records),
        "teachers": teacher_scores(corpora, gold, list(scored)),
        "systems": systems,
        "differences": {
            f"{a} - {b}": paired_bootstrap_macro(
                [(counts[a][language], counts[b][language]) for language in gold], samples=samples
            )
            for a, b in pairs
        },
        "speed_ratios": {f"{a} / {b}": ratio(systems[a], systems[b]) for a, b in pairs},
        "rounds": rounds,
        "skweak": turns[0]["skweak"]["versions"],
    }


def ratio(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> float:
    """The median over the rounds of one system's speed of aggregation in that of another."""
    rounds = [system["docs_per_second"]["aggregation"]["rounds"] for system in (ours, theirs)]
    return statistics.median(a / b for a, b in zip(*rounds, strict=True))


def show(result: Mapping[str, Any]) -> None:
    """Print the tables."""
    rows = []
    for name, system in result["systems"].items():
        speeds = [f"{speed['median']:,.0f}" for speed in system["docs_per_second"].values()]
        cells = [f"{100 * f1:.1f}" for f1 in system["languages"].values()]
        rows.append((name, *cells, f"{100 * system['f1']:.2f}", *speeds))
    languages = list(next(iter(result["systems"].values()))["languages"])
    header = ("system", *languages, "F1", "docs/s", "with docs")
    msg.table(rows, header=header, aligns=("l", *"r" * (len(header) - 1)), divider=True)
    teachers = result["teachers"]
    msg.info(
        f"{result['docs']} documents; one teacher by itself: mean {100 * teachers['mean']:.2f}, "
        f"the best of each (oracle) {100 * teachers['oracle']:.2f}"
    )
    rows = []
    for name, speed in zip(result["differences"], result["speed_ratios"].values(), strict=True):
        found = result["differences"][name]
        low, high = (100 * bound for bound in found["interval"])
        rows.append(
            (
                name,
                f"{100 * found['difference']:+.2f}",
                f"{low:+.2f} to {high:+.2f}",
                f"{speed:.1f}",
            )
        )
    header = ("ours - skweak's", "F1", "95 %", "times as fast")
    msg.table(rows, header=header, aligns=("l", "r", "r", "r"), divider=True)


@command("compare", group=app)
def compare_command(
    python: Annotated[Path, typer.Option(help="Interpreter of an environment with skweak.")],
    silver: Annotated[
        Path | None, typer.Option(help="Folder: one folder or .spacy file of votes a language.")
    ] = None,
    gold: Annotated[
        Path | None, typer.Option(help="Folder with <language>-test.spacy or <language>.spacy.")
    ] = None,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Drawn votes of teachers that err independently.")
    ] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Corpora that are drawn.")] = 5,
    docs: Annotated[int, typer.Option(min=1, help="Documents of each.")] = 600,
    teachers: Annotated[int, typer.Option(min=2, help="Teachers that are drawn.")] = 5,
    labels: Annotated[str, typer.Option(help="Classes that count.")] = "PER,LOC,ORG",
    rounds: Annotated[int, typer.Option(min=1, help="Processes a side, in turn.")] = 3,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file for the figures.")
    ] = None,
) -> None:
    """Compare F1 and speed on the votes of an ensemble, or on drawn ones."""
    if not python.exists():
        raise XnerError(Errors.X601.format(path=python))
    files: dict[str, Path] = {}
    if synthetic:
        known, corpora, answers = draw_corpora(seeds, docs, teachers)
    elif silver and gold:
        files = {"silver": silver, "gold": gold}
        known, corpora, answers = read_corpora(silver, gold)
    else:
        raise typer.BadParameter("Give --silver and --gold, or --synthetic.")
    scored = [label for label in labels.split(",") if label]
    result = compare(known, corpora, answers, python=python, scored=scored, rounds=rounds)
    result["provenance"] = provenance(models={}, files=files)
    show(result)
    if output is not None:
        write_json(output, result)
        msg.good(f"Wrote the figures to {output}")


@command("measure", group=app, hidden=True)
def measure_command(
    source: Annotated[Path, typer.Argument(help="JSON with the votes.")],
    target: Annotated[Path, typer.Argument(help="JSON file for the figures.")],
) -> None:
    """Measure our side in this process."""
    data = json.loads(source.read_text(encoding="utf8"))
    labels, corpora = data["labels"], data["corpora"]
    methods: dict[str, dict[str, Any]] = {}
    for method in Method:
        measure(next(iter(corpora.values()))[:WARMUP], labels, method)
        methods[method] = {
            name: measure(records, labels, method) for name, records in corpora.items()
        }
    target.write_text(json.dumps({"methods": methods}), encoding="utf8")


if __name__ == "__main__":
    app()
