"""What the settings of an export give: words a second, and how many labels stay the same.

All variants in one process, in turn, on the same documents.
"""

import statistics
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import spacy
import typer
from spacy.language import Language
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.corpora.raw_text import read_text
from spacy_xner.evaluation.provenance import provenance
from spacy_xner.pipeline.export import export_pipeline
from spacy_xner.util import load_pipeline, write_json

app = typer.Typer(pretty_exceptions_enable=False)

VARIANTS: dict[str, dict[str, Any]] = {
    "float32": {"precision": "float32"},
    "7 bits, a scale a column": {},
    "7 bits, a scale a matrix": {"per_channel": False},
    "8 bits, a scale a column": {"reduce_range": False},
    "8 bits, a scale a matrix": {"per_channel": False, "reduce_range": False},
}
TORCH = "torch"
HEADER = ("variant", "sub-words at once", "words/s", "labels unchanged", "of those in entities")


def labels(nlp: Language, texts: list[str]) -> tuple[np.ndarray, float]:
    """The best tag of each word, and the seconds that it took, tokenisation by spaCy apart."""
    docs = [nlp.make_doc(text) for text in texts]
    start = time.perf_counter()
    rows: Any = nlp.get_pipe("xner").predict(docs)  # type: ignore[attr-defined]
    seconds = time.perf_counter() - start
    return np.concatenate(rows).argmax(axis=1), seconds


@command("exporting", group=app)
def exporting(
    model: Annotated[Path, typer.Argument(help="A trained student over a transformer.")],
    texts: Annotated[Path, typer.Argument(help="Raw text: .txt, .jsonl, ... or a folder.")],
    output: Annotated[Path, typer.Argument(help="JSON file for the figures.")],
    size: Annotated[
        list[int] | None, typer.Option(help="Sub-words at once; repeated. 256, 1024 and 4096.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Texts.")] = 500,
    rounds: Annotated[int, typer.Option(min=1, help="Of each, in turn.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Of PyTorch and ONNX Runtime.")] = 1,
) -> None:
    """Compare ways to export with the pipeline in torch."""
    import torch

    torch.set_num_threads(threads)
    read = [record.text for record in islice(read_text(texts), limit)]
    nlp = load_pipeline(model)
    contenders: dict[tuple[str, int], Language] = {(TORCH, 0): nlp}
    with TemporaryDirectory() as folder:
        for name, how in VARIANTS.items():
            path = Path(folder, name)
            export_pipeline(nlp, **how).to_disk(path)
            for count in size or (256, 1024, 4096):
                settings = {"max_subwords": count, "threads": threads}
                blocks = {f"components.xner.model.tok2vec.{k}": v for k, v in settings.items()}
                contenders[name, count] = spacy.load(path, config=blocks)
    expected, _ = labels(nlp, read)
    entities = expected > 0
    runs: dict[tuple[str, int], list[float]] = {key: [] for key in contenders}
    same: dict[tuple[str, int], tuple[float, float]] = {}
    for contender in contenders.values():
        labels(contender, read[:32])  # what is done once is not counted
    for _ in range(rounds):
        for key, contender in contenders.items():
            found, seconds = labels(contender, read)
            runs[key].append(seconds)
            equal = found == expected
            same[key] = float(equal.mean()), float(equal[entities].mean())
    words = sum(len(text.split()) for text in read)
    result: list[dict[str, Any]] = [
        {
            "variant": name,
            "max_subwords": count,
            "words_per_second": words / statistics.median(runs[name, count]),
            "same": same[name, count][0],
            "same_in_entities": same[name, count][1],
            "seconds": runs[name, count],
        }
        for name, count in contenders
    ]
    rows = [
        (
            row["variant"],
            str(row["max_subwords"] or "-"),
            f"{row['words_per_second']:,.0f}",
            f"{100 * row['same']:.2f} %",
            f"{100 * row['same_in_entities']:.2f} %",
        )
        for row in result
    ]
    msg.table(rows, header=HEADER, aligns=("l", *"r" * 4), divider=True)
    about = {"words": words, "texts": len(read), "threads": threads}
    files = {"texts": texts, "model": model}
    write_json(
        output, {"variants": result, **about, "provenance": provenance(models={}, files=files)}
    )
    msg.good("Wrote the figures", output)


if __name__ == "__main__":
    app()
