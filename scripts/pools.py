"""Compare ways to combine the same teachers, on the ensemble's own predictions.

With sources as targets (--test-name dev), each language in turn plays a target that nobody has
labels of, so that a way to combine can be chosen without a label of any target.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import numpy as np
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from wasabi import msg

from spacy_xner.aggregate import Method
from spacy_xner.annotate import find_ensemble, to_docs
from spacy_xner.cli._app import command
from spacy_xner.cli._util import write_json
from spacy_xner.corpora.docs import read_text
from spacy_xner.corpora.roles import teachers_of
from spacy_xner.decode import decode
from spacy_xner.ensemble.build import build_ensemble
from spacy_xner.ensemble.confidence import make_agreement_weights, make_confidence_weights
from spacy_xner.ensemble.language_weights import weights_for
from spacy_xner.ensemble.pooling import log_linear_pool
from spacy_xner.ensemble.similarity_weights import make_similarity_weights
from spacy_xner.ensemble.votes import split
from spacy_xner.ensemble.weights import make_fixed_weights
from spacy_xner.errors import Errors, XnerError
from spacy_xner.evaluation.pools import Combination, choose, combine, heat
from spacy_xner.evaluation.provenance import provenance
from spacy_xner.evaluation.systems import markdown_table, score_systems, with_entities
from spacy_xner.evaluation.temperature import fit_temperature
from spacy_xner.shards import read_docs
from spacy_xner.spans import blank_copy
from spacy_xner.teachers.cached import keep_answers
from spacy_xner.training.targets import targets as gold_targets

app = typer.Typer(pretty_exceptions_enable=False)
UNIFORM, CALIBRATED = "uniform", "calibrated "


@command("pools", group=app)
def pools(
    teachers: Annotated[Path, typer.Argument(help="Folder of the teachers.")],
    cache: Annotated[Path, typer.Argument(help="Folder of the teachers' answers.")],
    text: Annotated[Path, typer.Argument(help="Folder with unlabelled text of each target.")],
    test: Annotated[Path, typer.Argument(help="Folder with gold documents of each target.")],
    output: Annotated[Path, typer.Argument(help="JSON file for the scores.")],
    languages: Annotated[str, typer.Option("--sources", help="Languages of the teachers.")],
    targets: Annotated[str, typer.Option(help="Targets; none hears its own teacher.")],
    config: Annotated[Path, typer.Option(help="Config of the ensemble.")],
    dev: Annotated[list[Path], typer.Option(help="Folders of the sources' development sets.")],
    similarity: Annotated[Path, typer.Option(help="From 'xner similarity weights'.")],
    ranking: Annotated[Path, typer.Option(help="From 'xner similarity rank'.")],
    limit: Annotated[int, typer.Option(help="Unlabelled documents a target.")] = 1000,
    test_name: Annotated[str, typer.Option(help="'test' or 'dev'.")] = "test",
    labels: Annotated[str, typer.Option(help="Classes that count.")] = "PER LOC ORG",
    sentences: Annotated[
        bool, typer.Option(help="Sentence-level similarity too, which needs the encoder.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> None:
    """Score all combinations on all targets; each is compared with the uniform linear pool."""
    names = languages.split()
    paths = {source: str(teachers / source / "model-last") for source in names}
    nlp = build_ensemble(config, paths)
    pipe = find_ensemble(nlp)
    pipe.teachers = keep_answers(pipe.teachers, cache)
    temperatures = {name: _temperature(nlp, name, _find(dev, f"{name}-dev")) for name in names}
    systems_by_language = {}
    for target in targets.split():
        gold = list(read_docs(test / f"{target}-{test_name}.spacy", nlp.vocab))
        other = list(islice(_unlabelled(nlp, text, target), limit or None))
        if not (gold and other):
            raise XnerError(Errors.X427.format(name=target))
        sources = teachers_of(target, names)
        ways = combinations(sources, target, similarity, ranking, sentences=sentences)
        found = _systems(nlp, gold, other, sources, ways, temperatures)
        systems_by_language[target] = {
            name: [
                Example(with_entities(doc, ents), doc)
                for doc, ents in zip(gold, entities, strict=True)
            ]
            for name, entities in found
        }
        msg.good(f"{target}: {len(gold)} documents, {len(systems_by_language[target])} systems")
    combined = [name for name in systems_by_language[target] if name not in names]
    pairs = [(name, UNIFORM) for name in combined if name != UNIFORM]
    report = score_systems(systems_by_language, labels.split(), pairs, seed=seed)
    report["single"] = _single(report["systems"], names)
    report["temperatures"] = temperatures
    files = {target: test / f"{target}-{test_name}.spacy" for target in targets.split()}
    files |= {"similarity": similarity, "ranking": ranking}
    report["provenance"] = provenance(models={}, files=files, seed=seed)
    report["provenance"]["teachers"] = {
        name: teacher.specification()["sha256"]
        for name, teacher in find_ensemble(nlp).teachers.items()
    }
    write_json(output, report)
    print(markdown_table(report))


def _systems(
    nlp: Language,
    gold: list[Doc],
    other: list[Doc],
    sources: list[str],
    ways: dict[str, Combination],
    temperatures: dict[str, float],
) -> Iterator[tuple[str, list]]:
    """Each system's name and entities; teachers first, as direct transfer."""
    votes, unseen = (choose(_ask(nlp, docs), sources) for docs in (gold, other))
    for k, name in enumerate(votes.names):
        yield name, decode(split(votes.probs[k], votes.lengths), votes.labels)
    heats = [temperatures[name] for name in votes.names]
    hot, hot_unseen = heat(votes, heats), heat(unseen, heats)
    for name, how in ways.items():
        if name.startswith(CALIBRATED):
            yield name, combine(gold, hot, how, hot_unseen)
        else:
            yield name, combine(gold, votes, how, unseen)


def combinations(
    sources: list[str], target: str, similarity: Path, ranking: Path, *, sentences: bool
) -> dict[str, Combination]:
    """The ways that are compared, by name."""
    alike = weights_for(similarity, target, sources)
    tallies = weights_for(ranking, target, sources)
    by_language = make_fixed_weights({name: alike[name] for name in sources})
    by_rank = make_fixed_weights({name: tallies[name] for name in sources})
    best = sorted(sources, key=lambda name: -tallies[name])
    found = {
        UNIFORM: Combination(),
        "log-linear": Combination(pool=log_linear_pool),
        "confidence": Combination(make_confidence_weights()),
        "confidence, power 8": Combination(make_confidence_weights(power=8)),
        "confidence, sentence": Combination(make_confidence_weights(level="sentence")),
        "agreement": Combination(make_agreement_weights()),
        "agreement, sentence": Combination(make_agreement_weights(level="sentence")),
        "similarity, language": Combination(by_language),
        "similarity, log-linear": Combination(by_language, log_linear_pool),
        "NN-Rank, tallies": Combination(by_rank),
        "NN-Rank, log-linear": Combination(by_rank, log_linear_pool),
        "calibrated uniform": Combination(),
        "calibrated log-linear": Combination(pool=log_linear_pool),
        "calibrated confidence": Combination(make_confidence_weights()),
        "vote": Combination(method=Method.vote),
        "BEA": Combination(method=Method.bea),
        "BEA x 2, top 5": Combination(method=Method.bea2, top=5),
        "BEA x 2": Combination(method=Method.bea2),
        "sequence": Combination(method=Method.sequence),
    }
    if sentences:
        found["similarity, sentence"] = Combination(
            make_similarity_weights(str(similarity), target=target, level="sentence")
        )
    for top in (1, 3, 5, 8):
        teachers = tuple(best[:top])
        found[f"NN-Rank, best {top}"] = Combination(teachers=teachers)
        found[f"NN-Rank, best {top}, log-linear"] = Combination(
            pool=log_linear_pool, teachers=teachers
        )
    found["NN-Rank, best 5, sequence"] = Combination(
        method=Method.sequence, teachers=tuple(best[:5])
    )
    found["NN-Rank, best 8, BEA"] = Combination(method=Method.bea, teachers=tuple(best[:8]))
    found["NN-Rank, best 5, confidence"] = Combination(
        make_confidence_weights(), teachers=tuple(best[:5])
    )
    return found


def _find(folders: list[Path], stem: str) -> Path:
    found = [folder / f"{stem}.spacy" for folder in folders]
    return next((path for path in found if path.is_file()), found[0])


def _unlabelled(nlp: Language, folder: Path, target: str) -> Iterator[Doc]:
    """Raw text of a target; of a source, its development set without labels."""
    raw = folder / f"{target}.jsonl"
    if raw.is_file():
        yield from to_docs(nlp, read_text(raw))
    else:
        docs = read_docs(folder / f"{target}-dev.spacy", nlp.vocab)
        yield from (blank_copy(doc, nlp.vocab) for doc in docs)


def _ask(nlp: Language, docs: list[Doc]) -> Any:
    """All votes; in small batches, so that a run that is stopped keeps what it has."""
    ensemble = find_ensemble(nlp)
    parts = [ensemble.predict(docs[i : i + 250]) for i in range(0, len(docs), 250)]
    return parts[0]._replace(
        probs=np.concatenate([part.probs for part in parts], axis=1),
        lengths=tuple(length for part in parts for length in part.lengths),
    )


def _temperature(nlp: Language, name: str, dev: Path) -> float:
    """What `xner calibrate` fits, from the teacher's distributions: their logs are logits."""
    teacher = find_ensemble(nlp).teachers[name]
    teacher.load()
    docs = list(read_docs(dev, nlp.vocab))
    probs = np.concatenate(teacher.distributions(docs))
    pairs = [gold_targets(Example(doc, doc), teacher.labels, {}) for doc in docs]
    target, weights = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return fit_temperature(np.log(np.maximum(probs, 1e-7)), target, weights)


def _single(systems: dict[str, Any], sources: list[str]) -> dict[str, Any]:
    """Direct transfer: mean over the teachers, and the best by an oracle that sees the scores."""
    scores: dict[str, list[float]] = {}
    for name in sources:
        for language, row in systems[name]["languages"].items():
            scores.setdefault(language, []).append(row["micro"]["f1"])
    return {
        "mean": fmean(fmean(found) for found in scores.values()),
        "oracle": fmean(max(found) for found in scores.values()),
    }


if __name__ == "__main__":
    app()
