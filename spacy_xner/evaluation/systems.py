"""Score every teacher, the ensemble and a student on the same test sets, and compare them."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..decode import ScoredEntity
from ..silver import SPANS_KEY
from ..spans import blank_copy, set_scored_spans
from .bootstrap import Counts, paired_bootstrap, paired_bootstrap_macro, sentence_counts
from .report import entity_sets, predict, score_language
from .thresholds import curve_of, curve_report

ENSEMBLE, STUDENT = "ensemble", "student"
Systems = dict[str, list[Example]]


def systems_from_votes(examples: Sequence[Example]) -> Systems:
    """Read the answers of the ensemble and of each teacher off annotated documents.

    The teachers are what "direct transfer" means: a pipeline of another language, used as it is.

    examples (Sequence[Example]): Their predicted side was annotated by a `teacher_ensemble` with
        `keep_votes`.
    RETURNS (Dict[str, List[Example]]): By system, examples whose predicted `doc.ents` are the
        system's entities, none left out for a low score. Teachers come first.
    """
    keys = sorted({key for eg in examples for key in eg.x.spans if key.startswith(f"{SPANS_KEY}/")})
    names = {key.removeprefix(f"{SPANS_KEY}/"): key for key in keys} | {ENSEMBLE: SPANS_KEY}
    return {
        name: [Example(with_entities(eg.x, _scored(eg.x, key)), eg.y) for eg in examples]
        for name, key in names.items()
    }


def entities_of(nlp: Language, gold: Sequence[Doc]) -> list[Example]:
    """What a pipeline finds in gold documents, which it sees without their annotations.

    Of an ensemble all entities count; its `doc.ents` would lack those of a low score.

    nlp (Language): Any pipeline.
    gold (Sequence[Doc]): The gold documents; they are not changed.
    RETURNS (List[Example]): Predicted and gold docs, in order.
    """
    examples, _ = predict(nlp, gold)
    if any(SPANS_KEY in eg.x.spans for eg in examples):
        return systems_from_votes(examples)[ENSEMBLE]
    return examples


def _scored(doc: Doc, key: str) -> list[ScoredEntity]:
    group = doc.spans.get(key)
    if group is None:  # who abstains finds nothing
        return []
    return [
        ScoredEntity(span.start, span.end, span.label_, score)
        for span, score in zip(group, group.attrs["scores"], strict=True)
    ]


def with_entities(doc: Doc, entities: Sequence[ScoredEntity]) -> Doc:
    """A copy of a document with these entities alone, for scoring.

    doc (Doc): Left as it is.
    entities (Sequence[ScoredEntity]): In order, not overlapping.
    RETURNS (Doc): Has them in `doc.ents` and in the group "xner".
    """
    copy = blank_copy(doc, doc.vocab)
    copy.set_ents(set_scored_spans(copy, "xner", entities))
    return copy


def evaluate_systems(
    ensembles: Mapping[str, Language],
    students: Mapping[str, Language],
    docs_by_language: Mapping[str, Sequence[Doc]],
    labels: Sequence[str],
    *,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Score all systems on all test sets.

    ensembles (Mapping[str, Language]): By language a pipeline with a `teacher_ensemble` that keeps
        votes.
    students (Mapping[str, Language]): Further pipelines, by name.
    docs_by_language (Mapping[str, Sequence[Doc]]): Gold docs, one sentence a doc.
    labels (Sequence[str]): The classes that count; others count as O.
    samples (int): Resamples of the paired bootstrap.
    seed (int): Of the bootstrap.
    RETURNS (Dict[str, Any]): JSON-able. "systems": by name "languages" (see `score_language`) and
        "macro" F1; "comparisons": "<student> - <system>" for each other system, by language and
        macro, see `paired_bootstrap`; "curves": by student precision and recall by threshold, see
        `thresholds.curve_report`.
    """
    systems_by_language: dict[str, Systems] = {}
    for language, gold in docs_by_language.items():
        systems = systems_from_votes(predict(ensembles[language], gold)[0])
        for name, nlp in students.items():
            systems[name] = predict(nlp, gold)[0]
        systems_by_language[language] = systems
    # A teacher that is not heard on its own language is no system of all of them.
    others = set.intersection(*(set(found) for found in systems_by_language.values()))
    order = next(iter(systems_by_language.values()))
    pairs = [(a, b) for a in students for b in order if b in others and a != b]
    report = score_systems(systems_by_language, labels, pairs, samples=samples, seed=seed)
    report["curves"] = {
        name: curve_report(
            {x: curve_of(systems[name], labels) for x, systems in systems_by_language.items()}
        )
        for name in students
    }
    return report


def score_systems(
    systems_by_language: Mapping[str, Systems],
    labels: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    *,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Score systems on all test sets, and compare pairs of them.

    systems_by_language (Mapping[str, Systems]): Examples by language and system; a language may
        lack systems (a language's own teacher), but none that is compared.
    labels (Sequence[str]): The classes that count; others count as O.
    pairs (Sequence[Tuple[str, str]]): Who is compared with whom.
    samples (int): Resamples of the paired bootstrap.
    seed (int): Of the bootstrap.
    RETURNS (Dict[str, Any]): See `evaluate_systems`, without the curves.
    """
    scores: dict[str, dict[str, Any]] = {}
    counts: dict[str, dict[str, Counts]] = {}
    for language, systems in systems_by_language.items():
        for name, examples in systems.items():
            row = score_language(examples, labels, language=language)
            scores.setdefault(name, {})[language] = row
            found = entity_sets(examples, labels, language=language)
            counts.setdefault(name, {})[language] = sentence_counts(*found)
    return {
        "labels": list(labels),
        "systems": {
            name: {
                "languages": rows,
                "macro": {"f1": fmean(row["micro"]["f1"] for row in rows.values())},
            }
            for name, rows in scores.items()
        },
        "comparisons": {
            f"{name} - {other}": compare(counts[name], counts[other], samples=samples, seed=seed)
            for name, other in pairs
        },
    }


def compare(
    a: Mapping[str, Counts], b: Mapping[str, Counts], *, samples: int, seed: int
) -> dict[str, Any]:
    """Paired bootstrap by language and for the macro average.

    a, b (Mapping[str, Counts]): By language; with several seeds, sums over the seeds.
    samples (int): Resamples.
    seed (int): Of the bootstrap.
    RETURNS (Dict[str, Any]): "languages" and "macro", see `paired_bootstrap`.
    """
    settings = {"samples": samples, "seed": seed}
    both = {language: (a[language], b[language]) for language in a}
    return {
        "languages": {name: paired_bootstrap(*pair, **settings) for name, pair in both.items()},
        "macro": paired_bootstrap_macro(list(both.values()), **settings),
    }


def markdown_table(report: Mapping[str, Any], score: Literal["f1", "ece"] = "f1") -> str:
    """A score of each system (rows) on each language (columns) in per cent, as a Markdown table.

    report (Mapping[str, Any]): See `evaluate_systems`.
    score (str): F1, or the expected calibration error of the scores of entities.
    RETURNS (str): A cell is empty where a system has no such score.
    """
    systems = report["systems"]
    languages = list(dict.fromkeys(x for system in systems.values() for x in system["languages"]))
    lines = [
        "| system | " + " | ".join([*languages, "average"]) + " |",
        "| --- |" + " ---: |" * (len(languages) + 1),
    ]
    for name, system in systems.items():
        rows = {
            language: row["ece"] if score == "ece" else row["micro"]["f1"]
            for language, row in system["languages"].items()
        }
        known = [value for value in rows.values() if value is not None]
        cells = [rows.get(language) for language in languages]
        cells.append(fmean(known) if known else None)
        shown = ["" if value is None else f"{100 * value:.1f}" for value in cells]
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"
