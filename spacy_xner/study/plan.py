"""The plan of a study, as a config says it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from spacy.util import load_config, registry

from ..errors import Errors, XnerError, config_errors
from .cells import System

SIZES = ("source", "target", "test", "supervised", "llm")
RECIPES = ("direct", "llm", "mtmt", "ner", "student", "teacher", "tasks")


@dataclass(frozen=True)
class Recipe:
    """How a kind of model is trained: a config, passes over its corpus, and what is overridden."""

    config: Path
    epochs: float
    overrides: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What a study computes, see `make_study_plan`."""

    name: str
    settings: tuple[str, ...]
    systems: tuple[System, ...]
    seeds: tuple[int, ...]
    scales: tuple[int, ...]
    orders: int
    sizes: dict[str, int]
    recipes: dict[str, Recipe]


def make_study_plan(
    name: str,
    settings: list[str],
    systems: list[str],
    seeds: list[int],
    scales: list[int],
    orders: int,
    sizes: dict[str, int],
    recipes: dict[str, dict[str, Any]],
) -> Plan:
    """The plan of a study. Registered as `spacy-xner.StudyPlan.v1`.

    name (str): Of the study.
    settings (List[str]): Of "rich" (targets are taught by the other languages) and "family" (by
        the other targets as well).
    systems (List[str]): See `cells.System`.
    seeds (List[int]): Each for all that is trained.
    scales (List[int]): Numbers of sources K, in the order in which they are computed; those beyond
        the sources are passed over.
    orders (int): Random orders of the sources, beside the one by ranking.
    sizes (Dict[str, int]): Sentences at most, 0 for all: of each "source", "target" (unlabelled),
        "test" set and "supervised" training set, and of each source for the "llm".
    recipes (Dict[str, Dict[str, Any]]): "config", "epochs" and perhaps "overrides" of what is
        trained: "teacher" (also a "direct" model of one source), "direct" (also "supervised"),
        "student", "ner", "mtmt" and its teachers of two "tasks", "llm".
    RAISES (XnerError): X308 for an unknown or missing name, or a number below its least.
    """
    for key, found, expected in (
        ("settings", settings, ("rich", "family")),
        ("systems", systems, get_args(System)),
    ):
        if not found or not set(found) <= set(expected):
            raise XnerError(Errors.X308.format(key=key, value=found, expected=expected))
    for key, names, expected in (("sizes", sizes, SIZES), ("recipes", recipes, RECIPES)):
        if set(names) != set(expected):
            raise XnerError(Errors.X308.format(key=key, value=sorted(names), expected=expected))
    numbers: Mapping[str, Sequence[int]] = {"seeds": seeds, "scales": scales, "orders": [orders]}
    for key, values in {**numbers, "sizes": list(sizes.values())}.items():
        least = int(key == "scales")
        if not values or min(values) < least:
            details = {"key": key, "value": values, "expected": f"numbers of {least} or more"}
            raise XnerError(Errors.X308.format(**details))
    return Plan(
        name=name,
        settings=tuple(settings),
        systems=tuple(systems),  # type: ignore[arg-type]
        seeds=tuple(seeds),
        scales=tuple(scales),
        orders=orders,
        sizes=dict(sizes),
        recipes={kind: _recipe(kind, block) for kind, block in recipes.items()},
    )


def _recipe(kind: str, block: Mapping[str, Any]) -> Recipe:
    try:
        return Recipe(**{**block, "config": Path(block["config"])})
    except (KeyError, TypeError) as err:
        expected = "config, epochs and perhaps overrides"
        details = {"key": f"recipes.{kind}", "value": sorted(block), "expected": expected}
        raise XnerError(Errors.X308.format(**details)) from err


def read_plan(path: Path) -> Plan:
    """Read a plan from the block [study] of a config.

    RAISES (XnerError): X601 if there is no file, X607 if it is no config of a study, X308.
    """
    if not path.is_file():
        raise XnerError(Errors.X601.format(path=path))
    with config_errors(path):
        block = load_config(path, interpolate=True).get("study")
        plan = registry.resolve({"it": block})["it"] if block else None
    if not isinstance(plan, Plan):
        raise XnerError(Errors.X607.format(path=path, reason="no block [study] with a plan"))
    return plan
