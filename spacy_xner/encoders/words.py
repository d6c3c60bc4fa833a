"""Vectors of words in their sentences, from a frozen encoder: the mean of its upper layers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .features import BATCH, MAX_LENGTH, load_checkpoint

WordFeatures = Callable[[Sequence[Sequence[str]]], list[NDArray[np.float32]]]
"""The words of some texts -> an array of shape (words, width) for each."""

UPPER = 3


def load_word_features(encoder: Path, *, num_hidden_layers: int = 8) -> WordFeatures:
    """Load an encoder that gives each word the mean of its sub-words' states.

    A state is the mean over the three upper layers of those used. A text of more than 128 sub-words
    is read in windows of that length. A word without any sub-word, such as white space, gets zeros.

    encoder (Path): A checkpoint folder with a fast tokenizer.
    num_hidden_layers (int): Layers to use, from the bottom; an encoder with fewer uses all.
    RETURNS (WordFeatures): Runs where thinc runs: on the GPU after `require_gpu`.
    RAISES (XnerError): X601 or X108 if there is no such checkpoint, X426 without torch.
    """
    model, tokenizer = load_checkpoint(encoder, num_hidden_layers)

    import torch

    def states(window: dict[str, Any]) -> NDArray[np.float32]:
        inputs = {key: value.to(model.device) for key, value in window.items()}
        with torch.inference_mode():
            layers = model(**inputs, output_hidden_states=True).hidden_states[1:]
        return torch.stack(layers[-UPPER:]).mean(0).float().cpu().numpy()

    def features(texts: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        sums = [np.zeros((len(words), model.config.hidden_size), np.float32) for words in texts]
        counts = [np.zeros((len(words), 1), np.float32) for words in texts]
        # Texts of like length share a batch, so that little of it is padding.
        order = sorted((i for i, words in enumerate(texts) if words), key=lambda i: len(texts[i]))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = tokenizer(
                [list(texts[i]) for i in rows],
                is_split_into_words=True,
                padding=True,
                truncation=True,
                max_length=MAX_LENGTH,
                return_overflowing_tokens=True,
                return_tensors="pt",
            )
            owners = batch.pop("overflow_to_sample_mapping").tolist()
            for first in range(0, len(owners), BATCH):
                window = {key: value[first : first + BATCH] for key, value in batch.items()}
                for n, found in enumerate(states(window), start=first):
                    i = rows[owners[n]]
                    pieces = [(p, w) for p, w in enumerate(batch.word_ids(n)) if w is not None]
                    for piece, word in pieces:
                        sums[i][word] += found[piece]
                        counts[i][word] += 1.0
        for total, count in zip(sums, counts, strict=True):
            total /= np.maximum(count, 1.0)
        return sums

    return features
