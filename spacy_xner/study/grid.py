"""Which cells a study has, the most important first."""

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from statistics import fmean

from ..corpora.roles import teachers_of
from .cells import Cell, System
from .plan import Plan

ALL, SINGLE, RANKED, RANDOM = "all", "single", "ranked", "random"
ENGLISH = ("en", "eng")
Ranking = Mapping[str, Mapping[str, float]]
"""By target the weight of each source, which needs no labels."""


def ranking_cell(setting: str, sources: Sequence[str], targets: Sequence[str]) -> Cell:
    """The cell on which others of a setting depend: how near each source is to each target.

    setting (str): In "rich" only the sources compete that are no targets.
    sources, targets (Sequence[str]): Of the study.
    """
    names = rich_sources(sources, targets) if setting == "rich" else sources
    return Cell(setting, "ranking", tuple(names), ALL, tuple(targets), 0)


def rich_sources(sources: Sequence[str], targets: Sequence[str]) -> list[str]:
    """The sources that are no targets."""
    return [source for source in sources if source not in targets]


def source_orders(
    sources: Sequence[str], targets: Sequence[str], ranking: Ranking, *, random_orders: int
) -> dict[str, list[str]]:
    """The orders in which sources are added.

    sources (Sequence[str]): Languages with labels.
    targets (Sequence[str]): Over these, weights are averaged.
    ranking (Ranking): See there.
    random_orders (int): Shuffled, each the same whenever it is asked for.
    RETURNS (Dict[str, List[str]]): "ranked" (the nearest first), "random-0", ...
    """
    mean = {name: fmean(ranking[target][name] for target in targets) for name in sources}
    orders = {RANKED: sorted(sources, key=lambda name: (-mean[name], name))}
    for number in range(random_orders):
        shuffled = sorted(sources)
        random.Random(number).shuffle(shuffled)
        orders[f"{RANDOM}-{number}"] = shuffled
    return orders


def cells(
    plan: Plan, sources: Sequence[str], targets: Sequence[str], ranking: Ranking
) -> list[Cell]:
    """All cells but the rankings, each once, in the order in which they should be computed.

    plan (Plan): Of the study.
    sources, targets (Sequence[str]): Languages; a target that is a source too has labels that count
        for the other targets in the setting "family", and for the upper bound.
    ranking (Ranking): Of the setting "rich", for the order in which sources are added.
    """
    found = _all_cells(plan, sources, tuple(targets), ranking)
    wanted = [x for x in found if x.setting in plan.settings and x.system in plan.systems]
    return list(dict.fromkeys(wanted))


def _all_cells(
    plan: Plan, sources: Sequence[str], targets: tuple[str, ...], ranking: Ranking
) -> Iterator[Cell]:
    rich = rich_sources(sources, targets)
    orders = source_orders(rich, targets, ranking, random_orders=plan.orders)
    ranked = {RANKED: orders.pop(RANKED)}
    # Whom somebody would choose who has no labels.
    chosen = {max(rich, key=lambda name: ranking[target][name]): None for target in targets}
    everything: tuple[System, ...] = ("weighted", "uniform", "direct", "ner")

    def part(system: System, names: Sequence[str], order: str, seed: int) -> Cell:
        if len(names) == len(rich):
            names, order = rich, ALL
        elif len(names) == 1:
            order = SINGLE
        return Cell("rich", system, tuple(names), order, targets, seed)

    def scaled(
        seed: int, some: Mapping[str, Sequence[str]], systems: Sequence[System]
    ) -> Iterator[Cell]:
        for order, names in some.items():
            for k in (k for k in plan.scales if k <= len(rich)):
                for system in systems:
                    # A direct model of one source is the teacher of the weighted student.
                    if k > 1 or system != "pooled":
                        yield part(system, names[:k], order, seed)

    # What answers the questions comes first, with all its seeds: one seed proves nothing.
    for seed in plan.seeds:
        yield from (part("direct", [name], SINGLE, seed) for name in rich if name in ENGLISH)
        yield from (part(system, rich, ALL, seed) for system in everything)
        yield from (part("weighted", [source], SINGLE, seed) for source in chosen)
        yield from scaled(seed, ranked, ("weighted", "direct", "pooled"))
    for seed in plan.seeds:
        yield from (part("weighted", [source], SINGLE, seed) for source in rich)
        for target in (name for name in targets if name in sources):
            yield Cell("rich", "supervised", (target,), SINGLE, (target,), seed)
        yield part("ensemble", rich, ALL, seed)
    # All seeds of a number of sources before the next number.
    hybrids = (scaled(seed, ranked, ("hybrid",)) for seed in plan.seeds)
    yield from chain.from_iterable(zip(*hybrids, strict=True))
    for seed in plan.seeds:
        yield from scaled(seed, orders, ("weighted", "direct"))
    for seed in plan.seeds:
        yield part("mtmt", rich, ALL, seed)
        for target in targets if len(targets) > 1 else ():  # a student of its own
            yield Cell("rich", "weighted", tuple(rich), ALL, (target,), seed)
    for seed in plan.seeds if len(rich) < len(sources) else ():
        for target in targets:
            others = tuple(teachers_of(target, sources))
            for system in everything:
                yield Cell("family", system, others, ALL, (target,), seed)
    for seed in plan.seeds:
        yield from scaled(seed, orders, ("hybrid",))
