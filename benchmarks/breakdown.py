"""Where the time of a student goes: encoder, sub-words, decoding, documents.

In one process, with the functions that do the parts under a clock each.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import typer
from spacy.language import Language
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.corpora.raw_text import read_text
from spacy_xner.errors import Errors, XnerError
from spacy_xner.evaluation.provenance import provenance
from spacy_xner.pipeline import xner as xner_module
from spacy_xner.util import load_pipeline, write_json

app = typer.Typer(pretty_exceptions_enable=False)

TOKENS, SUBWORDS, ALIGNMENT = "tokenisation", "sub-words", "alignment"
ENCODER, HEAD, DECODING, DOCS = "encoder", "head", "decoding", "entities into documents"
OTHER = "other"
PARTS = (TOKENS, SUBWORDS, ALIGNMENT, ENCODER, HEAD, DECODING, DOCS, OTHER)

Hook = tuple[str, Any, str]
"""(part, owner, name): the time in the owner's function of that name counts for the part."""


class Clock:
    """Adds up the time of parts; what runs inside another part counts for the inner one alone."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(PARTS, 0.0)
        self._inner = [0.0]

    def watch(self, part: str, func: Callable) -> Callable:
        """The same function under the clock."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            start = time.perf_counter()
            try:
                return func(*args, **kwargs)
            finally:
                seconds = time.perf_counter() - start
                self.spent[part] += seconds - self._inner.pop()
                self._inner[-1] += seconds

        return watched

    @contextmanager
    def hooked(self, hooks: Sequence[Hook]) -> Iterator[None]:
        """Put functions under the clock, and give them back afterwards."""
        with ExitStack() as stack:
            for part, owner, name in hooks:
                watched = self.watch(part, getattr(owner, name))
                stack.enter_context(patch.object(owner, name, watched))
            yield


def find_hooks(nlp: Language) -> list[Hook]:
    """What does which part in a student.

    nlp (Language): With an `xner`.
    RETURNS (List[Tuple]): Of an encoder that is not known here the whole counts as encoder.
    RAISES (XnerError): X506 without an `xner`.
    """
    if "xner" not in nlp.pipe_names:
        raise XnerError(Errors.X506.format(found=nlp.pipe_names))
    pipe: Any = nlp.get_pipe("xner")
    encoder, head = pipe.model.get_ref("tok2vec"), pipe.model.get_ref("head")
    hooks: list[Hook] = [
        (TOKENS, nlp, "make_doc"),
        (DECODING, xner_module, "decode"),
        (DOCS, pipe, "set_annotations"),
        (HEAD, head, "_func"),
    ]
    if encoder.name == "onnx_encoder":
        from spacy_xner.ml import onnx_encoder

        names = {"encode": SUBWORDS, "cut_docs": ALIGNMENT, "word_means": ALIGNMENT, "run": ENCODER}
        return [*hooks, *((part, onnx_encoder, name) for name, part in names.items())]
    if encoder.name != "transformer_encoder":
        return [*hooks, (ENCODER, encoder, "_func")]
    import spacy_transformers.layers.transformer_model as trf_model

    from spacy_xner.ml.transformer import torch_module

    return [
        *hooks,
        (SUBWORDS, trf_model, "huggingface_tokenize"),
        (ALIGNMENT, trf_model, "get_alignment_via_offset_mapping"),
        (ALIGNMENT, trf_model, "get_alignment"),
        (ENCODER, torch_module(encoder), "forward"),
    ]


def measure(nlp: Language, texts: Sequence[str], *, rounds: int) -> dict[str, Any]:
    """Run a pipeline over some texts and see where the time goes.

    nlp (Language): With an `xner`.
    texts (Sequence[str]): Given to `nlp.pipe`, once before the clock starts.
    rounds (int): How often.
    RETURNS (Dict[str, Any]): JSON-able: "shares", medians over the rounds by part; "seconds" of
        each round; "rounds", the seconds by part.
    """

    def run() -> float:
        start = time.perf_counter()
        for _ in nlp.pipe(texts):
            pass
        return time.perf_counter() - start

    run()
    found, seconds = [], []
    for _ in range(rounds):
        clock = Clock()
        with clock.hooked(find_hooks(nlp)):
            seconds.append(run())
        clock.spent[OTHER] = seconds[-1] - sum(clock.spent.values())
        found.append(clock.spent)
    shares = {
        part: statistics.median(
            spent[part] / whole for spent, whole in zip(found, seconds, strict=True)
        )
        for part in PARTS
    }
    return {"shares": shares, "seconds": seconds, "rounds": found}


@command("breakdown", group=app)
def breakdown_command(
    model: Annotated[str, typer.Argument(help="Student: folder or installed package.")],
    texts: Annotated[Path, typer.Argument(help="Raw text: .txt, .jsonl, ... or a folder.")],
    limit: Annotated[int, typer.Option(min=1, help="Texts.")] = 1000,
    rounds: Annotated[int, typer.Option(min=1, help="Passes over them.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Threads of PyTorch.")] = 1,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file for the figures.")
    ] = None,
) -> None:
    """Show which share of `nlp.pipe` each part of a student takes."""
    nlp = load_pipeline(model)
    try:
        import torch

        torch.set_num_threads(threads)
    except ImportError:  # a student that needs none
        pass
    read = [record.text for record in islice(read_text(texts), limit)]
    result = measure(nlp, read, rounds=rounds)
    rows = [(part, f"{100 * share:.1f}") for part, share in result["shares"].items()]
    msg.table(rows, header=("part", "% of the time"), aligns=("l", "r"), divider=True)
    if output is not None:
        result |= {"texts": len(read), "threads": threads}
        result["provenance"] = provenance(models={"student": nlp}, files={"texts": texts})
        write_json(output, result)
        msg.good("Wrote the figures", output)


if __name__ == "__main__":
    app()
