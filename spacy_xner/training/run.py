"""Train a pipeline for a number of epochs, once: the same inputs are not trained on again."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spacy.util import load_config
from spacy.vocab import Vocab

from ..errors import Errors, XnerError
from ..evaluation.provenance import package_versions
from ..hashing import hash_file
from ..shards import read_docs, spacy_files, write_bytes

STAMP = "xner.json"
# A new output layer on a pretrained encoder needs about a hundred updates to find the entities at
# all; a corpus of a few hundred sentences is passed over more often to get there.
MIN_STEPS = 150


def count_steps(
    train: Path,
    *,
    epochs: float,
    batch_words: int,
    limit: int = 0,
    folders: list[str] | None = None,
) -> int:
    """How many updates some epochs over a corpus need.

    train (Path): A .spacy file or a folder of them.
    epochs (float): Passes over the corpus.
    batch_words (int): Tokens a batch, padding included.
    limit (int): Documents that are read at most; 0 for all.
    folders (List[str]): Sub-folders that are read; None for all.
    RETURNS (int): 1 or more.
    """
    lengths = []
    for path in [train / name for name in folders] if folders else [train]:
        lengths += [len(doc) for doc in read_docs(path, Vocab())]
    words = sum(lengths[: limit or None])
    return max(1, round(epochs * words / batch_words))


def train_pipeline(
    config: Path,
    output: Path,
    *,
    overrides: Mapping[str, Any],
    epochs: float,
    gpu_id: int = -1,
) -> bool:
    """Run `spacy train` unless the folder holds the result of the same run.

    config (Path): A training config with a padded batcher, as those in configs/.
    output (Path): Folder of `model-best` and `model-last`.
    overrides (Mapping[str, Any]): As on the command line of `spacy train`, without the dashes.
    epochs (float): Sets `training.max_steps`, with `MIN_STEPS` as the least, and two evaluations a
        run, unless overridden.
    gpu_id (int): -1 for the CPU.
    RETURNS (bool): False if nothing was to be done.
    RAISES (XnerError): X601 if a path is missing, and what reading the corpus raises.
    """
    from spacy.cli.train import train

    if not config.is_file():
        raise XnerError(Errors.X601.format(path=config))
    found = load_config(config, overrides=dict(overrides), interpolate=True)
    corpus = found["corpora"]["train"]
    steps = count_steps(
        Path(corpus["path"]),
        epochs=epochs,
        batch_words=found["training"]["batcher"]["size"],
        limit=corpus.get("limit", 0),
        folders=corpus.get("folders"),
    )
    steps = max(steps, MIN_STEPS)
    settings = {
        "training.max_steps": steps,
        "training.eval_frequency": max(1, steps // 2),
        **overrides,
    }
    stamp = {"key": _key(config, settings, corpus, found["corpora"]["dev"]), "settings": settings}
    if _read(output / STAMP) == stamp and (output / "model-last").is_dir():
        return False
    (output / STAMP).unlink(missing_ok=True)
    train(config, output, use_gpu=gpu_id, overrides=settings)
    text = json.dumps(stamp, indent=2, default=str) + "\n"
    write_bytes(output / STAMP, text.encode("utf8"))
    return True


def _key(config: Path, settings: Mapping[str, Any], *corpora: Mapping[str, Any]) -> str:
    files = [
        [file.name, hash_file(file)]
        for corpus in corpora
        for folder in corpus.get("folders") or [""]
        for file in spacy_files(Path(corpus["path"]) / folder)
    ]
    encoder = Path(str(settings.get("paths.encoder", ""))) / STAMP
    data = {
        "config": config.read_text(encoding="utf8"),
        "settings": {key: str(value) for key, value in settings.items()},
        "files": files,
        "encoder": encoder.read_text(encoding="utf8") if encoder.is_file() else None,
        "version": package_versions().get("spacy-xner"),
    }
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf8")) if path.is_file() else None
