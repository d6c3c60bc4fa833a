"""Compare students, or ensembles, over seeds: means, deviations, and a paired bootstrap."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any

import numpy as np
import typer
from spacy.language import Language
from spacy.vocab import Vocab
from wasabi import msg

from spacy_xner.annotate import find_ensemble
from spacy_xner.cli._app import command
from spacy_xner.ensemble.build import COMPONENT, reuse_teachers
from spacy_xner.errors import Errors, XnerError
from spacy_xner.evaluation.bootstrap import Counts, sentence_counts
from spacy_xner.evaluation.provenance import model_info, provenance
from spacy_xner.evaluation.report import entity_sets, score_language
from spacy_xner.evaluation.systems import compare, entities_of
from spacy_xner.hashing import hash_file
from spacy_xner.shards import read_docs
from spacy_xner.teachers.base import Teacher
from spacy_xner.teachers.cached import keep_answers
from spacy_xner.util import load_pipeline, write_json

app = typer.Typer(pretty_exceptions_enable=False)


@command("students", group=app)
def students(
    test: Annotated[Path, typer.Argument(help="Folder of <language>-test.spacy files.")],
    output: Annotated[Path, typer.Argument(help="JSON file for the scores.")],
    pipelines: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=PATH...",
            help="A name for each seed's pipeline; '{target}' in a path stands for the language.",
        ),
    ],
    targets: Annotated[str, typer.Option(help="Languages of the test sets.")],
    baseline: Annotated[str, typer.Option(help="The name that the others are compared with.")],
    labels: Annotated[str, typer.Option(help="Classes that count.")] = "PER LOC ORG",
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    cache: Annotated[
        Path, typer.Option(help="Folder for the scores of each pipeline, so that a run can go on.")
    ] = Path("cache/students"),
    answers: Annotated[
        Path, typer.Option(help="Folder for what the teachers of an ensemble answer.")
    ] = Path("cache/answers"),
) -> None:
    """Score all pipelines; those of one name differ in their seed alone.

    Of an ensemble all entities count, whatever their score. The bootstrap resamples sentences, with
    the counts of each sentence summed over the seeds.
    """
    found = [option.partition("=")[::2] for option in pipelines]
    names = list(dict.fromkeys(name for name, _ in found))
    if baseline not in names:
        raise XnerError(Errors.X510.format(found=baseline, expected=", ".join(names)))
    files = {target: test / f"{target}-test.spacy" for target in targets.split()}
    scores: dict[str, list[dict[str, Any]]] = {}
    counts: dict[str, dict[str, Counts]] = {name: {} for name in names}
    models = {}
    for number, (name, path) in enumerate(found):
        known = _scored(path, files, labels.split(), cache, answers)
        models[f"{number} {name}"] = known["model"]
        for target, rows in known["counts"].items():
            counts[name][target] = counts[name].get(target, 0) + np.array(rows, dtype=np.int64)
        scores.setdefault(name, []).append(known["rows"])
        msg.good(f"{name}: {100 * _macro(known['rows']):.2f}", path)
    report = {
        "labels": labels.split(),
        "students": {name: _summary(runs) for name, runs in scores.items()},
        "comparisons": {
            f"{name} - {baseline}": compare(counts[name], counts[baseline], samples=1000, seed=seed)
            for name in names
            if name != baseline
        },
        "provenance": {**provenance(models={}, files=files, seed=seed), "models": models},
    }
    write_json(output, report)
    msg.good("Wrote the scores", output)


def _scored(
    path: str, files: Mapping[str, Path], labels: Sequence[str], cache: Path, answers: Path
) -> dict[str, Any]:
    """Score a pipeline on all test sets, or read what was found for the same files before.

    RETURNS (Dict[str, Any]): JSON-able: "model"; by language, "rows" of scores and "counts" of each
        sentence.
    """
    paths = {target: path.format(target=target) for target in files}
    loaded = {folder: load_pipeline(folder) for folder in dict.fromkeys(paths.values())}
    infos = {folder: model_info(nlp) for folder, nlp in loaded.items()}
    model = infos if len(infos) > 1 else infos[paths[next(iter(files))]]
    data = {target: hash_file(file) for target, file in files.items()}
    key = hashlib.sha256(json.dumps([model, data, labels]).encode()).hexdigest()
    file = cache / f"{key}.json"
    if file.is_file():
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf8"))
        return kept
    _share_teachers(loaded.values(), answers)
    found: dict[str, Any] = {"model": model, "rows": {}, "counts": {}}
    for target, test in files.items():
        examples = entities_of(loaded[paths[target]], list(read_docs(test, Vocab())))
        found["rows"][target] = score_language(examples, labels, language=target)
        sets = entity_sets(examples, labels, language=target)
        found["counts"][target] = sentence_counts(*sets).tolist()
    write_json(file, found)
    return found


def _share_teachers(pipelines: Iterable[Language], answers: Path) -> None:
    """Let ensembles load each teacher once, and ask it once about a sentence, ever."""
    known: dict[str, Teacher] = {}
    for nlp in pipelines:
        if COMPONENT in nlp.pipe_factories.values():
            ensemble = find_ensemble(nlp)
            reuse_teachers(ensemble, known)
            ensemble.teachers = keep_answers(ensemble.teachers, answers)


def _macro(rows: dict[str, Any]) -> float:
    return fmean(row["micro"]["f1"] for row in rows.values())


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """F1 over the seeds: by language and macro average."""
    macro = [_macro(rows) for rows in runs]
    return {
        "seeds": len(runs),
        "macro": {
            "f1": macro,
            "mean": fmean(macro),
            "sd": stdev(macro) if len(macro) > 1 else None,
        },
        "languages": {
            target: {
                "f1": [rows[target]["micro"]["f1"] for rows in runs],
                "ece": [rows[target]["ece"] for rows in runs],
            }
            for target in runs[0]
        },
    }


if __name__ == "__main__":
    app()
