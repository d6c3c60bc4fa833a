"""Language similarity after Wu et al. 2020 (arXiv 2004.12440, section 3.3): who is like the target?

A language identifier is trained on unlabelled text of the sources, on frozen sentence features
g(x), and asked about text of a target. Its parameters are U and V (rank, width) and one embedding
mu_k (width,) a source language, together M (K, width):

    s(x, k) = g(x)^T U^T V mu_k
    L       = cross-entropy of softmax_k s(x, k) + gamma || M M^T - I ||_F^2
    tau     = Var over all target x and all k of s(x, k)
    alpha   = softmax_k( s(x, k) / tau ), for the language its mean over x

Three things are not the paper's. Features are centred on the mean of the sources' means, because
mean-pooled hidden states of all languages lie close together: without it the penalty begins in the
thousands and the identifier learns slowly. U and V start equal, so that scores are inner products
of projected vectors from the first step on, and not random. And tau has a floor, because scores
that hardly differ would otherwise be blown up to a decision.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors, XnerError, reason
from ..ml.losses import soft_cross_entropy, softmax
from ..shards import write_bytes

Array = NDArray[np.float64]

VERSION = 1
GAMMA = 0.01
MIN_TAU = 0.1
# Wu et al.'s code: AdamW whose rate falls linearly to 0, gradients clipped at norm 1.
RATE, DECAY, BETAS, EPSILON = 1e-4, 1e-5, (0.9, 0.999), 1e-8
BATCH = 32
MAX_NORM = 1.0


class Parameters(NamedTuple):
    """What is learnt: U and V of shape (rank, width), M of shape (K, width)."""

    left: Array
    right: Array
    means: Array


class Identifier(NamedTuple):
    """A trained language identifier: K languages, their parameters, the centre of the features."""

    languages: tuple[str, ...]
    parameters: Parameters
    centre: Array

    def scores(self, features: NDArray) -> Array:
        """s(x, k) of sentence features, of shape (sentences, width), as (sentences, K)."""
        return scores(features - self.centre, self.parameters)


def scores(features: Array, parameters: Parameters) -> Array:
    """s(x, k) = g(x)^T U^T V mu_k.

    features (Array of shape (sentences, width)): g(x), centred.
    parameters (Parameters): For K languages.
    RETURNS (Array of shape (sentences, K)): Any numbers.
    """
    left, right, means = parameters
    return (features @ left.T) @ (means @ right.T).T


def identifier_loss(
    features: Array,
    target: Array,
    weights: Array,
    parameters: Parameters,
    *,
    gamma: float = GAMMA,
) -> tuple[float, Parameters]:
    """The loss of the identifier and its gradient.

    With A = G U^T, B = M V^T, scores A B^T and their gradient D: dU = (D B)^T G, dV = (D^T A)^T M,
    dM = D^T A V + 4 gamma (M M^T - I) M.

    features (Array of shape (sentences, width)): G, centred.
    target (Array of shape (sentences, K)): One-hot languages.
    weights (Array of shape (sentences,)): 1 for all, or such that languages weigh alike.
    parameters (Parameters): Where to take the gradient.
    gamma (float): Weight of the orthogonality penalty.
    RETURNS (Tuple[float, Parameters]): Loss in nats, and arrays of the parameters' shapes.
    """
    left, right, means = parameters
    A, B = features @ left.T, means @ right.T
    D: Any
    loss, D = soft_cross_entropy(A @ B.T, target, weights)  # type: ignore[arg-type]
    excess = means @ means.T - np.eye(len(means))
    dA, dB = D @ B, D.T @ A
    gradient = Parameters(
        dA.T @ features, dB.T @ means, dB @ right + 4.0 * gamma * (excess @ means)
    )
    return loss + gamma * float((excess**2).sum()), gradient


def train_identifier(
    features: Mapping[str, NDArray], *, rank: int = 64, epochs: int = 10, seed: int = 0
) -> Identifier:
    """Learn to tell the source languages apart; deterministic under a seed.

    A sentence weighs the less the more its language has, so that languages weigh alike.

    features (Mapping[str, Array of shape (sentences, width)]): One array a language.
    rank (int): Rows of U and V.
    epochs (int): Passes over all sentences, in batches of 32.
    seed (int): Of the parameters' start and the order of sentences.
    RETURNS (Identifier): Of these languages, in the same order; one is enough.
    RAISES (XnerError): X425 without a language, X427 for a language without sentences.
    """
    if not features:
        raise XnerError(Errors.X425.format(found=[], expected=["one or more"]))
    _check_sentences(features)
    centre = np.stack([rows.mean(axis=0, dtype=float) for rows in features.values()]).mean(axis=0)
    centred = [rows - centre for rows in features.values()]
    rows, counts = np.concatenate(centred), np.array([len(found) for found in centred])
    gold = np.repeat(np.arange(len(counts)), counts)
    target, weights = np.eye(len(counts))[gold], (counts.mean() / counts)[gold]
    random = np.random.default_rng(seed)
    bound = 1.0 / np.sqrt(rows.shape[1])
    projection = random.uniform(-bound, bound, size=(rank, rows.shape[1]))
    means = np.stack([found.mean(axis=0) for found in centred])
    parameters = Parameters(projection, projection.copy(), means)
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
    steps = epochs * -(-len(rows) // BATCH)
    step = 0
    for _ in range(epochs):
        order = random.permutation(len(rows))
        for start in range(0, len(rows), BATCH):
            batch = order[start : start + BATCH]
            _, gradient = identifier_loss(rows[batch], target[batch], weights[batch], parameters)
            norm = np.sqrt(sum(float((g**2).sum()) for g in gradient))
            clip = min(1.0, MAX_NORM / (norm + 1e-6))
            rate = RATE * (1.0 - step / steps)
            step += 1
            for p, g, moment in zip(parameters, gradient, moments, strict=True):
                _adamw(p, g * clip, moment, step, rate)
    return Identifier(tuple(features), parameters, centre)


def _adamw(p: Array, gradient: Array, moment: tuple[Array, Array], step: int, rate: float) -> None:
    """One update in place (Loshchilov and Hutter 2019, algorithm 2)."""
    first, second = moment
    first += (1.0 - BETAS[0]) * (gradient - first)
    second += (1.0 - BETAS[1]) * (gradient**2 - second)
    scale = np.sqrt(second / (1.0 - BETAS[1] ** step)) + EPSILON
    p -= rate * (DECAY * p + first / (1.0 - BETAS[0] ** step) / scale)


def temperature(found: Array, *, minimum: float = MIN_TAU) -> float:
    """tau: the variance of all scores of a target, or the floor if that is larger.

    found (Array of shape (sentences, K)): Scores of the target's sentences.
    minimum (float): The floor, above 0.
    RETURNS (float): tau.
    """
    return max(float(np.var(found)), minimum)


def sentence_alpha(found: Array, tau: float) -> Array:
    """alpha_k(x) = softmax_k( s(x, k) / tau ).

    found (Array of shape (sentences, K)): Scores.
    tau (float): See `temperature`.
    RETURNS (Array of shape (sentences, K)): Rows sum to 1.
    """
    return softmax(found / tau)  # type: ignore[return-value,arg-type]


def language_alpha(
    identifier: Identifier, features: NDArray, sources: tuple[str, ...]
) -> tuple[dict[str, float], float]:
    """The weights of some sources for a target, from a sample of its text.

    identifier (Identifier): Knows the sources.
    features (Array of shape (sentences, width)): Of the target.
    sources (Tuple[str, ...]): The languages that take part, some or all of the identifier's.
    RETURNS (Tuple[Dict[str, float], float]): alpha by source, sum 1, and tau.
    RAISES (XnerError): X425 for sources that it does not know, or none; X427 without sentences.
    """
    if not sources or not set(sources) <= set(identifier.languages):
        found = {"found": list(sources), "expected": list(identifier.languages)}
        raise XnerError(Errors.X425.format(**found))
    _check_sentences({"of the target": features})
    rows = identifier.scores(features)[:, [identifier.languages.index(name) for name in sources]]
    tau = temperature(rows)
    alpha = sentence_alpha(rows, tau).mean(axis=0)
    return dict(zip(sources, alpha.tolist(), strict=True)), tau


def _check_sentences(features: Mapping[str, NDArray]) -> None:
    for name, rows in features.items():
        if not len(rows):
            raise XnerError(Errors.X427.format(name=name))


def save_identifier(path: Path, identifier: Identifier, metadata: Mapping[str, Any]) -> None:
    """Write an identifier as one .npz file, whole or not at all.

    path (Path): The file; the same identifier gives the same bytes.
    identifier (Identifier): What to write.
    metadata (Mapping[str, Any]): JSON-able, e.g. which encoder gave the features.
    """
    head = {"version": VERSION, "languages": list(identifier.languages), **metadata}
    arrays = {**identifier.parameters._asdict(), "centre": identifier.centre}
    buffer = io.BytesIO()
    np.savez(buffer, metadata=np.array(json.dumps(head, ensure_ascii=False)), **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, buffer.getvalue())


def load_identifier(path: Path) -> tuple[Identifier, dict[str, Any]]:
    """Read what `save_identifier` wrote; nothing in it is executed.

    path (Path): The .npz file.
    RETURNS (Tuple[Identifier, Dict[str, Any]]): The identifier, and the metadata.
    RAISES (XnerError): X601 if there is no such file, X421 if it is not an identifier.
    """
    if not path.is_file():
        raise XnerError(Errors.X601.format(path=path))
    try:
        with np.load(path, allow_pickle=False) as file:
            metadata = json.loads(str(file["metadata"]))
            parameters = Parameters(*(file[name] for name in Parameters._fields))
            centre = file["centre"]
        if metadata["version"] != VERSION:
            raise ValueError(f"version {metadata['version']}, not {VERSION}")
        width, n_languages = len(centre), len(metadata["languages"])
        shapes = [(len(parameters.left), width), parameters.left.shape, (n_languages, width)]
        if [p.shape for p in parameters] != shapes:
            raise ValueError("arrays that do not fit each other")
    except Exception as err:  # zipfile, zlib and numpy each raise their own on damaged data
        details = {"path": path, "reason": reason(err), "command": "xner similarity train"}
        raise XnerError(Errors.X421.format(**details)) from err
    return Identifier(tuple(metadata["languages"]), parameters, centre), metadata
