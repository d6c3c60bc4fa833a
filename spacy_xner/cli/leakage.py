"""``xner leakage``: does unlabelled text contain evaluation sentences?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ._app import command


@command("leakage")
def leakage(
    text: Annotated[list[Path], typer.Argument(help="Files or folders: .txt, .jsonl, .spacy.")],
    against: Annotated[
        list[Path], typer.Option(help="Evaluation set, file or folder; may be repeated.")
    ],
    format: Annotated[
        str, typer.Option(help="Column format of the evaluation sets, if they are column files.")
    ] = "",
    drop: Annotated[
        Path | None, typer.Option(help="Write the text without the matches to this .txt file.")
    ] = None,
) -> None:
    """Compare text with evaluation sets: exits with 1 and names the first matches, if any."""
    from ..corpora.leakage import find_leaks, leakage_error
    from ..corpora.raw_text import read_text
    from ..shards import write_bytes

    texts = [record.text for path in text for record in read_text(path)]
    total, leaks = find_leaks(texts, _evaluation(against, format))
    if drop is not None:
        leaked = {position for position, _, _ in leaks}
        kept = [" ".join(t.split()) for i, t in enumerate(texts) if i not in leaked]
        drop.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(drop, "".join(f"{line}\n" for line in kept).encode("utf-8"))
        msg.good(f"Dropped {len(leaks)} of {total} texts, wrote {drop}")
    elif leaks:
        raise leakage_error(total, leaks)
    else:
        msg.good(f"No leakage: {total} texts share nothing with the evaluation sets")


def _evaluation(paths: list[Path], format: str) -> Iterator[str]:
    from ..corpora.columns import read_sentences
    from ..corpora.raw_text import read_text

    for path in paths:
        if format:
            yield from (" ".join(s.tokens) for s in read_sentences(path, format=format))
        else:
            yield from (record.text for record in read_text(path))
