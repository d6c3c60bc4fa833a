"""Fine-tuned language models beside the teachers of single languages, as a project names them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..errors import Errors, XnerError

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


def check_guests(kind: GuestKind, sources: Sequence[str], targets: Sequence[str]) -> None:
    """No language model that was taught a target's labels is heard about that target.

    kind (GuestKind): One for each language is left out where its language is the target.
    sources (Sequence[str]): Languages with labels.
    targets (Sequence[str]): Languages that are treated as if they had none.
    RAISES (XnerError): X443.
    """
    both = sorted(set(sources) & set(targets))
    if kind == "pooled" and both:
        raise XnerError(Errors.X443.format(found=", ".join(both), name=NAME))
