"""One teacher of all sources together, as a project names it, and who may not hear it."""

from collections.abc import Sequence
from pathlib import Path

from spacy.util import load_config

from ..errors import Errors, XnerError, config_errors

POOLED = "pooled"
"""Name of the teacher."""
TRAIN = "-train.spacy"


def taught_languages(pipeline: Path) -> set[str]:
    """The languages whose training sets a pipeline of a project was taught together.

    pipeline (Path): Its folder.
    RETURNS (Set[str]): Empty where there is no pipeline, or it names no such files.
    RAISES (XnerError): X607 if its config cannot be read.
    """
    path = pipeline / "config.cfg"
    if not path.is_file():
        return set()
    with config_errors(path):
        corpus = load_config(path).get("corpora", {}).get("train", {})
    return {Path(file).name.removesuffix(TRAIN) for file in corpus.get("folders") or []}


def check_pooled(sources: Sequence[str], targets: Sequence[str]) -> None:
    """A teacher of all sources together is heard about no source.

    sources (Sequence[str]): What it is taught.
    targets (Sequence[str]): What it is asked about.
    RAISES (XnerError): X225 for a language in both roles.
    """
    if both := sorted(set(sources) & set(targets)):
        raise XnerError(Errors.X225.format(found=", ".join(both)))


def check_pooled_teacher(pipeline: Path, sources: Sequence[str]) -> None:
    """The teacher that lies there was taught these sources: an earlier one may know a target.

    pipeline (Path): Its folder; one that is not there is somebody else's error.
    sources (Sequence[str]): Languages with labels.
    RAISES (XnerError): X226 if it was taught others, and what `taught_languages` raises.
    """
    taught = taught_languages(pipeline)
    if pipeline.is_dir() and taught != set(sources):
        found = ", ".join(sorted(taught)) or "no languages that it names"
        details = {"path": pipeline, "found": found, "expected": ", ".join(sorted(set(sources)))}
        raise XnerError(Errors.X226.format(**details))


def check_alone(*, aggregate: str, llm: str, heard: str) -> None:
    """What needs several teachers is not asked of one.

    aggregate (str): How votes are aggregated.
    llm (str): Kind of language models.
    heard (str): "judged" if other teachers decide about these.
    RAISES (XnerError): X308.
    """
    for key, value, expected, fine in (
        ("aggregate", aggregate, "none", aggregate == "none"),
        ("llm_heard", heard, "always", llm == "none" or heard != "judged"),
    ):
        if not fine:
            expected = f"{expected} with pooled_teacher: one teacher has nobody to compare with"
            raise XnerError(Errors.X308.format(key=key, value=value, expected=expected))
