"""Annotate the text of each target language with an ensemble of all teachers."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from wasabi import msg

from spacy_xner.aggregate import Method
from spacy_xner.aggregate import aggregate as aggregate_silver
from spacy_xner.annotate import find_ensemble, run_key, run_parts
from spacy_xner.cli._app import command
from spacy_xner.corpora.raw_text import TextSource, read_text
from spacy_xner.corpora.roles import teachers_of
from spacy_xner.ensemble.blocks import (
    PoolName,
    WeightsName,
    pool_block,
    weights_block,
)
from spacy_xner.ensemble.build import (
    EVALUATORS,
    build_ensemble,
    evaluators_of,
    reuse_teachers,
    save_ensemble,
)
from spacy_xner.evaluation.peers import Judgement, judge
from spacy_xner.jobs.local import in_process
from spacy_xner.jobs.progress import Progress
from spacy_xner.jobs.run import run_job
from spacy_xner.jobs.texts import to_docs
from spacy_xner.teachers.base import Teacher
from spacy_xner.teachers.cached import keep_answers
from spacy_xner.teachers.guests import GuestKind, check_guests, check_taught, guest_paths
from spacy_xner.teachers.pooled import POOLED, check_alone, check_pooled, check_pooled_teacher
from spacy_xner.util import setup_gpu, write_json

# Texts of a target by which the teachers judge a language model.
JUDGED = 500

app = typer.Typer(pretty_exceptions_enable=False)


def tell(target: str, judgement: Judgement, guests: Iterable[str]) -> None:
    """Say which guests are heard about a target, and why."""
    for name in guests:
        verdict = "heard" if name in judgement.heard else "not heard"
        agreement = f"agreement {judgement.agreement[name]:.2f}"
        if judgement.expected is None:
            expected = "two other teachers are needed to judge it"
        else:
            expected = f"expected {judgement.expected:.2f}"
        msg.info(f"{target}: {name} is {verdict} ({agreement}, {expected})")


@command("annotate", group=app)
def annotate_targets(
    text: Annotated[Path, typer.Argument(help="Folder of <language>.jsonl files.")],
    teachers: Annotated[Path, typer.Argument(help="Folder of the teachers.")],
    output: Annotated[Path, typer.Argument(help="Folder for one folder of shards a target.")],
    sources: Annotated[str, typer.Option(help="Languages of the teachers.")],
    targets: Annotated[str, typer.Option(help="Languages to annotate.")],
    config: Annotated[Path, typer.Option(help="Config of the ensemble.")],
    ensemble: Annotated[Path, typer.Option(help="Folder for one ensemble a target.")],
    cache: Annotated[Path, typer.Option(help="Folder of the teachers' answers.")],
    influence: Annotated[Path, typer.Option(help="Folder of weights by target.")],
    weights: Annotated[
        WeightsName,
        typer.Option(help="Who is heard; 'config' keeps the config's weights."),
    ],
    pool: Annotated[PoolName, typer.Option(help="How; 'config' as above.")],
    top: Annotated[
        int, typer.Option(min=0, help="With 'similarity' and 'rank': the best sources, 0 for all.")
    ] = 0,
    aggregate: Annotated[
        Literal["none", "vote", "bea", "bea2", "sequence"],
        typer.Option(help="Aggregate the votes on all text of a target in place of the pool."),
    ] = "none",
    pooled: Annotated[
        Literal["true", "false"],
        typer.Option(help="Is there one teacher of all sources? Then weights mean nothing."),
    ] = "false",
    evaluators: Annotated[
        Literal["true", "false"], typer.Option(help="Write the similarity of words as well.")
    ] = "false",
    llm: Annotated[
        GuestKind, typer.Option(help="Language models: one of all sources, one of each, none.")
    ] = "none",
    llm_folder: Annotated[Path, typer.Option(help="Folder of the language models.")] = Path("llm"),
    llm_heard: Annotated[
        Literal["judged", "always"],
        typer.Option(help="'judged': where it agrees with the others as they do."),
    ] = "judged",
    limit: Annotated[int, typer.Option(help="Sentences a target at most, 0 for all.")] = 0,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Annotate; a target that was annotated by the same teachers is left alone.

    A teacher's evaluator is the one in the folder 'evaluators' beside the teachers, if it is there,
    else the one in its own pipeline.
    """
    setup_gpu(gpu_id)
    names = languages = sources.split()
    if pooled == "true":
        check_pooled(languages, targets.split())
        check_alone(aggregate=aggregate, llm=llm, heard=llm_heard)
        for folder in (teachers, teachers.with_name(EVALUATORS)):
            check_pooled_teacher(folder / POOLED / "model-last", languages)
        names, weights, top = [POOLED], "uniform", 0
    paths = {name: str(teachers / name / "model-last") for name in names}
    asked: dict[str, Any] = {}
    if evaluators == "true":
        beside = evaluators_of(paths, teachers.with_name(EVALUATORS))
        asked = {"keep_similarity": True, "evaluators": beside}
    # An aggregator reads what was voted on, and its own silver takes that one's place.
    votes = output if aggregate == "none" else output.with_name(f"{output.name}-pooled")
    # Before anything is replaced: a source without a weight ends the run here.
    blocks = {
        target: weights_block(weights, influence, target, teachers_of(target, names), top)
        for target in targets.split()
    }
    check_guests(llm, languages, targets.split())
    for target in blocks:
        for name, path in guest_paths(llm, llm_folder, teachers_of(target, languages)).items():
            check_taught(name, Path(path), target)
    total = 0
    known: dict[str, Teacher] = {}
    judgements: dict[str, Any] = {}
    for target, block in blocks.items():
        heard = {name: paths[name] for name in teachers_of(target, names)}
        guests = guest_paths(llm, llm_folder, teachers_of(target, languages))
        source = text / f"{target}.jsonl"
        if guests and llm_heard == "judged":
            nlp = build_ensemble(config, heard | guests, evaluators=asked.get("evaluators"))
            pipe = find_ensemble(nlp)
            reuse_teachers(pipe, known)
            pipe.teachers = keep_answers(pipe.teachers, cache)
            few = islice(read_text(source), min(limit, JUDGED) or JUDGED)
            found = judge(pipe, list(to_docs(nlp, few)), guests)
            judgements[target] = found._asdict()
            tell(target, found, guests)
            guests = {name: guests[name] for name in found.heard}
        how: dict[str, Any] = {"weights": block, "pool": pool_block(pool), "guests": list(guests)}
        nlp = build_ensemble(config, heard | guests, **how, **asked)
        pipe = find_ensemble(nlp)
        reuse_teachers(pipe, known)
        save_ensemble(nlp, ensemble / target)
        pipe.teachers = keep_answers(pipe.teachers, cache)
        pipe.load()
        texts, folder = TextSource(source), votes / target
        parts = run_parts(nlp, source, limit=limit)
        key = run_key(parts)
        with Progress(None, share=texts.read_share, title=target) as progress:
            # The user's silver of other teachers is replaced: it can be made again at any time.
            shards = run_job(
                texts.items(),
                folder,
                in_process(nlp, folder, key=key),
                key=key,
                parts=parts,
                limit=limit,
                force=True,
                watcher=progress,
            )
        if aggregate != "none":
            aggregate_silver(votes / target, output / target, method=Method(aggregate), force=True)
        total += sum(shard["docs"] for shard in shards)
    made: dict[str, Any] = {"weights": weights, "top": top, "pool": pool, "aggregate": aggregate}
    made |= {"pooled_teacher": pooled == "true", "llm": llm, "judgements": judgements}
    write_json(
        output / "manifest.json", {"sources": sources, "targets": targets, "docs": total, **made}
    )
    msg.good(f"{total} documents annotated", output)


if __name__ == "__main__":
    app()
