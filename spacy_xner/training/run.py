"""Train a pipeline for a number of epochs, once: the same inputs are not trained on again."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config, registry
from spacy.vocab import Vocab

from ..corpora.leakage import check_leakage
from ..encoders.checkpoint import read_manifest
from ..errors import Errors, XnerError, config_errors
from ..evaluation.provenance import package_versions
from ..hashing import hash_file, hash_folder, hash_json, strings
from ..locks import lock_folder
from ..safety import read_metadata
from ..shards import read_docs, spacy_files, write_bytes
from .checkpoints import train_whole
from .corpus import corpus_paths, read_corpus

Batcher = Callable[[Iterable[Example]], Iterable[list[Example]]]

STAMP = "train.json"
# A new output layer on a pretrained encoder needs about a hundred updates to find the entities at
# all; a corpus of a few hundred sentences is passed over more often to get there.
MIN_STEPS = 150


def count_steps(batcher: Batcher, docs: Sequence[Doc], *, epochs: float) -> int:
    """How many updates some epochs need.

    batcher (Batcher): The training's.
    docs (Sequence[Doc]): The corpus; a shuffled one may give a batch more or less.
    epochs (float): Passes over it.
    RETURNS (int): `MIN_STEPS` or more.
    """
    batches = sum(1 for _ in batcher(Example(doc, doc) for doc in docs))
    return max(MIN_STEPS, round(epochs * batches))


def training_docs(corpus: Mapping[str, Any]) -> Iterator[Doc]:
    """The documents that the reader in a config's [corpora.train] block reads.

    corpus (Mapping[str, Any]): With "path" and perhaps "folders", "limit" and "limit_each".
    RAISES (XnerError): See `shards.read_docs`.
    """
    known = {key: corpus[key] for key in ("folders", "limit", "limit_each") if key in corpus}
    return read_corpus(corpus["path"], Vocab(), **known)


def train_pipeline(
    config: Path,
    output: Path,
    *,
    overrides: Mapping[str, Any],
    epochs: float,
    against: Sequence[Path] = (),
    gpu_id: int = -1,
    finish: Callable[[Path], None] | None = None,
) -> bool:
    """Run `spacy train` unless the folder holds the result of the same run.

    A run that is stopped or killed leaves the best model so far in `model-best`, whole, and the
    next one trains anew; see `checkpoints.train_whole`.

    config (Path): A training config, as those in configs/.
    output (Path): Folder of `model-best` and `model-last`.
    overrides (Mapping[str, Any]): As on the command line of `spacy train`, without the dashes.
    epochs (float): Sets `training.max_steps`, with `MIN_STEPS` as the least, and two evaluations a
        run, unless overridden.
    against (Sequence[Path]): Evaluation sets, .spacy files or folders: the training text must not
        hold a sentence of theirs.
    gpu_id (int): -1 for the CPU.
    finish (Optional[Callable[[Path], None]]): Changes the last model, such as its meta data, before
        the run counts as done.
    RETURNS (bool): False if nothing was to be done.
    RAISES (XnerError): X601 if a path is missing, X607 for a malformed config, X308 if a path is
        not set, X206 if evaluation sentences are among the training text, X701 if another process
        trains into the folder, and what reading the corpus raises.
    """
    if not config.is_file():
        raise XnerError(Errors.X601.format(path=config))
    with config_errors(config):
        found = load_config(config, overrides=dict(overrides), interpolate=True)
    for name in ("train", "dev"):
        if found.get("corpora", {}).get(name, {}).get("path") is None:
            details = {"key": f"corpora.{name}.path", "expected": f"a path (--paths.{name})"}
            raise XnerError(Errors.X308.format(value=None, **details))
    corpus = found["corpora"]["train"]
    docs = list(training_docs(corpus))
    if against:
        evaluation = (doc.text for path in against for doc in read_docs(path, Vocab()))
        check_leakage((doc.text for doc in docs), evaluation)
    with config_errors(config):
        batcher = registry.resolve({"it": found.get("training", {}).get("batcher")})["it"]
    steps = count_steps(batcher, docs, epochs=epochs)
    settings = {
        "training.max_steps": steps,
        "training.eval_frequency": max(1, steps // 2),
        **overrides,
    }
    key = _key(found, settings)
    with lock_folder(output):
        if _is_done(output, key):
            return False
        stamp = output / STAMP
        stamp.unlink(missing_ok=True)
        with config_errors(config):
            plain = load_config(config, overrides=settings, interpolate=False)
            train_whole(plain, output, gpu_id=gpu_id, finish=finish)
        text = json.dumps({"key": key, "settings": settings}, indent=2, default=str) + "\n"
        write_bytes(stamp, text.encode("utf8"))
    return True


def _key(config: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """SHA-256 over the interpolated config and all that it reads: corpora, encoder, label files."""
    corpora = [config["corpora"][name] for name in ("train", "dev")]
    paths = {Path(text) for text in strings(config) if text and Path(text).exists()}
    # Of a folder of languages only those count that are read.
    paths -= {Path(corpus["path"]) for corpus in corpora}
    for corpus in corpora:
        for path in corpus_paths(corpus["path"], corpus.get("folders")):
            paths.update(spacy_files(path))
    data = {
        "config": config,
        "settings": settings,
        "read": sorted([str(path), digest(path)] for path in paths),
        "version": package_versions().get("spacy-xner"),
    }
    return hash_json(data)


def digest(path: Path) -> str:
    """A hash of a file, or of a folder; an encoder that was built here counts by its inputs."""
    if path.is_file():
        return hash_file(path, algorithm="sha256")
    manifest = read_manifest(path)  # an encoder built here says in a line what it was built from
    return str(manifest) if manifest is not None else hash_folder(path)


def _is_done(output: Path, key: str) -> bool:
    try:
        found = read_metadata(output / STAMP)["key"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False
    return found == key and (output / "model-last").is_dir()
