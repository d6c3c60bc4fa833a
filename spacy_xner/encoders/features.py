"""Vectors from a frozen encoder: hidden states of sub-words, and their mean over a sentence."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors, XnerError, reason
from .checkpoint import LOCAL

Features = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts -> array of shape (texts, width)."""

TokenFeatures = Callable[[Sequence[str]], list[NDArray[np.float32]]]
"""Texts -> for each an array of shape (sub-words, width)."""

Batches = Callable[[Sequence[str]], Iterator[tuple[list[int], Any, Any, Any]]]
"""Texts -> which of them are in a batch, and the batch's hidden states of shape (texts, pieces,
width), which pieces are there, and which of those are special tokens: torch tensors."""

BATCH = 32
MAX_LENGTH = 128


def sentence_features(
    encoder: Path, texts: Sequence[str], *, num_hidden_layers: int = 8
) -> NDArray[np.float32]:
    """The mean hidden state of each text over its sub-words, special tokens among them.

    encoder (Path): A checkpoint folder.
    texts (Sequence[str]): Of each, the first 128 sub-words are read.
    num_hidden_layers (int): Layers to use, from the bottom; an encoder with fewer uses all.
    RETURNS (Array of shape (texts, width)): In the order of the texts.
    RAISES (XnerError): X601 or X108 if there is no checkpoint, X426 without torch.
    """
    return load_features(encoder, num_hidden_layers=num_hidden_layers)(texts)


def load_features(encoder: Path, *, num_hidden_layers: int = 8) -> Features:
    """Load an encoder once, for many calls; arguments and errors as in `sentence_features`.

    RETURNS (Features): Runs where thinc runs: on the GPU after `require_gpu`.
    """
    width, batches = _load(encoder, num_hidden_layers)

    def features(texts: Sequence[str]) -> NDArray[np.float32]:
        result = np.zeros((len(texts), width), dtype=np.float32)
        for rows, states, present, _ in batches(texts):
            mask = present[..., None].to(states.dtype)
            result[rows] = ((states * mask).sum(1) / mask.sum(1)).float().cpu().numpy()
        return result

    return features


def token_features(
    encoder: Path, texts: Sequence[str], *, num_hidden_layers: int = 8
) -> list[NDArray[np.float32]]:
    """The hidden states of each text's sub-words, without special tokens.

    Arguments and errors as in `sentence_features`. A sub-word is what the encoder's tokenizer says,
    unknown ones too; words are not put together.

    RETURNS (List[Array of shape (sub-words, width)]): In the order of the texts.
    """
    return load_token_features(encoder, num_hidden_layers=num_hidden_layers)(texts)


def load_token_features(encoder: Path, *, num_hidden_layers: int = 8) -> TokenFeatures:
    """Load an encoder once, for many calls of `token_features`.

    RETURNS (TokenFeatures): Runs where thinc runs: on the GPU after `require_gpu`.
    """
    width, batches = _load(encoder, num_hidden_layers)

    def features(texts: Sequence[str]) -> list[NDArray[np.float32]]:
        result = [np.zeros((0, width), dtype=np.float32)] * len(texts)
        for rows, states, present, special in batches(texts):
            kept = present.bool() & ~special.bool()
            for i, found, mask in zip(rows, states, kept, strict=True):
                result[i] = found[mask].float().cpu().numpy()
        return result

    return features


def _load(encoder: Path, num_hidden_layers: int) -> tuple[int, Batches]:
    """Load tokenizer and model: the width of the hidden states, and what computes them."""
    model, tokenizer = load_checkpoint(encoder, num_hidden_layers)

    import torch

    def batches(texts: Sequence[str]) -> Iterator[tuple[list[int], Any, Any, Any]]:
        # Texts of like length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = tokenizer(
                [texts[i] for i in rows],
                padding=True,
                truncation=True,
                max_length=MAX_LENGTH,
                return_special_tokens_mask=True,
                return_tensors="pt",
            ).to(model.device)
            special = batch.pop("special_tokens_mask")
            with torch.inference_mode():
                states = model(**batch).last_hidden_state
            yield rows, states, batch["attention_mask"], special

    return model.config.hidden_size, batches


def load_checkpoint(encoder: Path, num_hidden_layers: int) -> tuple[Any, Any]:
    """Load the bottom layers of a frozen encoder and its tokenizer.

    encoder (Path): A checkpoint folder.
    num_hidden_layers (int): Layers to use, from the bottom; an encoder with fewer uses all.
    RETURNS (Tuple[Any, Any]): Model, where thinc runs (on the GPU after `require_gpu`), and fast
        tokenizer.
    RAISES (XnerError): X601 or X108 if there is no such checkpoint, X426 without torch.
    """
    if not encoder.is_dir():
        raise XnerError(Errors.X601.format(path=encoder))
    try:
        import torch  # noqa: F401
        from thinc.util import get_torch_default_device
        from transformers import AutoModel, AutoTokenizer
    except ImportError as err:
        raise XnerError(Errors.X426) from err
    try:
        model = _load_model(AutoModel, encoder, num_hidden_layers)
        tokenizer = AutoTokenizer.from_pretrained(encoder, **LOCAL)
        if not tokenizer.is_fast:
            raise ValueError("its tokenizer is not a fast one")
    except Exception as err:  # safetensors and tokenizers each raise their own on damaged data
        raise XnerError(Errors.X108.format(path=encoder, reason=reason(err))) from err
    return model.eval().to(get_torch_default_device()), tokenizer


def _load_model(AutoModel: Any, encoder: Path, num_hidden_layers: int) -> Any:
    """Load the bottom layers of a model, and say nothing of the layers left out."""
    from transformers import AutoConfig
    from transformers.utils import logging

    config = AutoConfig.from_pretrained(encoder, **LOCAL)
    # More layers than the checkpoint has would be drawn at random.
    config.num_hidden_layers = min(num_hidden_layers, config.num_hidden_layers)
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        return AutoModel.from_pretrained(encoder, config=config, use_safetensors=True, **LOCAL)
    finally:
        logging.set_verbosity(verbosity)
