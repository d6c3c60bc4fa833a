"""The scorer that `spacy train` and `spacy evaluate` find in spaCy's registry.

It runs with the core installation, so it imports nothing beyond spaCy and numpy.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from spacy.scorer import get_ner_prf
from spacy.training import Example

from .calibration import expected_calibration_error, scored_spans


def make_xner_scorer(spans_key: str = "xner") -> Callable[..., dict[str, Any]]:
    """Make the scorer of the xner pipe (`spacy-xner.xner_scorer.v1` in `registry.scorers`).

    spans_key (str): The group in `doc.spans` that holds the scored spans; what the component says
        goes before.
    RETURNS (Callable): From examples to `ents_p`, `ents_r`, `ents_f`, `ents_per_type` as spaCy
        computes them (tokens whose gold annotation is missing are ignored; None where there is
        nothing to score) and `xner_ece`, the expected calibration error of the span scores (None
        where no span has a score).
    """

    # A partial of a function that has a name: what spawned processes get must be pickled.
    return partial(_score, default_key=spans_key)


def _score(examples: Iterable[Example], *, default_key: str, **kwargs: Any) -> dict[str, Any]:
    examples = list(examples)
    spans = scored_spans(examples, spans_key=kwargs.get("spans_key", default_key))
    return {**get_ner_prf(examples), "xner_ece": expected_calibration_error(*spans)}
