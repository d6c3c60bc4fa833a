"""`xner annotate` and `xner inspect`: make silver annotations, and look at them."""

import sys
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from wasabi import msg

from ..errors import Errors, TooManyFailuresError, XnerError
from ..util import load_pipeline, setup_gpu, write_json
from ._app import command

# Exit codes beside 0 (done), 1 (an error that the message explains) and 2 (wrong usage). A signal
# gives 128 and its number, as in a shell: 130 for Ctrl-C, 143 for SIGTERM.
TOO_MANY_FAILURES = 3


@command("annotate")
def annotate_command(
    model: Annotated[str, typer.Argument(help="Pipeline with a teacher_ensemble.")],
    source: Annotated[
        Path,
        typer.Argument(help="Folder, or .txt, .jsonl (also .gz, .zst), .spacy, .parquet; - reads."),
    ],
    output: Annotated[Path, typer.Argument(help="Folder for the .spacy shards.")],
    tokenised: Annotated[
        bool, typer.Option("--tokenised", help="White space separates the tokens.")
    ] = False,
    stdin_format: Annotated[
        Literal["txt", "jsonl"], typer.Option(help="What standard input holds.")
    ] = "txt",
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Evaluation sets that the text must not contain; may be repeated."),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many texts, 0 for all.")] = 0,
    shard_size: Annotated[int, typer.Option(min=1, help="Texts a shard.")] = 2000,
    max_failures: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Stop where a larger share of texts fails.")
    ] = 0.01,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="This machine, or Ray Data.")
    ] = "local",
    workers: Annotated[int, typer.Option(min=1, help="Processes, or actors of Ray.")] = 1,
    address: Annotated[str, typer.Option(help="Of a Ray cluster; else Ray starts here.")] = "",
    force: Annotated[
        bool, typer.Option("--force", "-F", help="Replace the shards of another run.")
    ] = False,
    mix: Annotated[
        bool, typer.Option("--mix", help="Keep the shards of another run, annotate the rest.")
    ] = False,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Annotate raw text with the ensemble; an interrupted run goes on where it stopped.

    Exit codes: 0 done, 1 an error, 2 wrong usage, 3 too many texts failed, 130 Ctrl-C, 143 SIGTERM.
    """
    from ..annotate import run_key, run_parts
    from ..corpora.leakage import check_leakage
    from ..corpora.raw_text import STDIN, TextSource, read_text
    from ..jobs.annotator import Annotator, pipeline_identity
    from ..jobs.local import in_processes
    from ..jobs.progress import Progress, open_log
    from ..jobs.ray_engine import with_ray
    from ..jobs.run import Engine, run_job
    from ..jobs.signals import Stopped, stop_on_signals
    from ..teachers.faults import tell_faults

    if source == STDIN and (against or engine == "ray"):
        option = "--engine ray" if engine == "ray" else "--against"
        raise XnerError(Errors.X462.format(option=option))
    opened: dict[str, Any] = {"tokenised": tokenised, "stdin_format": stdin_format}
    texts = TextSource(source, **opened)
    if against:
        evaluation = (record.text for path in against for record in read_text(path))
        looked_at = islice(texts.items(), limit or None)
        check_leakage((item.text or "" for _, item in looked_at), evaluation)
    setup_gpu(gpu_id)
    nlp = load_pipeline(model)
    settings = {"tokenised": tokenised, "limit": limit, "shard_size": shard_size}
    parts = run_parts(nlp, source, **settings)
    job: dict[str, Any] = {"key": run_key(parts), "max_failures": max_failures}
    # Other processes load teachers of their own; nobody else keeps these.
    alone = engine == "local" and workers == 1
    who: dict[str, Any] = {"identity": pipeline_identity(parts)}
    annotator = Annotator(model, output, gpu_id=gpu_id, nlp=nlp if alone else None, **who, **job)
    del nlp
    how: dict[str, Any] = {"force": force, "mix": mix, "limit": limit, "shard_size": shard_size}
    try:
        with (
            stop_on_signals(),
            open_log(output) as log,
            Progress(log, share=texts.read_share, title=str(source)) as progress,
        ):
            run: Engine
            if engine == "ray":
                found = {"path": source.resolve(), **opened}
                run = with_ray(model, output, found, workers=workers, address=address, **who, **job)
            elif workers > 1:
                run = in_processes(model, output, workers=workers, gpu_id=gpu_id, **who, **job)
            else:
                run = annotator.engine
            with progress.run(**job, engine=engine, workers=workers):
                entries = run_job(
                    texts.items(), output, run, parts=parts, watcher=progress, **how, **job
                )
    except Stopped as stop:
        msg.warn(f"Stopped by {stop}: what is done stays, the same command goes on from there")
        sys.exit(128 + stop.signum)
    except TooManyFailuresError as err:
        msg.fail(str(err))
        sys.exit(TOO_MANY_FAILURES)
    annotator.close()
    if faults := tell_faults(annotator.faults):
        msg.warn(f"Left out answers of {faults}")
    if failed := sum(entry["failed"] for entry in entries):
        msg.warn(f"Left out {failed} texts that failed", output / "dead-letters")
    msg.good(f"{sum(e['docs'] for e in entries)} documents in {len(entries)} shards", output)


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
