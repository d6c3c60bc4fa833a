"""`xner evaluate`: score a pipeline on gold documents."""

from pathlib import Path
from typing import Annotated, Any

import typer
from wasabi import msg

from ..errors import Errors, XnerError
from ..util import load_pipeline, setup_gpu, write_json
from ._app import command


def parse_data(arguments: list[str]) -> dict[str, Path]:
    """Name the data files: "name=path", or a path whose stem up to the first "-" is the name.

    arguments (List[str]): E.g. ["corpus/swa-test.spacy", "hausa=hau.spacy"].
    RETURNS (Dict[str, Path]): Path by name of the language, in order.
    RAISES (XnerError): X605 if two files have the same name.
    """
    files: dict[str, Path] = {}
    for argument in arguments:
        name, equals, rest = argument.partition("=")
        if equals and not Path(argument).exists():
            path = Path(rest)
        else:
            path = Path(argument)
            name = path.stem.split("-")[0]
        if name in files:
            raise XnerError(Errors.X605.format(language=name))
        files[name] = path
    return files


def score_table(report: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the scores: micro averages in per cent, then F1 by class."""
    labels = report["labels"]
    header = ["Language", "P", "R", "F1", *labels, "spaCy F", "ECE", "Sent.", "Words/s"]
    rows = []
    for language, row in report["languages"].items():
        classes = [row["per_type"][label] for label in labels]
        rows.append(
            [
                language,
                *(_percent(row["micro"][key]) for key in ("precision", "recall", "f1")),
                *(_percent(c["f1"] if c["support"] else None) for c in classes),
                _percent(row["spacy"]["ents_f"]),
                _percent(row["ece"]),
                str(row["sentences"]),
                f"{row['words_per_second']:.0f}",
            ]
        )
    macro = report["macro"]
    rows.append(
        [
            "macro",
            *(_percent(macro[key]) for key in ("precision", "recall", "f1")),
            *[""] * (len(labels) + 1),
            _percent(macro["ece"]),
            "",
            "",
        ]
    )
    return header, rows


def comparison_table(comparison: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the paired bootstrap, differences in F1 points."""
    header = ["Language", "F1", "F1 against", "Difference", "95 % interval", "p (one-sided)"]
    rows = [
        [
            name,
            _percent(row["f1_a"]),
            _percent(row["f1_b"]),
            f"{100 * row['difference']:+.2f}",
            " to ".join(f"{100 * bound:+.2f}" for bound in row["interval"]),
            f"{row['p_value']:.3f}",
        ]
        for name, row in [*comparison["languages"].items(), ("macro", comparison["macro"])]
    ]
    return header, rows


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


@command("evaluate")
def evaluate_command(
    model: Annotated[str, typer.Argument(help="Folder or package name of a pipeline.")],
    data: Annotated[
        list[str],
        typer.Argument(
            help=".spacy files with gold entities, or folders of them. "
            "The language is the stem up to '-', or given as 'name=path'."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file to write the scores to.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="A second pipeline for the paired bootstrap.")
    ] = None,
    labels: Annotated[
        str, typer.Option(help="Classes that count, with commas; others count as O.")
    ] = "PER,LOC,ORG",
    spans_key: Annotated[
        str, typer.Option(help="Group in doc.spans that holds the scored spans.")
    ] = "xner",
    samples: Annotated[int, typer.Option(min=1, help="Resamples of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Score a pipeline on gold documents, and compare it with a second one.

    Reports strict IOB2 scores (seqeval) by class and language, spaCy's own scores, the expected
    calibration error of the span scores, and speed.
    """
    from ..evaluation.provenance import provenance
    from ..evaluation.report import evaluate
    from ..shards import read_docs

    names = [label.strip() for label in labels.split(",") if label.strip()]
    if not names:
        raise XnerError(Errors.X606.format(labels=labels))
    files = parse_data(data)
    setup_gpu(gpu_id)
    models = {"model": load_pipeline(model)}
    if against is not None:
        models["against"] = load_pipeline(against)
    vocab = models["model"].vocab
    docs = {name: list(read_docs(path, vocab)) for name, path in files.items()}
    report = evaluate(
        models["model"],
        docs,
        names,
        against=models.get("against"),
        samples=samples,
        seed=seed,
        spans_key=spans_key,
    )
    header, rows = score_table(report)
    msg.table(rows, header=header, divider=True, aligns=["l", *["r"] * (len(header) - 1)])
    if against is not None:
        header, rows = comparison_table(report["comparison"])
        msg.table(rows, header=header, divider=True, aligns=["l", *["r"] * (len(header) - 1)])
    if output is not None:
        report["provenance"] = provenance(models=models, files=files, seed=seed)
        write_json(output, report)
        msg.good(f"Wrote the scores to {output}")
