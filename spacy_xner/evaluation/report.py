"""Run a pipeline over gold documents and write down all its scores."""

import time
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..errors import Errors, XnerError
from ..labels import Entity, entities_to_tags
from ..spans import blank_copy
from .bootstrap import paired_bootstrap, paired_bootstrap_macro, sentence_counts
from .calibration import expected_calibration_error, scored_spans
from .scorer import make_xner_scorer
from .strict import strict_scores
from .thresholds import curve_of, curve_report


def predict(nlp: Language, gold: Sequence[Doc]) -> tuple[list[Example], float]:
    """Run a pipeline on the tokens of gold documents, which it sees without their annotations.

    nlp (Language): The pipeline.
    gold (Sequence[Doc]): The gold documents; they are not changed.
    RETURNS (Tuple[List[Example], float]): Predicted and gold docs, in order, and the time in
        seconds that `nlp.pipe` took.
    """
    fresh = [blank_copy(doc, nlp.vocab) for doc in gold]
    start = time.perf_counter()
    predicted = list(nlp.pipe(fresh))
    seconds = time.perf_counter() - start
    return [Example(x, y) for x, y in zip(predicted, gold, strict=True)], seconds


def entity_sets(
    examples: Sequence[Example], labels: Sequence[str], *, language: str = ""
) -> tuple[list[set[Entity]], list[set[Entity]]]:
    """The gold and predicted entities of some classes, sentence by sentence.

    As in spaCy's scorer, a predicted entity that overlaps tokens whose gold annotation is missing
    is neither right nor wrong, and is left out.

    examples (Sequence[Example]): Predicted and gold docs with the same tokens.
    labels (Sequence[str]): The classes that count.
    language (str): A name for the error message.
    RETURNS (Tuple[List[Set[Entity]], List[Set[Entity]]]): Gold and predicted (start, end, label).
    RAISES (XnerError): X503 if the tokens differ.
    """
    gold, predicted = [], []
    for index, eg in enumerate(examples):
        if len(eg.x) != len(eg.y):
            raise XnerError(
                Errors.X503.format(
                    language=language, index=index, found=len(eg.x), expected=len(eg.y)
                )
            )
        missing = {token.i for token in eg.y if token.ent_iob == 0}
        gold.append({(e.start, e.end, e.label_) for e in eg.y.ents if e.label_ in labels})
        predicted.append(
            {
                (e.start, e.end, e.label_)
                for e in eg.x.ents
                if e.label_ in labels and missing.isdisjoint(range(e.start, e.end))
            }
        )
    return gold, predicted


def score_language(
    examples: Sequence[Example],
    labels: Sequence[str],
    *,
    spans_key: str = "xner",
    language: str = "",
) -> dict[str, Any]:
    """All scores of a pipeline on one test set.

    examples (Sequence[Example]): Predicted and gold docs with the same tokens.
    labels (Sequence[str]): The classes that count; others count as O.
    spans_key (str): The group in `doc.spans` that holds the scored spans.
    language (str): A name for the error messages.
    RETURNS (Dict[str, Any]): "micro" and "per_type" as `strict_scores` gives them; "spacy": what
        `spacy evaluate` reports, over all classes of the data; "ece" over `labels` (None without
        span scores); "sentences" (one a doc) and "tokens".
    RAISES (XnerError): X502 if the gold has no entity of the labels, X503 if the tokens differ,
        X505 if seqeval is not installed.
    """
    gold, predicted = entity_sets(examples, labels, language=language)
    if not any(gold):
        found = sorted({ent.label_ for eg in examples for ent in eg.y.ents})
        raise XnerError(
            Errors.X502.format(
                labels=", ".join(labels), language=language, found=", ".join(found) or "none"
            )
        )
    lengths = [len(eg.y) for eg in examples]
    strict = strict_scores(
        [entities_to_tags(n, entities) for n, entities in zip(lengths, gold, strict=True)],
        [entities_to_tags(n, entities) for n, entities in zip(lengths, predicted, strict=True)],
        labels,
    )
    spacy_scores = make_xner_scorer(spans_key)(examples)
    return {
        **strict,
        "spacy": {key: spacy_scores[key] for key in ("ents_p", "ents_r", "ents_f")},
        "ece": expected_calibration_error(
            *scored_spans(examples, spans_key=spans_key, labels=labels)
        ),
        "sentences": len(examples),
        "tokens": sum(lengths),
    }


def evaluate(
    nlp: Language,
    docs_by_language: Mapping[str, Sequence[Doc]],
    labels: Sequence[str],
    *,
    against: Language | None = None,
    samples: int = 1000,
    seed: int = 0,
    spans_key: str = "xner",
) -> dict[str, Any]:
    """Score a pipeline on the test sets of several languages, and compare it with another one.

    nlp (Language): The pipeline.
    docs_by_language (Mapping[str, Sequence[Doc]]): Gold docs, one sentence a doc.
    labels (Sequence[str]): The classes that count; others count as O.
    against (Optional[Language]): A second system for the paired bootstrap.
    samples (int): Resamples of the bootstrap.
    seed (int): Seed of the bootstrap.
    spans_key (str): The group in `doc.spans` that holds the scored spans.
    RETURNS (Dict[str, Any]): JSON-able. "labels"; "languages": by language, `score_language` and
        "words_per_second" (loading apart); "macro": the mean over languages of the micro
        "precision", "recall", "f1" and of "ece"; "curve": precision and recall by threshold, see
        `thresholds.curve_report`; with a second system "comparison": by language and for the
        "macro", see `paired_bootstrap`, where A is `nlp` and B is `against`.
    RAISES (XnerError): X502, X503, X505, see `score_language`.
    """
    results: dict[str, Any] = {}
    counts: dict[str, Any] = {}
    curves: dict[str, Any] = {}
    for language, gold in docs_by_language.items():
        predict(nlp, gold[:1])  # what is loaded on first use does not count as speed
        examples, seconds = predict(nlp, gold)
        scores = score_language(examples, labels, spans_key=spans_key, language=language)
        results[language] = {**scores, "words_per_second": scores["tokens"] / seconds}
        curves[language] = curve_of(examples, labels, spans_key=spans_key)
        if against is not None:
            others, _ = predict(against, gold)
            counts[language] = (
                sentence_counts(*entity_sets(examples, labels, language=language)),
                sentence_counts(*entity_sets(others, labels, language=language)),
            )
    calibration = [row["ece"] for row in results.values() if row["ece"] is not None]
    report: dict[str, Any] = {
        "labels": list(labels),
        "languages": results,
        "macro": {
            **{
                key: fmean(row["micro"][key] for row in results.values())
                for key in ("precision", "recall", "f1")
            },
            "ece": fmean(calibration) if calibration else None,
        },
        "curve": curve_report(curves),
    }
    if against is not None:
        report["comparison"] = {
            "languages": {
                language: paired_bootstrap(*pair, samples=samples, seed=seed)
                for language, pair in counts.items()
            },
            "macro": paired_bootstrap_macro(list(counts.values()), samples=samples, seed=seed),
        }
    return report
