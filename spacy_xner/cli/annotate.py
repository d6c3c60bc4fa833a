"""`xner annotate` and `xner inspect`: make silver annotations, and look at them."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ._app import command
from ._util import load_pipeline, setup_gpu, write_json


@command("annotate")
def annotate_command(
    model: Annotated[str, typer.Argument(help="Pipeline with a teacher_ensemble.")],
    source: Annotated[Path, typer.Argument(help=".txt, .jsonl or .spacy file, or a folder.")],
    output: Annotated[Path, typer.Argument(help="Folder for the .spacy shards.")],
    tokenised: Annotated[
        bool, typer.Option("--tokenised", help="White space separates the tokens.")
    ] = False,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Evaluation sets that the text must not contain; may be repeated."),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many texts, 0 for all.")] = 0,
    shard_size: Annotated[int, typer.Option(min=1, help="Documents a shard.")] = 2000,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out texts that cannot be used, and count.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", "-F", help="Replace the shards of another run.")
    ] = False,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Annotate raw text with the ensemble; an interrupted run goes on where it stopped."""
    from tqdm import tqdm

    from ..annotate import annotate, find_ensemble, run_key
    from ..corpora.columns import Report
    from ..corpora.docs import read_text
    from ..corpora.leakage import check_leakage
    from ..teachers.faults import tell_faults

    report = Report()
    texts = read_text(source, tokenised=tokenised, skip_bad=skip_bad, report=report)
    records = list(islice(texts, limit or None))
    if against:
        evaluation = (record.text for path in against for record in read_text(path))
        check_leakage((record.text for record in records), evaluation)
    setup_gpu(gpu_id)
    nlp = load_pipeline(model)
    pipe = find_ensemble(nlp)
    pipe.load()
    settings = {"tokenised": tokenised, "limit": limit, "shard_size": shard_size}
    key = run_key(nlp, source, **settings, skip_bad=skip_bad)
    with tqdm(total=len(records), unit="doc", desc=str(source), disable=None) as bar:
        shards = annotate(
            nlp, records, output, key=key, shard_size=shard_size, force=force, progress=bar.update
        )
    if report.skipped_lines:
        msg.warn(f"Left out {report.skipped_lines} texts that cannot be used")
    if faults := tell_faults(pipe.teachers):
        msg.warn(f"Left out answers of {faults}")
    msg.good(f"{sum(s['docs'] for s in shards)} documents in {len(shards)} shards", output)


@command("inspect")
def inspect_command(
    silver: Annotated[Path, typer.Argument(help="A .spacy file or a folder of shards.")],
    top: Annotated[int, typer.Option(min=0, help="Disputed sentences to list.")] = 5,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file for the figures.")
    ] = None,
) -> None:
    """Show label counts, certainty, agreement between teachers and the most disputed sentences."""
    from spacy.vocab import Vocab

    from ..inspect import describe
    from ..shards import read_docs

    found = describe(read_docs(silver, Vocab()), top=top)
    msg.divider(f"{found['docs']} documents, {found['tokens']} tokens")
    rows = [
        [label, str(row["count"]), f"{row['score']:.3f}"]
        for label, row in found["entities"].items()
    ]
    msg.table(rows, header=["Label", "Entities", "Mean score"], aligns=["l", "r", "r"])
    msg.table(
        {
            "tokens marked missing": f"{100 * found['missing']:.2f} %",
            "entropy a token": f"{found['entropy']:.3f} nats",
            "confidence": f"{found['confidence']:.3f}",
        }
    )
    weights = [[name, f"{weight:.3f}"] for name, weight in found["weights"].items()]
    msg.table(weights, header=["Teacher", "Mean weight"], aligns=["l", "r"])
    agreement = [
        [pair, "-" if value is None else f"{100 * value:.1f}"]
        for pair, value in found["agreement"].items()
    ]
    if agreement:
        msg.table(agreement, header=["Teachers", "Agreement (F1)"], aligns=["l", "r"])
    for entry in found["disputed"]:
        msg.text(f"[{entry['entropy']:.3f}] {entry['text']}")
        for name, spans in entry["votes"].items():
            msg.text(f"    {name}: {', '.join(f'{a}-{b} {label}' for a, b, label in spans) or '-'}")
    if output is not None:
        write_json(output, found)
        msg.good(f"Wrote the figures to {output}")
