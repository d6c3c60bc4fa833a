"""Compare ways to combine the same teachers, on the ensemble's own predictions.

With sources as targets (--test-name dev), each language in turn plays a target that nobody has
labels of, so that a way to combine can be chosen without a label of any target.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from wasabi import msg

from spacy_xner.annotate import find_ensemble
from spacy_xner.cli._app import command
from spacy_xner.corpora.raw_text import read_text
from spacy_xner.corpora.roles import teachers_of
from spacy_xner.decode import decode
from spacy_xner.ensemble.build import build_ensemble
from spacy_xner.ensemble.language_weights import weights_for
from spacy_xner.ensemble.similarity_weights import make_similarity_weights
from spacy_xner.ensemble.votes import choose, split
from spacy_xner.errors import Errors, XnerError
from spacy_xner.evaluation.combinations import CALIBRATED, UNIFORM, combinations
from spacy_xner.evaluation.pools import Combination, ask, combine, direct_transfer, heat
from spacy_xner.evaluation.provenance import provenance
from spacy_xner.evaluation.systems import markdown_table, score_systems, with_entities
from spacy_xner.evaluation.temperature import temperature_of
from spacy_xner.jobs.texts import to_docs
from spacy_xner.pipeline.teacher_ensemble import TeacherEnsemble
from spacy_xner.shards import read_docs
from spacy_xner.spans import blank_copy
from spacy_xner.teachers.cached import keep_answers
from spacy_xner.util import write_json

app = typer.Typer(pretty_exceptions_enable=False)


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
    families: Annotated[
        str, typer.Option(help="Related languages, commas between families; none hears its own.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> None:
    """Score all combinations on all targets; each is compared with the uniform linear pool."""
    names = languages.split()
    groups = [family.split() for family in families.split(",")] if families else []
    paths = {source: str(teachers / source / "model-last") for source in names}
    nlp = build_ensemble(config, paths)
    pipe = find_ensemble(nlp)
    pipe.teachers = keep_answers(pipe.teachers, cache)
    temperatures = {
        name: temperature_of(teacher, list(read_docs(_find(dev, f"{name}-dev"), nlp.vocab)))
        for name, teacher in pipe.teachers.items()
    }
    systems_by_language = {}
    for target in targets.split():
        gold = list(read_docs(test / f"{target}-{test_name}.spacy", nlp.vocab))
        other = list(islice(_unlabelled(nlp, text, target), limit or None))
        if not (gold and other):
            raise XnerError(Errors.X427.format(name=target))
        sources = teachers_of(target, names, families=groups)
        by_sentence = None
        if sentences:
            by_sentence = make_similarity_weights(str(similarity), target=target, level="sentence")
        ways = combinations(
            weights_for(similarity, target, sources),
            weights_for(ranking, target, sources),
            by_sentence,
        )
        found = _systems(pipe, gold, other, sources, ways, temperatures)
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
    report["single"] = direct_transfer(report["systems"], names)
    report["families"] = groups
    report["temperatures"] = temperatures
    files = {target: test / f"{target}-{test_name}.spacy" for target in targets.split()}
    files |= {"similarity": similarity, "ranking": ranking}
    report["provenance"] = provenance(models={}, files=files, seed=seed)
    report["provenance"]["teachers"] = {
        name: teacher.specification()["sha256"] for name, teacher in pipe.teachers.items()
    }
    write_json(output, report)
    print(markdown_table(report))


def _systems(
    pipe: TeacherEnsemble,
    gold: list[Doc],
    other: list[Doc],
    sources: list[str],
    ways: dict[str, Combination],
    temperatures: dict[str, float],
) -> Iterator[tuple[str, list]]:
    """Each system's name and entities; teachers first, as direct transfer."""
    votes, unseen = (choose(ask(pipe, docs), sources) for docs in (gold, other))
    for k, name in enumerate(votes.names):
        yield name, decode(split(votes.probs[k], votes.lengths), votes.labels)
    heats = [temperatures[name] for name in votes.names]
    hot, hot_unseen = heat(votes, heats), heat(unseen, heats)
    for name, how in ways.items():
        if name.startswith(CALIBRATED):
            yield name, combine(gold, hot, how, hot_unseen)
        else:
            yield name, combine(gold, votes, how, unseen)


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


if __name__ == "__main__":
    app()
