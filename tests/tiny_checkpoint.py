"""A tiny encoder with random weights that reads letters, and languages that differ in letters."""

import random
from pathlib import Path

from spacy_xner.encoders.checkpoint import save_tokenizer

LAYERS, WIDTH = 2, 16
LETTERS = {"north": "abcdef", "south": "ghijkl", "islands": "mnopqr"}


def save_tiny_checkpoint(folder: Path, *, seed: int = 0, positions: int = 256) -> Path:
    import torch
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    pieces = ["<s>", "<pad>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz"]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("."), "isolated")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "model_max_length": positions}
    save_tokenizer(tokenizer, folder, **special)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=positions,
        pad_token_id=1,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def sentences(letters: str, count: int, *, seed: int = 0) -> list[str]:
    """Sentences of three to six words of the given letters."""
    pick = random.Random(f"{letters} {seed}")
    return [
        " ".join("".join(pick.choices(letters, k=4)) for _ in range(pick.randint(3, 6)))
        for _ in range(count)
    ]


def save_unigram_checkpoint(folder: Path, *, seed: int = 0) -> Path:
    """A tiny encoder whose pieces are single letters and all pairs of letters."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    letters = "abcdefghijklmnopqrstuvwxyzABL"
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = ["\u2581", *letters, *(a + b for a in letters for b in letters)]
    scores = random.Random(seed)
    vocab = [(s, 0.0) for s in special] + [(p, -3.0 - scores.random()) for p in pieces]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=3, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token"), special, strict=True))
    save_tokenizer(tokenizer, folder, **names, model_max_length=256)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=256,
        pad_token_id=1,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder
