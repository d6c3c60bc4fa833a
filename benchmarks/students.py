"""Compare students over seeds: means, standard deviations, and a paired bootstrap."""

from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any

import typer
from spacy.vocab import Vocab
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.cli._util import load_pipeline, write_json
from spacy_xner.errors import Errors, XnerError
from spacy_xner.evaluation.bootstrap import Counts, sentence_counts
from spacy_xner.evaluation.provenance import model_info, provenance
from spacy_xner.evaluation.report import entity_sets, predict, score_language
from spacy_xner.evaluation.systems import compare
from spacy_xner.shards import read_docs

app = typer.Typer(pretty_exceptions_enable=False)


@command("students", group=app)
def students(
    test: Annotated[Path, typer.Argument(help="Folder of <language>-test.spacy files.")],
    output: Annotated[Path, typer.Argument(help="JSON file for the scores.")],
    pipelines: Annotated[
        list[str], typer.Argument(metavar="NAME=PATH...", help="A name for each seed's pipeline.")
    ],
    targets: Annotated[str, typer.Option(help="Languages of the test sets.")],
    baseline: Annotated[str, typer.Option(help="The name that the others are compared with.")],
    labels: Annotated[str, typer.Option(help="Classes that count.")] = "PER LOC ORG",
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> None:
    """Score all pipelines; those of one name differ in their seed alone.

    The bootstrap resamples sentences, with the counts of each sentence summed over the seeds.
    """
    found = [option.partition("=")[::2] for option in pipelines]
    names = list(dict.fromkeys(name for name, _ in found))
    if baseline not in names:
        raise XnerError(Errors.X510.format(found=baseline, expected=", ".join(names)))
    files = {target: test / f"{target}-test.spacy" for target in targets.split()}
    gold = {target: list(read_docs(path, Vocab())) for target, path in files.items()}
    scores: dict[str, list[dict[str, Any]]] = {}
    counts: dict[str, dict[str, Counts]] = {name: {} for name in names}
    models = {}
    for number, (name, path) in enumerate(found):
        nlp = load_pipeline(path)
        models[f"{number} {name}"] = model_info(nlp)
        rows = {}
        for target, docs in gold.items():
            examples, _ = predict(nlp, docs)
            rows[target] = score_language(examples, labels.split(), language=target)
            sets = entity_sets(examples, labels.split(), language=target)
            counts[name][target] = counts[name].get(target, 0) + sentence_counts(*sets)
        scores.setdefault(name, []).append(rows)
        msg.good(f"{name}: {100 * _macro(rows):.2f}", path)
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
