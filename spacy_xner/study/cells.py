"""A cell of the study: one model, what it learnt from, and where its result lies."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

FORMAT = 1
"""Of the result files."""

System = Literal[
    "ranking",
    "direct",
    "pooled",
    "supervised",
    "ensemble",
    "uniform",
    "weighted",
    "ner",
    "mtmt",
    "hybrid",
]
"""What a cell is.

ranking: no model, but the weight of each source for each target, without labels. direct: a model of
the sources' labels, pooled (direct transfer). supervised: a model of the target's own labels, an
upper bound. ensemble: the teachers, weighted, without a student. The others are students: of the
direct model alone (pooled), of teachers with uniform or with the default's weights, spaCy's own
`ner` on the hard reading of these, a student of two tasks (MTMT), and one of the ensemble with a
language model (hybrid).
"""


@dataclass(frozen=True)
class Cell:
    """One model of the study.

    setting: "rich", or "family" where the sources include the other targets.
    sources: Languages with labels, in order; for "supervised" the target itself.
    order: How the sources were chosen: "all", "single", "ranked", or "random-<number>".
    targets: What this one model learns and is scored on.
    seed: Of all that is trained for it.
    """

    setting: str
    system: System
    sources: tuple[str, ...]
    order: str
    targets: tuple[str, ...]
    seed: int

    @property
    def file(self) -> Path:
        """The result file, as seen from the folder of results."""
        what = self.sources[0] if self.order == "single" else str(len(self.sources))
        who = self.targets[0] if len(self.targets) == 1 else "all"
        name = f"{self.system}-{self.order}-{what}-{who}-seed{self.seed}.json"
        return Path(self.setting, name)

    def describe(self, study: str, sizes: Mapping[str, int]) -> dict[str, Any]:
        """The cell in its result file.

        study (str): Name of the study.
        sizes (Mapping[str, int]): Sentences at most a language, which belong to the identity.
        """
        return {"study": study, **asdict(self), "sizes": dict(sizes)}
