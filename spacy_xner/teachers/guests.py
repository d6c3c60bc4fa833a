"""Fine-tuned language models beside the teachers of single languages, as a project names them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..errors import Errors, XnerError
from .pooled import taught_languages

GuestKind = Literal["none", "pooled", "each"]
NAME = "llm"


def guest_paths(kind: GuestKind, folder: Path, sources: Sequence[str]) -> dict[str, str]:
    """The language models of a project.

    kind (GuestKind): "pooled": one that was taught all sources; "each": one for each.
    folder (Path): Of all of them.
    sources (Sequence[str]): Languages with labels.
    RETURNS (Dict[str, str]): Path of the pipeline by name of teacher: "llm", or "llm-<language>".
    """
    if kind == "none":
        return {}
    names = [NAME] if kind == "pooled" else [f"{NAME}-{source}" for source in sources]
    return {name: str(folder / name / "model-last") for name in names}


def guest_sources(name: str, sources: Sequence[str]) -> list[str]:
    """The languages that a language model of a project is taught, by its name."""
    return list(sources) if name == NAME else [name.removeprefix(f"{NAME}-")]


def check_guests(kind: GuestKind, sources: Sequence[str], targets: Sequence[str]) -> None:
    """No language model that is taught a target's labels is heard about that target.

    kind (GuestKind): One for each language is left out where its language is the target.
    sources (Sequence[str]): Languages with labels.
    targets (Sequence[str]): Languages that are treated as if they had none.
    RAISES (XnerError): X443.
    """
    both = sorted(set(sources) & set(targets))
    if kind == "pooled" and both:
        raise XnerError(Errors.X443.format(found=", ".join(both), name=NAME))


def check_taught(name: str, pipeline: Path, target: str) -> None:
    """The same by what a trained language model says it was taught, whoever trained it when.

    name (str): Of the teacher.
    pipeline (Path): Its folder; one that is not there is somebody else's error.
    target (str): A language.
    RAISES (XnerError): X443, X607 if its config cannot be read.
    """
    if target in taught_languages(pipeline):
        raise XnerError(Errors.X443.format(found=target, name=name))
