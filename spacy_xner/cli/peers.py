"""`xner peers`: how far each teacher agrees with the others, on text without labels."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..errors import Errors, XnerError
from ..util import load_pipeline, setup_gpu, write_json
from ._app import command


@command("peers")
def peers(
    model: Annotated[Path, typer.Argument(help="Pipeline with a teacher_ensemble.")],
    text: Annotated[Path, typer.Argument(help="Text of the target: .txt, .jsonl or .spacy.")],
    guest: Annotated[
        list[str] | None, typer.Option(help="Teacher that the others judge; repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Texts at most, 0 for all.")] = 500,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file for the figures.")
    ] = None,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Show how far the entities of each teacher agree with what the others pool.

    A guest is worth hearing if it agrees with the others at least as well as they do with each
    other. No label is read.
    """
    from ..annotate import find_ensemble
    from ..corpora.raw_text import read_text
    from ..evaluation.peers import judge
    from ..jobs.texts import to_docs

    setup_gpu(gpu_id)
    nlp = load_pipeline(model)
    pipe = find_ensemble(nlp)
    guests = guest or []
    if unknown := [name for name in guests if name not in pipe.teachers]:
        raise XnerError(Errors.X403.format(found=unknown, expected=list(pipe.teachers)))
    found = judge(pipe, list(to_docs(nlp, islice(read_text(text), limit or None))), guests)
    rows = [
        (name, f"{100 * value:.1f}", _role(name, guests, found.heard))
        for name, value in sorted(found.agreement.items(), key=lambda row: -row[1])
    ]
    msg.table(rows, header=("teacher", "agreement (F1)", "role"), aligns=("l", "r", "l"))
    if found.expected is None:
        msg.warn("Two teachers that are no guests are needed to judge guests")
    else:
        msg.info(f"The others agree with each other by {100 * found.expected:.1f} on average")
    if output:
        write_json(output, found._asdict())
        msg.good("Saved the agreement", output)


def _role(name: str, guests: list[str], heard: list[str]) -> str:
    if name not in guests:
        return ""
    return "guest, worth hearing" if name in heard else "guest, not worth hearing"
