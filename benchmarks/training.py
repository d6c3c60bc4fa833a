"""Training throughput: spaCy's own loop against a plain PyTorch loop over the same batches.

Both sides train the same encoder with the same layers and the same frozen word embeddings on the
same batches in the same order, in turn, so that whatever else the machine does hits both. The
plain loop tokenises its texts once, before the clock starts, and keeps nothing but arrays.
"""

import random
import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, NamedTuple, cast
from unittest.mock import patch

import numpy as np
import spacy.language
import spacy_transformers.layers.transformer_model as trf_model
import torch
import transformers
import typer
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import create_train_batches, train_while_improving
from spacy.util import load_config, registry, resolve_dot_names
from spacy_transformers.align import get_alignment_via_offset_mapping
from thinc.api import Config, fix_random_seed
from torch import nn
from transformers import AutoModel, AutoTokenizer
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.corpora.columns import read_sentences
from spacy_xner.corpora.docs import to_docbin
from spacy_xner.errors import Errors, XnerError
from spacy_xner.evaluation.provenance import provenance
from spacy_xner.labels import iob2_tags
from spacy_xner.ml.transformer import freeze, torch_module
from spacy_xner.shards import write_bytes
from spacy_xner.training.targets import targets
from spacy_xner.util import write_json

app = typer.Typer(pretty_exceptions_enable=False)
ROOT = Path(__file__).parents[1]

FORWARD, BACKWARD, OPTIMISER, OTHER = "encoder forward", "backward", "optimiser", "other"
ALIGN, LOSS, COPIES = "tokenisation and alignment", "targets and loss", "copies of documents"
PARTS = (FORWARD, BACKWARD, OPTIMISER, ALIGN, LOSS, COPIES, OTHER)

Hooks = list[tuple[str, Any, str]]
"""(part, owner, name): the time spent in the owner's function of that name counts for the part."""


class Encoded(NamedTuple):
    """A document for the plain loop: sub-word ids, and place and tag of each token's first one."""

    ids: list[int]
    first: list[int]
    tags: list[int]


class SpacySide:
    """What `spacy train` does between two evaluations."""

    def __init__(self, config: Config) -> None:
        self.nlp = init_nlp(config)
        resolved = self.nlp.config.interpolate()
        fix_random_seed(resolved["training"]["seed"])
        self.settings = registry.resolve(resolved["training"], schema=ConfigSchemaTraining)
        (self.corpus,) = resolve_dot_names(resolved, [self.settings["train_corpus"]])
        self.pipe = cast(Any, self.nlp.get_pipe("xner"))
        self.encoder = cast(Any, torch_module(self.pipe.model.get_ref("tok2vec")))

    def batches(self, count: int) -> list[list[Example]]:
        """The first batches of training, over as many epochs as it takes, without empty docs."""
        found = create_train_batches(self.nlp, self.corpus, self.settings["batcher"], 0)
        batches = ([eg for eg in batch if len(eg.predicted)] for _, batch in found)
        return list(islice(filter(None, batches), count))

    def train(self, batches: list[list[Example]]) -> None:
        """One update a batch, by spaCy's generator; its one evaluation costs nothing here."""
        settings = self.settings
        steps = train_while_improving(
            self.nlp,
            settings["optimizer"],
            ((0, batch) for batch in batches),
            lambda: (0.0, {}),
            dropout=settings["dropout"],
            eval_frequency=len(batches) + 1,
            accumulate_gradient=settings["accumulate_gradient"],
            patience=0,
            max_steps=0,
            exclude=settings["frozen_components"],
            annotating_components=settings["annotating_components"],
            before_update=settings["before_update"],
        )
        for _ in steps:
            pass

    def hooks(self) -> Hooks:
        """Where the time goes."""
        return [
            (FORWARD, self.encoder, "forward"),
            (BACKWARD, torch.autograd, "backward"),
            (OPTIMISER, self.pipe, "finish_update"),
            (ALIGN, trf_model, "huggingface_tokenize"),
            (ALIGN, trf_model, "get_alignment_via_offset_mapping"),
            (LOSS, self.pipe, "get_loss"),
            (COPIES, spacy.language, "_copy_examples"),
        ]


class PlainSide:
    """The loop one would write without spaCy: a linear layer on first sub-words."""

    def __init__(self, tok2vec: dict[str, Any], optimizer: dict[str, Any], *, tags: int) -> None:
        name = tok2vec["name"]
        self.tokenizer = AutoTokenizer.from_pretrained(name, **tok2vec.get("tokenizer_config", {}))
        layers = tok2vec.get("transformer_config", {})
        self.encoder = AutoModel.from_pretrained(name, **layers).train()
        freeze(
            self.encoder,
            embeddings=tok2vec.get("freeze_embeddings", True),
            layers=tok2vec.get("frozen_layers", 0),
        )
        self.head = nn.Linear(self.encoder.config.hidden_size, tags)
        module = nn.ModuleList([self.encoder, self.head])
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.grad_clip = optimizer["grad_clip"]
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=optimizer["learn_rate"]["initial_rate"],
            betas=(optimizer["beta1"], optimizer["beta2"]),
            eps=optimizer["eps"],
            weight_decay=optimizer["L2"],
        )

    def encode(self, example: Example, side: SpacySide) -> Encoded:
        """Tokenise a document and find the first sub-word of each token that teaches something."""
        doc = example.predicted
        # One sequence a document: see `sequences_of_one_window`.
        encoding = self.tokenizer(doc[:].text, return_offsets_mapping=True, truncation=True)
        offsets: Any = np.asarray([encoding["offset_mapping"]])
        alignment: Any = get_alignment_via_offset_mapping([doc[:]], offsets)
        starts = np.cumsum(alignment.lengths) - alignment.lengths
        target, weights = targets(example, side.pipe.labels, side.pipe.label_map)
        kept = np.flatnonzero((alignment.lengths > 0) & (weights > 0))
        first = alignment.dataXd[starts[kept]].tolist()
        return Encoded(encoding["input_ids"], first, target.argmax(axis=1)[kept].tolist())

    def train(self, batches: list[list[Encoded]]) -> None:
        """One update a batch."""
        for batch in batches:
            ids, mask, rows, tags = self.collate(batch)
            hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            self.loss(hidden.flatten(0, 1)[rows], tags).backward()
            self.update()

    def collate(self, batch: list[Encoded]) -> tuple[torch.Tensor, ...]:
        """Padded ids, attention mask, places in the flattened batch, and tags there."""
        width = max(len(doc.ids) for doc in batch)
        ids = torch.full((len(batch), width), self.tokenizer.pad_token_id)
        mask = torch.zeros((len(batch), width), dtype=torch.long)
        for i, doc in enumerate(batch):
            ids[i, : len(doc.ids)] = torch.tensor(doc.ids)
            mask[i, : len(doc.ids)] = 1
        rows = [i * width + place for i, doc in enumerate(batch) for place in doc.first]
        tags = [tag for doc in batch for tag in doc.tags]
        return ids, mask, torch.tensor(rows), torch.tensor(tags)

    def loss(self, vectors: torch.Tensor, tags: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of a batch."""
        return nn.functional.cross_entropy(self.head(vectors), tags)

    def update(self) -> None:
        """Clip, step, forget the gradient."""
        nn.utils.clip_grad_norm_(self.parameters, self.grad_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def hooks(self) -> Hooks:
        """Where the time goes; what is left is `collate`."""
        return [
            (FORWARD, self.encoder, "forward"),
            (BACKWARD, torch.autograd, "backward"),
            (OPTIMISER, self, "update"),
            (LOSS, self, "loss"),
        ]


def seconds(run: Callable[[list], Any], data: list) -> float:
    """Wall time of a call."""
    start = perf_counter()
    run(data)
    return perf_counter() - start


def profile(run: Callable[[list], Any], data: list, hooks: Hooks) -> dict[str, float]:
    """Seconds in each of PARTS during a call."""
    spent = dict.fromkeys(PARTS, 0.0)

    def clocked(func: Callable, part: str) -> Callable:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            start = perf_counter()
            try:
                return func(*args, **kwargs)
            finally:
                spent[part] += perf_counter() - start

        return wrapper

    with ExitStack() as stack:
        for part, owner, name in hooks:
            wrapper = clocked(getattr(owner, name), part)
            stack.enter_context(patch.object(owner, name, wrapper))
        total = seconds(run, data)
    spent[OTHER] = total - sum(spent.values())
    return spent


def compare(
    config: Path,
    *,
    train: Path,
    encoder: Path,
    updates: int,
    rounds: int,
    warmup: int,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure both sides in turn.

    config (Path): A training config with an `xner` component over a TransformerEncoder.
    train (Path): A .spacy file of gold or silver documents.
    encoder (Path): A checkpoint folder.
    updates (int): Updates a round; each round goes on with the next batches.
    rounds (int): Rounds a side; one more on the first round's batches is profiled.
    warmup (int): Updates before the first round, on either side.
    seed (int): Of everything random.
    RETURNS (Dict[str, Any]): JSON-able. Throughput is in sub-words a second, padding left out;
        "ratio" is the median over the rounds of spaCy's throughput in that of the plain loop.
    RAISES (XnerError): X601 for a missing path, and what reading the corpus raises.
    """
    for path in (config, train, encoder):
        if not path.exists():
            raise XnerError(Errors.X601.format(path=path))
    total = warmup + rounds * updates
    overrides = {
        "paths.train": str(train),
        "paths.dev": str(train),
        "paths.encoder": str(encoder),
        "system.seed": seed,
        "training.max_steps": total,
        **sequences_of_one_window(config),
    }
    settings = load_config(config, overrides=overrides, interpolate=True)
    tok2vec = settings["components"]["xner"]["model"]["tok2vec"]
    ours = SpacySide(load_config(config, overrides=overrides))
    batches = ours.batches(total)
    tags = len(iob2_tags(ours.pipe.labels))
    plain = PlainSide(tok2vec, settings["training"]["optimizer"], tags=tags)
    examples = {id(example): example for batch in batches for example in batch}
    known = {key: plain.encode(example, ours) for key, example in examples.items()}
    encoded = [[known[id(example)] for example in batch] for batch in batches]

    # Side, loop, its batches, and where its time goes.
    sides: list[tuple[str, Callable, list, Hooks]] = [
        ("spacy", ours.train, batches, ours.hooks()),
        ("pytorch", plain.train, encoded, plain.hooks()),
    ]
    for _, run, data, _ in sides:
        run(data[:warmup])
    parts = [slice(start, start + updates) for start in range(warmup, total, updates)]
    counts = [sum(len(doc.ids) for batch in encoded[part] for doc in batch) for part in parts]
    speeds: dict[str, list[float]] = {"spacy": [], "pytorch": []}
    for part, count in zip(parts, counts, strict=True):
        for side, run, data, _ in sides:
            speeds[side].append(count / seconds(run, data[part]))
    profiles = {side: profile(run, data[parts[0]], hooks) for side, run, data, hooks in sides}
    ratios = [a / b for a, b in zip(speeds["spacy"], speeds["pytorch"], strict=True)]
    widest = [max(len(doc.ids) for doc in batch) * len(batch) for batch in encoded[warmup:]]
    return {
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "subwords_per_second": {
            side: {"median": statistics.median(found), "rounds": found}
            for side, found in speeds.items()
        },
        "seconds_per_update": {
            side: {part: time / updates for part, time in found.items()}
            for side, found in profiles.items()
        },
        **{"updates": updates, "rounds": rounds, "warmup": warmup},
        "threads": torch.get_num_threads(),
        "subwords_per_update": sum(counts) / (rounds * updates),
        "padding": 1 - sum(counts) / sum(widest),
        "layers": ours.encoder.config.num_hidden_layers,
    }


def sequences_of_one_window(config: Path) -> dict[str, Any]:
    """The setting that cuts documents to the span getter's window: each is then one sequence."""
    tok2vec = load_config(config, interpolate=False)["components"]["xner"]["model"]["tok2vec"]
    window = tok2vec["get_spans"].get("window")
    return {"corpora.train.max_length": window} if window else {}


def demo_corpus(folder: Path) -> Path:
    """The embedded corpus' training sets as one .spacy file."""
    files = sorted((ROOT / "assets" / "demo").glob("*-train.iob2"))
    sentences = [sentence for file in files for sentence in read_sentences(file, format="conll")]
    random.Random(0).shuffle(sentences)
    path = folder / "demo-train.spacy"
    write_bytes(path, to_docbin(sentences).to_bytes())
    return path


def show(result: dict[str, Any]) -> None:
    """Print the tables."""
    rows: list[tuple[str, ...]] = []
    for side, found in result["subwords_per_second"].items():
        low, high = min(found["rounds"]), max(found["rounds"])
        rows.append((side, f"{found['median']:.0f}", f"{low:.0f}-{high:.0f}"))
    msg.table(rows, header=("loop", "sub-words/s", "range"), aligns=("l", "r", "r"), divider=True)
    rows = []
    for part in PARTS:
        row = [part]
        for found in result["seconds_per_update"].values():
            row += [f"{1000 * found[part]:.1f}", f"{found[part] / sum(found.values()):.1%}"]
        rows.append(tuple(row))
    header = ("part of an update", "spacy ms", "share", "pytorch ms", "share")
    msg.table(rows, header=header, aligns=("l", "r", "r", "r", "r"), divider=True)
    msg.info(
        f"{result['layers']} layers, {result['threads']} threads, "
        f"{result['subwords_per_update']:.0f} sub-words an update, {result['padding']:.1%} padding"
    )
    low, high = min(result["ratios"]), max(result["ratios"])
    msg.good(f"spaCy's loop runs at {result['ratio']:.3f} of the plain loop ({low:.3f}-{high:.3f})")


@command("training", group=app)
def training(
    encoder: Annotated[Path, typer.Option(help="Checkpoint folder, see `xner encoder offline`.")],
    train: Annotated[
        Path | None, typer.Option(help="A .spacy file; the embedded corpus by default.")
    ] = None,
    config: Annotated[Path, typer.Option(help="Training config.")] = ROOT / "configs/teacher.cfg",
    updates: Annotated[int, typer.Option(min=1, help="Updates a round.")] = 20,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds a side, in turn.")] = 5,
    warmup: Annotated[int, typer.Option(min=1, help="Updates before the first round.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Threads of PyTorch.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of batches and dropout.")] = 0,
    output: Annotated[
        Path | None, typer.Option(help="Write the figures to this JSON file.")
    ] = None,
) -> None:
    """Compare the throughput of spaCy's loop with a plain PyTorch loop."""
    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()  # it names every weight of the layers left out
    with tempfile.TemporaryDirectory() as folder:
        train = train or demo_corpus(Path(folder))
        result = compare(
            config,
            train=train,
            encoder=encoder,
            updates=updates,
            rounds=rounds,
            warmup=warmup,
            seed=seed,
        )
        files = {"train": train, "encoder": encoder, "config": config}
        result["provenance"] = provenance(models={}, files=files, seed=seed)
    show(result)
    if output is not None:
        write_json(output, result)


if __name__ == "__main__":
    app()
