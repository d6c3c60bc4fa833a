"""``xner convert``: column files to .spacy, or to plain text."""

import random
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..errors import Errors, XnerError
from ._app import command


@command("convert")
def convert(
    input: Annotated[Path, typer.Argument(help="Column file: a token a line.")],
    output: Annotated[Path, typer.Argument(help="The .spacy file, or with --text the .txt file.")],
    format: Annotated[
        str, typer.Option("--format", "-f", help="conll, uner, wikineural or germeval.")
    ],
    labels: Annotated[
        Path | None, typer.Option(help="JSON map: label to label, or to '' to drop the class.")
    ] = None,
    lang: Annotated[str, typer.Option(help="Language code, kept with each Doc.")] = "xx",
    text: Annotated[
        bool, typer.Option("--text", help="Write only the tokens, one sentence a line.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out sentences with a malformed line.")
    ] = False,
    min_tokens: Annotated[int, typer.Option(min=1, help="Shortest sentence to keep.")] = 1,
    limit: Annotated[int, typer.Option(min=0, help="Random sample of so many; 0 for all.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 0,
) -> None:
    """Convert a column corpus: tags become strict IOB2, labels go through a map."""
    from ..corpora.columns import Report, read_sentences
    from ..corpora.docs import to_docbin
    from ..corpora.label_map import read_label_map
    from ..shards import write_bytes

    report = Report()
    label_map = read_label_map(labels) if labels else None
    found = read_sentences(input, format=format, labels=label_map, skip_bad=skip_bad, report=report)
    kept = [sentence for sentence in found if len(sentence.tokens) >= min_tokens]
    if not kept:
        raise XnerError(Errors.X207.format(path=input, skipped=report.skipped_sentences))
    if 0 < limit < len(kept):
        chosen = sorted(random.Random(seed).sample(range(len(kept)), limit))
        kept = [kept[i] for i in chosen]
    output.parent.mkdir(parents=True, exist_ok=True)
    if text:
        lines = "".join(" ".join(sentence.tokens) + "\n" for sentence in kept)
        write_bytes(output, lines.encode("utf-8"))
    else:
        write_bytes(output, to_docbin(kept, lang=lang).to_bytes())
    msg.table(
        {
            "sentences read": report.sentences,
            "sentences written": len(kept),
            "tokens read": report.tokens,
            "entities read": _counts(report.entities),
            "tags repaired": _counts(report.repaired),
            "empty tokens dropped": report.empty_tokens,
            "tokens split": report.split_tokens,
            "sentences skipped": f"{report.skipped_sentences} ({report.skipped_lines} bad lines)",
        }
    )
    msg.good(f"Wrote {output}")


def _counts(counter: dict[str, int]) -> str:
    return ", ".join(f"{key} {counter[key]}" for key in sorted(counter)) or "0"
