"""Trim a Unigram tokenizer and the rows of an embedding table to what some texts need.

Most weights of a small multilingual encoder are word embeddings, and most of their rows belong to
languages that a corpus does not contain. A piece that lies on no best segmentation of the texts
can be removed without changing any of those segmentations: a Viterbi search keeps the first best
edge into each position, that edge is kept, and its rivals can only lose. (Abdaoui et al. 2020,
"Load What You Need", remove rows by language in the same spirit.)
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors, XnerError
from ..hashing import hash_folder
from .checkpoint import LOCAL, Manifest, TextDigest, new_folder, save_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

METASPACE = "\u2581"
BYTE = re.compile("<0x[0-9A-F]{2}>")
CHUNK = 2000  # texts that are tokenised in one call


def check_unigram(tokenizer: "Tokenizer", source: object) -> None:
    """Refuse a tokenizer that is not Unigram: in BPE or WordPiece a removed piece changes others.

    RAISES (XnerError): X105.
    """
    found = type(tokenizer.model).__name__
    if found != "Unigram":
        raise XnerError(Errors.X105.format(path=source, found=found))


def needed_pieces(
    tokenizer: "Tokenizer", texts: Iterable[str], *, least: int = 0
) -> NDArray[np.int64]:
    """Find the pieces to keep: those used on the texts, fallbacks (`_fallbacks`), special tokens.

    tokenizer (Tokenizer): A Unigram tokenizer of the `tokenizers` library.
    texts (Iterable[str]): Read once.
    least (int): Where the texts need fewer pieces, the most probable others fill up to so many.
    RETURNS (NDArray[int64]): Old ids in ascending order; the new id of each is its position, so
        special tokens at the front keep their ids.
    """
    spec = json.loads(tokenizer.to_str())
    vocab = spec["model"]["vocab"]
    keep = np.zeros(tokenizer.get_vocab_size(with_added_tokens=True), dtype=bool)
    keep[[token["id"] for token in spec["added_tokens"]]] = True
    if spec["model"]["unk_id"] is not None:
        keep[spec["model"]["unk_id"]] = True
    keep[_fallbacks([piece for piece, _ in vocab])] = True
    # An unknown character costs 10 more than the least probable piece: keep that piece.
    keep[min(range(len(vocab)), key=lambda i: vocab[i][1])] = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    for chunk in _chunks(texts):
        for encoding in tokenizer.encode_batch_fast(chunk, add_special_tokens=False):
            keep[encoding.ids] = True
    others = sorted((i for i in range(len(vocab)) if not keep[i]), key=lambda i: -vocab[i][1])
    keep[others[: max(0, least - int(keep.sum()))]] = True
    return np.flatnonzero(keep)


def _fallbacks(pieces: list[str]) -> list[int]:
    """The pieces that keep any other text readable, and out of the unknown token.

    Single characters, alone and after the metaspace; bytes, into which some tokenizers cut what
    they do not know; and whatever holds a character that has no piece of its own. With these, a
    text that the full tokenizer can cut into pieces can be cut into kept ones: a piece that is
    dropped has all of its characters.

    pieces (List[str]): Of the full tokenizer.
    RETURNS (List[int]): Their positions.
    """
    alone = {piece for piece in pieces if len(piece) == 1}
    return [
        i
        for i, piece in enumerate(pieces)
        if len(piece.removeprefix(METASPACE)) <= 1 or BYTE.fullmatch(piece) or set(piece) - alone
    ]


def trim_tokenizer(tokenizer: "Tokenizer", kept: NDArray[np.int64]) -> "Tokenizer":
    """Make a tokenizer that has only some of the pieces, numbered anew.

    tokenizer (Tokenizer): A Unigram tokenizer.
    kept (NDArray[int64]): Old ids in ascending order, as :func:`needed_pieces` returns them.
    RETURNS (Tokenizer): Without truncation and padding.
    """
    from tokenizers import Tokenizer

    new_id = {int(old): new for new, old in enumerate(kept)}
    spec = json.loads(tokenizer.to_str())
    model = spec["model"]
    model["vocab"] = [entry for i, entry in enumerate(model["vocab"]) if i in new_id]
    if model["unk_id"] is not None:
        model["unk_id"] = new_id[model["unk_id"]]
    for token in spec["added_tokens"]:
        token["id"] = new_id[token["id"]]
    spec["truncation"] = spec["padding"] = None
    spec["post_processor"] = _renumber(spec["post_processor"], new_id)
    return Tokenizer.from_str(json.dumps(spec, ensure_ascii=False))


def trim_checkpoint(
    source: Path, output: Path, texts: Iterable[str], *, least: int = 0
) -> Manifest:
    """Write a copy of a checkpoint that keeps only the pieces that some texts need.

    Hidden states on these texts are those of the source. Only the encoder is kept, no task head.

    source (Path): A folder with a fast Unigram tokenizer and a model that has input embeddings.
    output (Path): The folder to write; it appears complete or not at all.
    texts (Iterable[str]): Read once.
    least (int): Pieces to keep at least, see `needed_pieces`.
    RETURNS (Manifest): What was written beside the checkpoint.
    RAISES (XnerError): X105 if the tokenizer is not Unigram, X106 if the output is in the way, X108
        if the source is not a checkpoint.
    """
    from transformers import AutoModel, AutoTokenizer

    if not source.is_dir():
        raise XnerError(Errors.X601.format(path=source))
    for name in ("config.json", "tokenizer.json"):
        if not (source / name).is_file():
            raise XnerError(Errors.X108.format(path=source, reason=f"it has no {name}"))
    with new_folder(output) as folder:
        tokenizer = AutoTokenizer.from_pretrained(source, **LOCAL)
        check_unigram(tokenizer.backend_tokenizer, source)
        digest = TextDigest()
        kept = needed_pieces(tokenizer.backend_tokenizer, digest.watch(texts), least=least)
        save_tokenizer(trim_tokenizer(tokenizer.backend_tokenizer, kept), folder, like=tokenizer)
        try:
            model, report = AutoModel.from_pretrained(
                source, use_safetensors=True, output_loading_info=True, **LOCAL
            )
        except (OSError, ValueError) as err:
            raise XnerError(Errors.X108.format(path=source, reason=err)) from err
        if kept[-1] >= (rows := model.get_input_embeddings().num_embeddings):
            reason = f"{kept[-1] + 1} pieces for {rows} embeddings"
            raise XnerError(Errors.X108.format(path=source, reason=reason))
        trim_model(model, kept)
        # Weights that the source does not have (a pooler) were drawn at random: leave them out.
        state = {k: v for k, v in model.state_dict().items() if k not in report["missing_keys"]}
        model.save_pretrained(folder, state_dict=state)
        manifest = Manifest(hash_folder(source), len(kept), digest.hexdigest(), least=least)
        manifest.write(folder)
    return manifest


def trim_model(model: Any, kept: NDArray[np.int64]) -> None:
    """Keep only some rows of a model's input embeddings, in place.

    RAISES (XnerError): X108 if the padding gets another number and positions are counted from it.
    """
    import torch

    old = model.get_input_embeddings()
    new_id = {int(old): new for new, old in enumerate(kept)}
    counted_from = getattr(getattr(model, "embeddings", None), "padding_idx", None)
    if counted_from is not None and new_id.get(counted_from) != counted_from:
        reason = (
            f"its positions are counted from piece {counted_from}, which is not among the first"
        )
        raise XnerError(Errors.X108.format(path=type(model).__name__, reason=reason))
    padding = new_id.get(old.padding_idx) if old.padding_idx is not None else None
    rows = old.weight.detach()[torch.from_numpy(kept)].clone()
    model.set_input_embeddings(
        torch.nn.Embedding.from_pretrained(rows, freeze=False, padding_idx=padding)
    )
    model.config.vocab_size = len(kept)
    for key, value in model.config.to_dict().items():
        if key.endswith("_token_id") and isinstance(value, int):
            setattr(model.config, key, new_id.get(value))


def _renumber(spec: Any, new_id: Mapping[int, int]) -> Any:
    """Put new ids into a post-processor: template lists of ``ids`` and (token, id) pairs."""
    if isinstance(spec, dict):
        return {
            key: [new_id[i] for i in value] if key == "ids" else _renumber(value, new_id)
            for key, value in spec.items()
        }
    if isinstance(spec, list):
        if len(spec) == 2 and isinstance(spec[0], str) and type(spec[1]) is int:
            return [spec[0], new_id[spec[1]]]
        return [_renumber(value, new_id) for value in spec]
    return spec


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    texts = iter(texts)
    while chunk := list(islice(texts, CHUNK)):
        yield chunk
