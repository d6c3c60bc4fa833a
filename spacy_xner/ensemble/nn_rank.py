"""NN-Rank (Ebrahimi et al. 2025, arXiv 2510.03202): target tokens vote for their nearest sources.

Each sub-word of unlabelled target text votes with its k nearest neighbours among the sub-words of
all sources, by the cosine of hidden states h. With N_k(x) the neighbours of x in the joint pool:

    tally_s  = sum over target x of | N_k(x) in the pool of s |
    weight_s = tally_s / sum over sources of their tallies

All sources have as many vectors in the pool. The search is exact: it looks at every pair, block by
block. Below a million vectors that takes seconds to minutes, and an index would save little.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..encoders.features import TokenFeatures
from ..errors import Errors, XnerError

Vectors = NDArray[np.float32]

CHUNK = 64
"""Texts that are encoded at once, so that little is encoded that a sample does not need."""
ROWS, COLUMNS = 256, 4096
"""Target and source vectors that are compared at once: 4 MiB of cosines, and 8 MiB to sort them."""


class Ranking(NamedTuple):
    """How near sources are to targets.

    pool (int): Sub-words of each source.
    targets (Dict[str, Dict[str, Any]]): By target its "weights" and "tallies" by source, and the
        number of its "tokens".
    """

    pool: int
    targets: dict[str, dict[str, Any]]


def rank_sources(
    sources: Mapping[str, Sequence[str]],
    targets: Mapping[str, Sequence[str]],
    encode: TokenFeatures,
    *,
    pool: int = 5000,
    target_tokens: int = 2000,
    neighbours: int = 10,
    seed: int = 0,
) -> Ranking:
    """Weigh source languages for targets by raw text alone.

    A target that is itself among the sources is left out of them. All sources give as many
    sub-words as the one with the least text has.

    sources, targets (Mapping[str, Sequence[str]]): Sentences by language.
    encode (TokenFeatures): See `load_token_features`.
    pool, target_tokens (int): Sub-words of each source and of each target, at most.
    neighbours (int): Votes of each sub-word of a target.
    seed (int): Of the samples.
    RETURNS (Ranking): See there.
    RAISES (XnerError): X428 for a target without sources, X427 for a text without tokens.
    """
    for name in targets:
        if not set(sources) - {name}:
            raise XnerError(Errors.X428.format(target=name))
    for name, texts in [*sources.items(), *targets.items()]:
        if not texts:
            raise XnerError(Errors.X427.format(name=name))
    pools = {name: sample_tokens(encode, texts, pool, seed=seed) for name, texts in sources.items()}
    size = min(map(len, pools.values()))
    entries = {}
    for name, texts in targets.items():
        tokens = sample_tokens(encode, texts, target_tokens, seed=seed)
        others = {source: rows[:size] for source, rows in pools.items() if source != name}
        tallies = tally(tokens, others, k=neighbours)
        entries[name] = {"weights": shares(tallies), "tallies": tallies, "tokens": len(tokens)}
    return Ranking(size, entries)


def sample_tokens(encode: TokenFeatures, texts: Sequence[str], count: int, *, seed: int) -> Vectors:
    """Vectors of a text's first sub-words, after its sentences were shuffled.

    encode (TokenFeatures): See `load_token_features`.
    texts (Sequence[str]): Sentences, one or more.
    count (int): Sub-words to take, 1 or more; a text with fewer gives all.
    seed (int): Of the shuffle.
    RETURNS (Array of shape (sub-words, width)): At most `count` rows.
    """
    order = np.random.default_rng(seed).permutation(len(texts))
    rows: list[Vectors] = []
    for start in range(0, len(order), CHUNK):
        rows += encode([texts[i] for i in order[start : start + CHUNK]])
        if sum(map(len, rows)) >= count:
            break
    return np.concatenate(rows)[:count]


def nearest(queries: Vectors, pool: Vectors, k: int) -> NDArray[np.intp]:
    """The k nearest neighbours by cosine, by exact search in bounded memory.

    queries (Array of shape (n, width)): A zero vector is equally far from all.
    pool (Array of shape (m, width)): Where to look.
    k (int): 1 or more; a pool with fewer vectors gives all of them.
    RETURNS (Array of shape (n, min(k, m))): Rows of the pool, the nearest first. Which of several
        equally near ones comes first or is left out is not specified, but always the same.
    """
    queries, pool = _unit(queries), _unit(pool)
    found = np.zeros((len(queries), min(k, len(pool))), dtype=np.intp)
    for row in range(0, len(queries), ROWS):
        part = queries[row : row + ROWS]
        cosines, ids = np.zeros((len(part), 0), np.float32), np.zeros((len(part), 0), np.intp)
        for column in range(0, len(pool), COLUMNS):
            more = part @ pool[column : column + COLUMNS].T
            best = _best(more, k)
            cosines = np.concatenate([cosines, np.take_along_axis(more, best, axis=1)], axis=1)
            ids = np.concatenate([ids, best + column], axis=1)
            best = _best(cosines, k)
            cosines = np.take_along_axis(cosines, best, axis=1)
            ids = np.take_along_axis(ids, best, axis=1)
        order = np.argsort(-cosines, axis=1, kind="stable")
        found[row : row + ROWS] = np.take_along_axis(ids, order, axis=1)
    return found


def _unit(rows: Vectors) -> Vectors:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)


def _best(values: Vectors, k: int) -> NDArray[np.intp]:
    """Columns of the k largest values of each row, in any order."""
    width = values.shape[1]
    if width <= k:
        return np.tile(np.arange(width), (len(values), 1))
    return np.argpartition(values, width - k, axis=1)[:, width - k :]


def tally(target: Vectors, pools: Mapping[str, Vectors], *, k: int = 10) -> dict[str, int]:
    """How many neighbours of the target's tokens come from each source.

    target (Array of shape (tokens, width)): Of the target.
    pools (Mapping[str, Array of shape (tokens, width)]): By source, one or more. Of each, the first
        ones are used, as many as the smallest pool has.
    k (int): Neighbours of each token.
    RETURNS (Dict[str, int]): In the order of the pools; their sum is tokens times k.
    RAISES (XnerError): X427 for a text without tokens.
    """
    for name, rows in {**pools, "of the target": target}.items():
        if not len(rows):
            raise XnerError(Errors.X427.format(name=name))
    size = min(map(len, pools.values()))
    owners = nearest(target, np.concatenate([rows[:size] for rows in pools.values()]), k) // size
    counts = np.bincount(owners.ravel(), minlength=len(pools))
    return dict(zip(pools, counts.tolist(), strict=True))


def rank(scores: Mapping[str, float]) -> list[str]:
    """Names by falling score; equal ones keep their order.

    scores (Mapping[str, float]): Tallies or weights.
    RETURNS (List[str]): The best first.
    """
    return sorted(scores, key=lambda name: -scores[name])


def shares(tallies: Mapping[str, int]) -> dict[str, float]:
    """Tallies, divided by their sum.

    tallies (Mapping[str, int]): Not all 0.
    RETURNS (Dict[str, float]): In the same order; sum 1.
    """
    total = sum(tallies.values())
    return {name: count / total for name, count in tallies.items()}


def select(weights: Mapping[str, float], *, top: int | None, equal: bool) -> dict[str, float]:
    """Hear only the best.

    weights (Mapping[str, float]): Numbers of 0 or more, by source; one or more.
    top (Optional[int]): How many to hear, 1 or more; None for all.
    equal (bool): The chosen ones alike, and not in proportion to their weights. They are alike too
        where all of their weights are 0.
    RETURNS (Dict[str, float]): In the same order; sum 1, and 0 for those left out.
    """
    chosen = rank(weights)[:top]
    total = sum(weights[name] for name in chosen)
    values = {
        name: 1 / len(chosen) if equal or not total else weights[name] / total for name in chosen
    }
    return {name: values.get(name, 0.0) for name in weights}
