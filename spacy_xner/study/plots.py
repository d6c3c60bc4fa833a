"""The scaling curves of a study as pictures."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import Errors, XnerError
from .comparisons import SEEDS

# Okabe & Ito's colours, which colour-blind readers can tell apart; the page uses the same order.
COLOURS = {
    "weighted": "#0072b2",
    "direct": "#d55e00",
    "hybrid": "#009e73",
    "uniform": "#cc79a7",
    "mtmt": "#e69f00",
    "pooled": "#56b4e9",
}
OTHERS = "#555b63"
LABELS = {
    "weighted": "student, weighted",
    "direct": "direct transfer",
    "pooled": "student of the direct model",
    "hybrid": "student, with a language model",
    "uniform": "student, uniform weights",
}
FIELDS = {"f1": (100.0, "F1, average over languages (%)"), "cost": (1 / 60, "processor minutes")}
ENDINGS = (".svg", ".png")


def plot_curves(summary: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw F1 and cost over the number of sources, for each section, setting and mode.

    summary (Mapping[str, Any]): See `summary.summarise`.
    folder (Path): Made if needed.
    RETURNS (List[Path]): The pictures, an .svg and a .png of each; none without curves.
    RAISES (XnerError): X435 if matplotlib is not installed.
    """
    try:
        import matplotlib.figure
    except ImportError as err:
        raise XnerError(Errors.X435) from err
    written = []
    for number, section in enumerate(summary["sections"]):
        groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for curve in section["curves"]:
            groups.setdefault((curve["setting"], curve["mode"]), []).append(curve)
        for (setting, mode), curves in groups.items():
            for field in FIELDS:
                figure = matplotlib.figure.Figure(figsize=(5.2, 3.4), layout="constrained")
                if not _draw(figure.subplots(), curves, field):
                    continue
                folder.mkdir(parents=True, exist_ok=True)
                for ending in ENDINGS:
                    parts = [section["study"], setting, mode, field]
                    if len(summary["sections"]) > 1:
                        parts.insert(1, str(number))
                    path = folder / f"scaling-{'-'.join(map(_plain, parts))}{ending}"
                    figure.savefig(path, dpi=200)
                    written.append(path)
    return written


def _plain(name: str) -> str:
    """A name without what could lead out of a folder, or means something to a shell."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name)


def _draw(axis: Any, curves: Sequence[Mapping[str, Any]], field: str) -> bool:
    """Draw the curves of one setting; False if none has a figure."""
    factor, label = FIELDS[field]
    drawn = False
    ks: set[int] = set()
    for curve in curves:
        found = [(p["k"], p[field]) for p in curve["points"] if p[field]["mean"] is not None]
        if len(found) < 2:
            continue
        drawn = True
        places = [k for k, _ in found]
        ks.update(places)
        means = [factor * band["mean"] for _, band in found]
        spread = [factor * (band["sd"] or 0.0) for _, band in found]
        system, shuffled = curve["system"], curve["order"] == "random"
        colour = COLOURS.get(system, OTHERS)
        name = LABELS.get(system, system) + (", sources at random" if shuffled else "")
        if min(p["seeds"] for p in curve["points"] if p[field]["mean"] is not None) < SEEDS:
            name += " (preliminary)"
        style = {"linestyle": "--", "alpha": 0.6} if shuffled else {}
        axis.plot(places, means, color=colour, marker="o", label=name, **style)
        low = [mean - sd for mean, sd in zip(means, spread, strict=True)]
        high = [mean + sd for mean, sd in zip(means, spread, strict=True)]
        axis.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
    axis.set(xlabel="sources", ylabel=label, title=f"setting: {curves[0]['setting']}")
    axis.set_xticks(sorted(ks))
    axis.grid(visible=True, alpha=0.3)
    if drawn:
        axis.legend(frameon=False)
    return drawn
