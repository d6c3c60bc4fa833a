"""Annotate the text of each target language with an ensemble of all teachers."""

from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from tqdm import tqdm
from wasabi import msg

from spacy_xner.aggregate import Method
from spacy_xner.aggregate import aggregate as aggregate_silver
from spacy_xner.annotate import annotate, find_ensemble, run_key
from spacy_xner.cli._app import command
from spacy_xner.cli._util import setup_gpu, write_json
from spacy_xner.corpora.docs import read_text
from spacy_xner.ensemble.build import build_ensemble, save_ensemble

app = typer.Typer(pretty_exceptions_enable=False)

POOLS = {"linear": "spacy-xner.LinearPool.v1", "log-linear": "spacy-xner.LogLinearPool.v1"}


def weights_block(name: str, influence: Path, target: str, top: int) -> dict[str, Any]:
    """The block of the ensemble's config for weights of this name."""
    if name == "similarity":
        path = str(influence / "similarity.json")
        return {"@misc": "spacy-xner.SimilarityWeights.v1", "path": path, "target": target}
    if name == "rank":
        block = {"@misc": "spacy-xner.RankedWeights.v1", "path": str(influence / "rank.json")}
        return {**block, "target": target, "top": top or None, "equal": bool(top)}
    return {"@misc": f"spacy-xner.{name.capitalize()}Weights.v1"}


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
        Literal["uniform", "confidence", "agreement", "similarity", "rank"],
        typer.Option(help="Who is heard."),
    ] = "uniform",
    top: Annotated[int, typer.Option(min=0, help="With 'rank': the best sources, 0 for all.")] = 0,
    pool: Annotated[Literal["linear", "log-linear"], typer.Option(help="How.")] = "linear",
    aggregate: Annotated[
        Literal["none", "vote", "bea", "bea2", "sequence"],
        typer.Option(help="Aggregate the votes on all text of a target in place of the pool."),
    ] = "none",
    limit: Annotated[int, typer.Option(help="Sentences a target at most, 0 for all.")] = 0,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Annotate; a target that was annotated by the same teachers is left alone."""
    setup_gpu(gpu_id)
    paths = {source: str(teachers / source / "model-last") for source in sources.split()}
    # An aggregator reads what was pooled, and its own silver takes that one's place.
    pooled = output if aggregate == "none" else output.with_name(f"{output.name}-pooled")
    total, known = 0, None
    for target in targets.split():
        block = weights_block(weights, influence, target, top)
        nlp = build_ensemble(config, paths, cache=cache, weights=block, pool={"@misc": POOLS[pool]})
        pipe = find_ensemble(nlp)
        known = pipe.teachers = known or pipe.teachers  # loaded once for all targets
        save_ensemble(nlp, ensemble / target)
        source = text / f"{target}.jsonl"
        records = list(islice(read_text(source), limit or None))
        key = run_key(nlp, source, limit=limit)
        with tqdm(total=len(records), unit="doc", desc=target, disable=None) as bar:
            # The user's silver of other teachers is replaced: it can be made again at any time.
            shards = annotate(
                nlp, records, pooled / target, key=key, force=True, progress=bar.update
            )
        if aggregate != "none":
            aggregate_silver(pooled / target, output / target, method=Method(aggregate), force=True)
        total += sum(shard["docs"] for shard in shards)
    how = {"weights": weights, "top": top, "pool": pool, "aggregate": aggregate}
    write_json(
        output / "manifest.json", {"sources": sources, "targets": targets, "docs": total, **how}
    )
    msg.good(f"{total} documents annotated", output)


if __name__ == "__main__":
    app()
