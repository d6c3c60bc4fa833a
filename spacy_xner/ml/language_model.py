"""A causal language model as token vectors, fine-tuned by adapters (Li et al. 2023)."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from spacy.tokens import Doc
from thinc.api import Model, torch2xp, xp2torch
from thinc.types import Floats2d

from ..errors import check_range
from ..pipeline.reading import length_batches, split_rows
from .adapter import ALL_LINEAR, AdapterSettings, AdapterShim, Quantisation
from .attention import attention_mask
from .cut import Encoded, Reading, cut_docs
from .windows import Reduce

if TYPE_CHECKING:
    import torch


def build_language_model_encoder(
    base: str,
    *,
    causal: bool = False,
    rank: int = 16,
    alpha: float = 32.0,
    dropout: float = 0.05,
    targets: list[str] | str = ALL_LINEAR,
    reduce: Reduce = "mean",
    window: int = 256,
    stride: int = 192,
    max_subwords: int = 4096,
    mixed_precision: bool = False,
    quantise: Quantisation | None = None,
) -> Model[list[Doc], list[Floats2d]]:
    """A causal language model that reads documents; only its low-rank adapters are trained.

    Registered as `spacy-xner.LanguageModelEncoder.v1`. Without the causal mask each word sees the
    words after it too, which makes language models better taggers (Li et al. 2023, Label Supervised
    LLaMA Finetuning, arXiv:2310.01208). A saved pipeline holds the adapters and the SHA-256 of the
    base, not the base, which is loaded with the first document.

    base (str): Local folder or hub name of a causal language model with a fast tokenizer.
    causal (bool): Keep the causal mask.
    rank, alpha, dropout, targets: Of the adapters, see `AdapterSettings`.
    reduce (Reduce): "first", "last" or "mean": which sub-words stand for a word. "last" is the only
        one that has seen the whole word under a causal mask.
    window, stride (int): Longer texts are read in windows of so many sub-words, whose starts lie so
        far apart.
    max_subwords (int): What the model is given at once, with padding.
    mixed_precision (bool): Load the base in bfloat16 where the processor has instructions for it.
    quantise (Optional[str]): "int8" or "nf4", with bitsandbytes; see `AdapterSettings`.
    RETURNS (Model[List[Doc], List[Floats2d]]): Arrays of shape (tokens, width). A token without a
        sub-word has zeros.
    RAISES (XnerError): X308 for a setting out of range; when initialised or used, what
        `AdapterShim.load` raises.
    """
    in_range = {
        "reduce": (reduce in ("first", "last", "mean"), '"first", "last" or "mean"'),
        "rank": (rank >= 1, "1 or more"),
        "dropout": (0.0 <= dropout < 1.0, "a number in [0, 1)"),
        "window": (window >= 1, "1 or more"),
        "stride": (1 <= stride <= window, "1 to the window's size"),
        "max_subwords": (max_subwords >= 1, "1 or more"),
        "quantise": (quantise in (None, "int8", "nf4"), 'null, "int8" or "nf4"'),
    }
    check_range(locals(), in_range)
    settings = AdapterSettings(
        base=base,
        causal=causal,
        rank=rank,
        alpha=alpha,
        dropout=dropout,
        targets=targets,
        mixed_precision=mixed_precision,
        quantise=quantise,
    )
    # Attributes are saved with a model. What may change from run to run is none of them.
    forward = partial(_forward, window=window, stride=stride, max_subwords=max_subwords)
    return Model(
        "language_model_encoder",
        forward,
        init=_init,
        dims={"nO": None},
        attrs={"reduce": reduce},
        shims=[AdapterShim(settings)],
    )


def encode(docs: Sequence[Doc], tokenizer: Any) -> list[Encoded]:
    """What a fast tokenizer of transformers says of the texts of some documents."""
    how = {"return_offsets_mapping": True, "return_special_tokens_mask": True, "verbose": False}
    found = (tokenizer(doc.text, **how) for doc in docs)
    return [Encoded(x["input_ids"], x["offset_mapping"], x["special_tokens_mask"]) for x in found]


def run(
    model: Any, reading: Reading, words: int, *, causal: bool, max_subwords: int
) -> "torch.Tensor":
    """What a language model gives for the words of some documents.

    model (torch.nn.Module): Gives hidden states.
    reading (Reading): Of the documents.
    words (int): How many they have.
    causal (bool): Keep the causal mask.
    max_subwords (int): What the model is given at once, with padding.
    RETURNS (torch.Tensor of shape (words, width)): In float32; means over the sub-words that stand
        for a word, zeros where there are none.
    """
    import torch

    device = next(model.parameters()).device
    states: list[Any] = [torch.zeros(0, model.config.hidden_size, device=device)]
    states *= 1 + len(reading.inputs)
    for batch in length_batches(reading.inputs, max_subwords):
        lengths = torch.tensor([len(reading.inputs[i]) for i in batch], device=device)
        mask = torch.arange(int(lengths.max()), device=device) < lengths[:, None]
        ids = torch.zeros(mask.shape, dtype=torch.long, device=device)
        ids[mask] = torch.tensor(
            list(chain.from_iterable(reading.inputs[i] for i in batch)), device=device
        )
        given = attention_mask(mask, model.dtype, causal=causal)
        found = model(input_ids=ids, attention_mask=given)
        for i, rows in zip(batch, found.last_hidden_state.float(), strict=True):
            first, last = reading.kept[i]
            states[1 + i] = rows[first:last]
    rows, owners = (torch.from_numpy(x).to(device) for x in (reading.rows, reading.owners))
    flat = torch.cat(states)
    counts = torch.bincount(owners, minlength=words).clamp(min=1)
    sums = torch.zeros(words, flat.shape[1], device=device).index_add(0, owners, flat[rows])
    return sums / counts[:, None]


def _init(model: Model, X: list[Doc] | None = None, Y: Any = None) -> None:
    loaded: Any = cast(AdapterShim, model.shims[0]).load()
    model.set_dim("nO", loaded.config.hidden_size)


def _forward(
    model: Model,
    docs: list[Doc],
    is_train: bool,
    *,
    window: int,
    stride: int,
    max_subwords: int,
) -> tuple[list[Floats2d], Callable]:
    import torch

    shim = cast(AdapterShim, model.shims[0])
    loaded = shim.load()
    loaded.train(is_train)
    how: dict[str, Any] = {"window": window, "stride": stride, "reduce": model.attrs["reduce"]}
    reading = cut_docs(docs, encode(docs, shim.tokenizer), **how)
    words = sum(len(doc) for doc in docs)
    causal = shim.settings.causal
    with torch.set_grad_enabled(is_train):
        vectors = run(loaded, reading, words, causal=causal, max_subwords=max_subwords)
    like: list[Any] = list(docs)
    rows: Any = torch2xp(vectors.detach())

    def backprop(gradients: list[Floats2d]) -> list[Doc]:
        if vectors.requires_grad:
            joined = model.ops.xp.concatenate(gradients)
            vectors.backward(xp2torch(joined, device=vectors.device))
        return docs

    return split_rows(model.ops, rows, like), backprop
