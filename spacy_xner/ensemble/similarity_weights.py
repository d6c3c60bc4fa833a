"""`spacy-xner.SimilarityWeights.v1`, and the file of weights that it reads.

tau and the language-level alpha are statistics of a target's text, so that they are computed once
(`xner similarity weights`) and kept as JSON:

    {"version": 1, "identifier": "<path from here>", "sha256": "<of the identifier>",
     "targets": {"<target>": {"weights": {"<source>": alpha}, "tau": tau, "sentences": n}}}

See `language_weights` for what it has in common with other files of weights.
"""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..encoders.features import Features, load_features
from ..errors import Errors, XnerError
from ..hashing import hash_file, hash_folder
from .confidence import normalise
from .language_weights import VERSION, choose_target, weights_of
from .language_weights import read_weights as read_language_weights
from .similarity import Identifier, load_identifier, sentence_alpha
from .votes import Votes
from .weights import Weights

Level = Literal["language", "sentence"]


def make_similarity_weights(
    path: str, *, level: Level = "language", target: str | None = None, encoder: str | None = None
) -> Weights:
    """Hear teachers by the likeness of their languages to the target (Wu et al. 2020).

    Registered as `spacy-xner.SimilarityWeights.v1`. Teachers bear the names of languages. Files are
    read with the first documents.

    path (str): What `xner similarity weights` wrote.
    level (str): "language": one alpha for all text of the target. "sentence": an alpha for each
        document, which costs a pass through the encoder.
    target (Optional[str]): Which target of the file; None for the only one.
    encoder (Optional[str]): Folder of the identifier's encoder if it has moved; for sentences only.
    RAISES (XnerError): X308 for another level; when called, X421 for a damaged file, X422 for
        teachers without a weight, X423 for an unknown target, X424 for a changed file.
    """
    if level not in ("language", "sentence"):
        found = {"key": "level", "value": repr(level), "expected": '"language" or "sentence"'}
        raise XnerError(Errors.X308.format(**found))

    @cache
    def table() -> dict[str, Any]:
        return read_weights(Path(path))

    @cache
    def model() -> tuple[Identifier, Features]:
        file = Path(path).parent / table()["identifier"]
        _check_hash(file, table()["sha256"])
        identifier, metadata = load_identifier(file)
        return identifier, load_encoder(file, metadata, encoder=Path(encoder) if encoder else None)

    def similarity(docs: Sequence[Doc], votes: Votes) -> NDArray[np.float64]:
        entry = choose_target(table()["targets"], target)
        alpha = weights_of(votes.names, entry["weights"], path=path)
        if level == "language":
            row = np.array([list(alpha.values())])
            return np.repeat(normalise(row), votes.probs.shape[1], axis=0)
        identifier, features = model()
        columns = [identifier.languages.index(name) for name in votes.names]
        found = identifier.scores(features([doc.text for doc in docs]))[:, columns]
        lengths = np.array(votes.lengths, dtype=int)
        return np.repeat(sentence_alpha(found, entry["tau"]), lengths, axis=0)

    return similarity


def describe_weights(
    output: Path, identifier: Path, targets: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """What the file of weights holds.

    output (Path): Where it will lie; the identifier is found from there.
    identifier (Path): The .npz file.
    targets (Mapping[str, Mapping[str, Any]]): "weights", "tau" and "sentences" of each target.
    RETURNS (Dict[str, Any]): For JSON.
    """
    return {
        "version": VERSION,
        "identifier": os.path.relpath(identifier.resolve(), output.resolve().parent),
        "sha256": hash_file(identifier, algorithm="sha256"),
        "targets": {name: dict(entry) for name, entry in targets.items()},
    }


def read_weights(path: Path) -> dict[str, Any]:
    """Read and check a file of weights.

    path (Path): JSON, see above.
    RETURNS (Dict[str, Any]): Its contents.
    RAISES (XnerError): X601 if there is no such file, X421 if it holds anything else.
    """
    return read_language_weights(path, command="xner similarity weights", check=_check_file)


def _check_file(data: dict[str, Any]) -> None:
    if not isinstance(data["identifier"] + data["sha256"], str):
        raise TypeError("no path and hash of an identifier")
    if not all(isfinite(entry["tau"]) and entry["tau"] > 0 for entry in data["targets"].values()):
        raise ValueError("tau not above 0, or not finite")


def describe_encoder(output: Path, encoder: Path, num_hidden_layers: int) -> dict[str, Any]:
    """What an identifier keeps of its encoder: path from the identifier, hash, layers.

    output (Path): The identifier's file.
    encoder (Path): A checkpoint folder.
    num_hidden_layers (int): See `sentence_features`.
    RETURNS (Dict[str, Any]): For the metadata of `save_identifier`.
    """
    return {
        "path": os.path.relpath(encoder.resolve(), output.resolve().parent),
        "sha256": hash_folder(encoder),
        "num_hidden_layers": num_hidden_layers,
    }


def load_encoder(
    path: Path, metadata: Mapping[str, Any], *, encoder: Path | None = None
) -> Features:
    """Load the encoder that an identifier was trained with.

    path (Path): The identifier's file.
    metadata (Mapping[str, Any]): Its metadata.
    encoder (Optional[Path]): The folder, if it is not where it was.
    RETURNS (Features): See `load_features`.
    RAISES (XnerError): X424 if it is another encoder, X601 if there is none, X421 if the metadata
        names none.
    """
    try:
        known = metadata["encoder"]
        folder = encoder or path.parent / known["path"]
        expected, layers = known["sha256"], known["num_hidden_layers"]
    except (KeyError, TypeError) as err:
        details = {"path": path, "reason": "no encoder", "command": "xner similarity train"}
        raise XnerError(Errors.X421.format(**details)) from err
    _check_hash(folder, expected)
    return load_features(folder, num_hidden_layers=layers)


def _check_hash(path: Path, expected: str) -> None:
    if not path.exists():
        raise XnerError(Errors.X601.format(path=path))
    found = hash_folder(path) if path.is_dir() else hash_file(path, algorithm="sha256")
    if found != expected:
        raise XnerError(Errors.X424.format(path=path, found=found, expected=expected))
