"""Weigh silver tokens by their neighbours: a label that like words bear is trusted (CoLaDa).

After Ma et al. (2023), CoLaDa: A Collaborative Label Denoising Framework for Cross-lingual Named
Entity Recognition. The labels are those of the silver annotations.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.util import minibatch
from spacy.vocab import Vocab

from .encoders.words import WordFeatures, load_word_features
from .errors import Errors, XnerError
from .hashing import hash_folder
from .jobs.shard import Entry
from .rewrite import input_files, rewrite
from .shards import read_docs
from .silver import has_silver, read_silver, write_silver

# Raised when the same silver would give other weights, so that no old shards are kept.
REVISION = 1
# The slope of the sigmoid, from the paper.
SLOPE = 6.0
# Texts that are encoded at once, and similarities that are held at once.
TEXTS = 256
CELLS = 8_000_000


def token_types(distribution: NDArray[np.float64]) -> NDArray[np.int64]:
    """The class of each token's most probable tag: 0 for O, then the labels in order.

    distribution (Array of shape (tokens, tags)): Columns of `iob2_tags`.
    RETURNS (Array[int] of shape (tokens,)).
    """
    return (distribution.argmax(axis=1) + 1) // 2


def count_alike(
    queries: NDArray[np.float32],
    types: NDArray[np.int64],
    references: NDArray[np.float32],
    reference_types: NDArray[np.int64],
    themselves: NDArray[np.int64],
    *,
    k: int,
) -> NDArray[np.int64]:
    """How many of each token's k nearest references, by cosine, are of its own type.

    The search is exact. No token is its own neighbour. Of tokens as near as the
    k-th all may count, up to k in all.

    queries (Array of shape (Q, width)): Of length 1.
    types (Array[int] of shape (Q,)): Of the queries.
    references (Array of shape (R, width)): Of length 1.
    reference_types (Array[int] of shape (R,)): Of the references.
    themselves (Array[int] of shape (Q,)): Which reference a query is itself, -1 for none.
    k (int): Where there are fewer other references, all of them are neighbours.
    RETURNS (Array[int] of shape (Q,)): From 0 to k.
    """
    counts = np.zeros(len(queries), dtype=np.int64)
    if not len(references):
        return counts
    rows, others = max(1, CELLS // len(references)), max(len(references) - k, 0)
    for start in range(0, len(queries), rows):
        block = slice(start, start + rows)
        alike = queries[block] @ references.T
        own = np.flatnonzero(themselves[block] >= 0)
        alike[own, themselves[block][own]] = -np.inf
        least = np.partition(alike, others, axis=1)[:, others, None]
        # Where k takes all there are, the least is the token itself.
        near = (alike >= least) & (alike > -np.inf)
        same = near & (reference_types == types[block][:, None])
        counts[block] = np.minimum(same.sum(axis=1), k)
    return counts


def neighbour_weights(counts: NDArray[np.int64], types: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights from the number of neighbours of the same type, relative to the token's class.

    c_i = n_i / max n over the class, and w_i = sigmoid(6 (c_i - mean c of the class)), divided by
    its maximum over the class.

    counts (Array[int] of shape (tokens,)): n, see `count_alike`.
    types (Array[int] of shape (tokens,)): The classes.
    RETURNS (Array of shape (tokens,)): In (0, 1]; the best token of each class has 1.
    """
    weights = np.ones(len(counts))
    for label in np.unique(types):
        members = types == label
        share = counts[members] / max(counts[members].max(), 1)
        raised = 1.0 / (1.0 + np.exp(-SLOPE * (share - share.mean())))
        weights[members] = raised / raised.max()
    return weights


def corpus_weights(
    texts: Sequence[Sequence[str]],
    types: NDArray[np.int64],
    encode: WordFeatures,
    *,
    k: int = 500,
    limit: int = 50_000,
    seed: int = 0,
) -> NDArray[np.float64]:
    """The neighbour weights of all tokens of a corpus.

    Only the references are held in memory. If they are a sample, all texts are encoded twice.

    texts (Sequence[Sequence[str]]): The words of each text.
    types (Array[int] of shape (tokens,)): Of the tokens of all texts, one after the other.
    encode (WordFeatures): Gives zeros for a token that it cannot read, which keeps the weight 1.
    k (int): Neighbours.
    limit (int): Neighbours are sought among so many tokens at most, a random sample; 0 for all.
    seed (int): Of the sample.
    RETURNS (Array of shape (tokens,)): In (0, 1].
    """
    whole = not 0 < limit < len(types)
    wanted = np.ones(len(types), dtype=bool)
    if not whole:
        wanted[:] = False
        wanted[np.random.default_rng(seed).choice(len(types), limit, replace=False)] = True
    found = [(where[wanted[where]], rows[wanted[where]]) for where, rows in _encoded(texts, encode)]
    if not found:
        return np.ones(0)
    chosen, references = (np.concatenate(parts) for parts in zip(*found, strict=True))
    place = np.full(len(types), -1)
    place[chosen] = np.arange(len(chosen))
    counts = np.full(len(types), -1)
    for where, rows in [(chosen, references)] if whole else _encoded(texts, encode):
        counts[where] = count_alike(
            rows, types[where], references, types[chosen], place[where], k=k
        )
    weights = np.ones(len(types))
    known = counts >= 0
    weights[known] = neighbour_weights(counts[known], types[known])
    return weights


def _encoded(
    texts: Sequence[Sequence[str]], encode: WordFeatures
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Positions of legible tokens and their vectors, of length 1, some texts at a time."""
    done = 0
    for batch in minibatch(texts, size=TEXTS):
        rows = np.concatenate(encode(batch))
        norms = np.linalg.norm(rows, axis=1)
        legible = norms > 0
        yield done + np.flatnonzero(legible), rows[legible] / norms[legible, None]
        done += len(rows)


def weigh(
    source: Path,
    output: Path,
    encoder: Path,
    *,
    k: int = 500,
    num_hidden_layers: int = 8,
    limit: int = 50_000,
    seed: int = 0,
    force: bool = False,
) -> list[Entry]:
    """Multiply the token weights of silver shards by neighbour weights, and write new shards.

    source (Path): A .spacy file or a folder; all of it is one corpus, so give one language.
    output (Path): Folder of the new shards.
    encoder (Path): A checkpoint folder; it stays as it is.
    k, limit, seed: See `corpus_weights`.
    num_hidden_layers (int): See `load_word_features`.
    force (bool): Replace what another run has left in the folder.
    RETURNS (List[Entry]): One entry a shard.
    RAISES (XnerError): X308 for a bad setting, X005 if a document has no silver annotations, and
        what `rewrite` and `load_word_features` raise.
    """
    for key, value, least in (("k", k, 1), ("limit", limit, 0)):
        if value < least:
            raise XnerError(Errors.X308.format(key=key, value=value, expected=f"{least} or more"))
    if not encoder.is_dir():
        raise XnerError(Errors.X601.format(path=encoder))
    input_files(source, output)

    @cache
    def weights() -> list[NDArray[np.float64]]:
        """Of each document; not computed where all shards are there already."""
        texts, types = _read_types(source)
        encode = load_word_features(encoder, num_hidden_layers=num_hidden_layers)
        joined = np.concatenate(types)
        found = corpus_weights(texts, joined, encode, k=k, limit=limit, seed=seed)
        return np.split(found, np.cumsum([len(rows) for rows in types])[:-1])

    def change(docs: Sequence[Doc], before: int) -> None:
        for d, doc in enumerate(docs, start=before):
            silver = read_silver(doc)
            heavy = silver.token_weights * weights()[d]
            write_silver(doc, silver._replace(token_weights=heavy))

    settings: dict[str, Any] = {"revision": REVISION, "k": k, "layers": num_hidden_layers}
    settings |= {"limit": limit, "seed": seed, "encoder": hash_folder(encoder)}
    return rewrite(source, output, change, settings=settings, force=force)


def _read_types(source: Path) -> tuple[list[list[str]], list[NDArray[np.int64]]]:
    """The words of each document and their classes."""
    texts, types = [], []
    for number, doc in enumerate(read_docs(source, Vocab()), start=1):
        if not has_silver(doc):
            raise XnerError(Errors.X005.format(reason=f"document {number} has none"))
        texts.append([token.text for token in doc])
        types.append(token_types(read_silver(doc).distribution))
    return texts, types
