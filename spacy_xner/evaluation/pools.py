"""Ways to combine the same votes, judged by what an ensemble itself would predict."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from spacy.tokens import Doc

from ..aggregate import Method, aggregate_votes, corpus_votes
from ..decode import ScoredEntity, decode
from ..ensemble.pooling import Pool, linear_pool
from ..ensemble.votes import (
    Votes,
    choose,
    fill_unheard,
    fill_untaught,
    leave_out_silent,
    split,
)
from ..ensemble.weights import Weights, make_uniform_weights
from ..pipeline.teacher_ensemble import TeacherEnsemble


class Combination(NamedTuple):
    """One way to combine teachers.

    weights, pool: Batch by batch, as in `teacher_ensemble`.
    method: In place of these, an aggregator that learns from the votes on other text of the target.
    top: Teachers in a second pass of BEA.
    teachers: Who takes part; None for all.
    """

    weights: Weights = make_uniform_weights()
    pool: Pool = linear_pool
    method: Method | None = None
    top: int = 10
    teachers: tuple[str, ...] | None = None


def heat(votes: Votes, temperatures: Sequence[float]) -> Votes:
    """The votes of teachers with other temperatures: p^(1/T), renormalised, is softmax(z / T).

    votes (Votes): Of K teachers with temperature 1 and no label dropped by a map.
    temperatures (Sequence[float]): K of them.
    RETURNS (Votes): As if the teachers had been calibrated.
    """
    powers = 1.0 / np.array(temperatures)[:, None, None]
    # A column that stays zero is one that a teacher was not taught.
    probs = np.where(votes.probs > 0, np.maximum(votes.probs, 1e-12) ** powers, 0.0)
    total = probs.sum(axis=2, keepdims=True)  # 0 where a teacher abstains
    return votes._replace(probs=np.divide(probs, total, out=probs, where=total > 0))


def combine(
    docs: Sequence[Doc], votes: Votes, how: Combination, other: Votes
) -> list[list[ScoredEntity]]:
    """The entities that a combination finds.

    docs (Sequence[Doc]): The documents.
    votes (Votes): On these documents.
    how (Combination): What is done with the votes.
    other (Votes): The same teachers on other text, from which an aggregator learns.
    RETURNS (List[List[ScoredEntity]]): One list a document.
    """
    if how.teachers is not None:
        votes, other = choose(votes, how.teachers), choose(other, how.teachers)
    if how.method is not None:
        known, seen = corpus_votes(other), corpus_votes(votes)
        return aggregate_votes(seen, method=how.method, top=how.top, fitted_on=known).entities
    weights = leave_out_silent(how.weights(docs, votes), votes)
    pooled = fill_unheard(how.pool(fill_untaught(votes, weights), weights), weights)
    return decode(split(pooled, votes.lengths), votes.labels)


def ask(ensemble: TeacherEnsemble, docs: Sequence[Doc], *, batch_size: int = 250) -> Votes:
    """All votes on a corpus.

    ensemble (TeacherEnsemble): Whose teachers are asked; in small batches, so that a run that is
        stopped keeps the answers it has where they are cached.
    docs (Sequence[Doc]): One or more.
    batch_size (int): Documents at once.
    RETURNS (Votes): As of one batch.
    """
    parts = [ensemble.predict(docs[i : i + batch_size]) for i in range(0, len(docs), batch_size)]
    return parts[0]._replace(
        probs=np.concatenate([part.probs for part in parts], axis=1),
        lengths=tuple(length for part in parts for length in part.lengths),
    )


def direct_transfer(systems: Mapping[str, Any], teachers: Sequence[str]) -> dict[str, float]:
    """F1 of single teachers: their mean, and the best one of each language.

    systems (Mapping[str, Any]): See `evaluate_systems`.
    teachers (Sequence[str]): Which of them are teachers.
    RETURNS (Dict[str, float]): "mean" and "oracle", which sees the scores; macro averages.
    """
    scores: dict[str, list[float]] = {}
    for name in teachers:
        for language, row in systems[name]["languages"].items():
            scores.setdefault(language, []).append(row["micro"]["f1"])
    return {
        "mean": fmean(fmean(found) for found in scores.values()),
        "oracle": fmean(max(found) for found in scores.values()),
    }
