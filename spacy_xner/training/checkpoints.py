"""Train so that a kill at any moment leaves whole models: they take their places by a rename.

spaCy saves into the folder that holds the checkpoint before it, and copies the best one file by
file. A process that ends there leaves half a model. So it saves into a folder of its own here, and
each best checkpoint is moved out of that when it is complete.
"""

import ctypes
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.training.loop import DIR_MODEL_BEST, DIR_MODEL_LAST
from spacy.training.loop import train as train_nlp
from spacy.util import registry
from thinc.api import Config

from ..checksums import write_sums

WORK = ".xner-training"
LOGGER = "xner_checkpoints"
_BEFORE = "before"
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux


def train_whole(
    config: Config,
    output: Path,
    *,
    gpu_id: int = -1,
    finish: Callable[[Path], None] | None = None,
) -> None:
    """Train as `spacy train` does, with complete models in the output folder at any moment.

    `model-best` is the best checkpoint so far, and before the first one what was there.
    `model-last` is there when training has come to its end, and not before. Both have a list of
    checksums.

    config (Config): Not interpolated.
    output (Path): An existing folder that nobody else writes to.
    gpu_id (int): -1 for the CPU.
    finish (Optional[Callable[[Path], None]]): Changes the last model before it takes its place.
    """
    work = _prepare(output)
    try:
        nlp = init_nlp(config, use_gpu=gpu_id)
        # A logger is what spaCy calls after each checkpoint; this one takes its own trace from the
        # config before the first is saved.
        training = nlp.config["training"]
        training["logger"] = {
            "@loggers": LOGGER,
            "logger": training["logger"],
            "output": str(output),
        }
        train_nlp(nlp, work, use_gpu=gpu_id, stdout=sys.stdout, stderr=sys.stderr)
        if finish:
            finish(work / DIR_MODEL_LAST)
        publish(work / DIR_MODEL_LAST, output / DIR_MODEL_LAST)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@registry.loggers(LOGGER)
def make_checkpoint_logger(
    logger: Callable[..., tuple[Callable, Callable]], output: str
) -> Callable[..., tuple[Callable, Callable]]:
    """Log with another logger, and publish each best checkpoint.

    logger (Callable): The training's own.
    output (str): Where models go.
    RETURNS (Callable): A logger.
    """

    def setup(nlp: Language, stdout: Any, stderr: Any) -> tuple[Callable, Callable]:
        training = nlp.config["training"]
        training["logger"] = training["logger"]["logger"]
        log, finalize = logger(nlp, stdout, stderr)
        new = Path(output) / WORK / DIR_MODEL_BEST

        def log_step(info: dict[str, Any] | None) -> None:
            if info is not None and new.exists():  # spaCy has just saved a better one
                publish(new, Path(output) / DIR_MODEL_BEST)
            log(info)

        return log_step, finalize

    return setup


def save_whole(nlp: Language, target: Path) -> None:
    """Save a pipeline with its checksums; what was there is replaced when it is complete.

    nlp (Language): Any pipeline.
    target (Path): A folder, or nothing yet.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is a rename within one file system.
    with TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        nlp.to_disk(Path(folder, DIR_MODEL_LAST))
        publish(Path(folder, DIR_MODEL_LAST), target)


def publish(new: Path, target: Path) -> None:
    """Put a complete model, with its checksums, in the place of another one.

    On Linux the two change places in one step. Elsewhere the old one is moved away first: a kill
    between the two steps leaves it in the folder of work, and the next run puts it back.

    new (Path): The model, in the folder of work; it is gone from there afterwards.
    target (Path): In the same file system; may be missing.
    """
    write_sums(new)
    for file in new.rglob("*"):
        if file.is_file():  # on the disk before the rename is, for the power may fail too
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
    if target.exists() and not exchange(new, target):
        before = new.with_name(_BEFORE)
        shutil.rmtree(before, ignore_errors=True)
        target.rename(before)
    if not target.exists():
        new.rename(target)
    shutil.rmtree(new, ignore_errors=True)


def exchange(one: Path, other: Path) -> bool:
    """Let two folders change places in one step.

    RETURNS (bool): False, with nothing changed, where the system or its file system has no such
        step.
    """
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    if rename is None:
        return False
    return not rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)


def _prepare(output: Path) -> Path:
    """Clear what an earlier run left, whole or not, and make the folder of work."""
    work, best, last = output / WORK, output / DIR_MODEL_BEST, output / DIR_MODEL_LAST
    if not best.exists() and (work / _BEFORE).exists():
        (work / _BEFORE).rename(best)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    if last.exists():  # of other inputs; moved first, for half of it must not stay in its place
        last.rename(work / DIR_MODEL_LAST)
        shutil.rmtree(work / DIR_MODEL_LAST)
    return work
