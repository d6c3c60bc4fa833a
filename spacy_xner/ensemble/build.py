"""Make a pipeline with a `teacher_ensemble` from a config and some trained pipelines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.util import load_config, load_model_from_config

from ..errors import Errors, XnerError, config_errors
from ..labels import check_label_map
from ..pipeline.teacher_ensemble import TeacherEnsemble
from ..teachers.base import Teacher

COMPONENT = "teacher_ensemble"
GUESTS = "spacy-xner.GuestWeights.v1"
# The folder of the project's evaluators, beside that of its teachers.
EVALUATORS = "evaluators"


def build_ensemble(
    config: Path,
    teachers: Mapping[str, str],
    *,
    span_teachers: Mapping[str, str] | None = None,
    label_map: Mapping[str, str] | None = None,
    weights: Mapping[str, Any] | None = None,
    pool: Mapping[str, Any] | None = None,
    guests: Sequence[str] = (),
    evaluators: Mapping[str, str] | None = None,
    keep_similarity: bool = False,
    prompted: Mapping[str, str] | None = None,
    samples: int = 1,
    cache: Path | None = None,
) -> Language:
    """Add a block for each teacher to the config's `teacher_ensemble` and make the pipeline.

    config (Path): E.g. configs/ensemble.cfg; it may name teachers of its own.
    teachers (Mapping[str, str]): Path or package of `xner` pipelines, by name.
    span_teachers (Mapping[str, str]): Of pipelines that only set `doc.ents`.
    label_map (Mapping[str, str]): For all teachers added here.
    weights, pool (Optional[Mapping[str, Any]]): Blocks in place of the config's.
    guests (Sequence[str]): Teachers of which the weights know nothing; each is heard as much as an
        average teacher (`ensemble/guest_weights.py`).
    evaluators (Mapping[str, str]): Path or package of a similarity evaluator, by name of teacher;
        teachers may also have one in their own pipeline.
    keep_similarity (bool): Write what the evaluators say; False leaves it to the config.
    prompted (Mapping[str, str]): Path or package of pipelines of spacy-llm, or configs of such.
    samples (int): How often each of their prompts is asked.
    cache (Optional[Path]): Folder for their answers; None keeps none.
    RETURNS (Language): The pipeline; teachers are loaded when it is saved or first used.
    RAISES (XnerError): X601 if there is no config, X607 if it cannot be used, X002 for a label map
        that names another class.
    """
    if not config.is_file():
        raise XnerError(Errors.X601.format(path=config))
    with config_errors(config):
        found = load_config(config, interpolate=True)
    usable = [n for n in found.get("nlp", {}).get("pipeline", []) if n in found["components"]]
    if COMPONENT not in usable:
        raise XnerError(Errors.X410.format(found=usable))
    settings: dict[str, Any] = found["components"][COMPONENT]
    settings.setdefault("teachers", {})
    settings |= {key: dict(x) for key, x in (("weights", weights), ("pool", pool)) if x}
    if guests:
        inner = settings.get("weights", {"@misc": "spacy-xner.UniformWeights.v1"})
        settings["weights"] = {"@misc": GUESTS, "guests": list(guests), "weights": inner}
    if keep_similarity:
        settings["keep_similarity"] = True
    if label_map and "labels" in settings:
        check_label_map(label_map, settings["labels"])
    asked = {"samples": samples, "cache": str(cache) if cache else None}
    kinds = {"XnerTeacher": teachers, "SpanTeacher": span_teachers, "PromptedTeacher": prompted}
    for kind, named in kinds.items():
        for name, path in (named or {}).items():
            own = asked if named is prompted else {"evaluator": (evaluators or {}).get(name)}
            settings["teachers"][name] = {
                "@misc": f"spacy-xner.{kind}.v1",
                "path": path,
                "label_map": dict(label_map or {}),
                **own,
            }
    with config_errors(config):
        return load_model_from_config(found, auto_fill=True)


def trains_evaluator(config: Path) -> bool:
    """Is there a similarity evaluator in a training config, or in that of a saved pipeline?

    config (Path): A config.
    RAISES (XnerError): X601 if there is none, X607 if it cannot be read.
    """
    if not config.is_file():
        raise XnerError(Errors.X601.format(path=config))
    with config_errors(config):
        blocks = load_config(config).get("components", {}).values()
    return any(block.get("factory") == "similarity_evaluator" for block in blocks)


def evaluators_of(teachers: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Where the evaluators of some teachers lie, of those that have none in their own pipeline.

    teachers (Mapping[str, str]): Folders of pipelines by name.
    folder (Path): Of pipelines with an evaluator: <name>/model-last.
    RETURNS (Dict[str, str]): By name of teacher.
    RAISES (XnerError): See `trains_evaluator`.
    """
    found = {name: folder / name / "model-last" for name in teachers}
    return {
        name: str(path)
        for name, path in found.items()
        if path.is_dir() and not trains_evaluator(Path(teachers[name]) / "config.cfg")
    }


def reuse_teachers(ensemble: TeacherEnsemble, known: dict[str, Teacher]) -> None:
    """Let several ensembles share their teachers, so that each is loaded once.

    ensemble (TeacherEnsemble): Its teachers are replaced by known ones of the same name.
    known (Dict[str, Teacher]): By name; those that are new are added.
    """
    ensemble.teachers = {
        name: known.setdefault(name, teacher) for name, teacher in ensemble.teachers.items()
    }


def save_ensemble(nlp: Language, output: Path) -> None:
    """Save a pipeline with a `teacher_ensemble`, after a look at all its teachers.

    nlp (Language): What `build_ensemble` made.
    output (Path): Folder; untouched if a teacher cannot be used.
    RAISES (XnerError): What `TeacherEnsemble.load` raises.
    """
    nlp.get_pipe(COMPONENT).load()  # type: ignore[attr-defined]
    output.parent.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(output)
