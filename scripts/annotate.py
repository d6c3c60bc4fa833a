"""Build the ensemble of all teachers and annotate the text of each target language."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm
from wasabi import msg

from spacy_xner.annotate import annotate, run_key
from spacy_xner.cli._app import command
from spacy_xner.cli._util import setup_gpu, write_json
from spacy_xner.corpora.docs import read_text
from spacy_xner.ensemble.build import build_ensemble, save_ensemble

app = typer.Typer(pretty_exceptions_enable=False)


@command("annotate", group=app)
def annotate_targets(
    text: Annotated[Path, typer.Argument(help="Folder of <language>.jsonl files.")],
    teachers: Annotated[Path, typer.Argument(help="Folder of the teachers.")],
    output: Annotated[Path, typer.Argument(help="Folder for one folder of shards a target.")],
    sources: Annotated[str, typer.Option(help="Languages of the teachers.")],
    targets: Annotated[str, typer.Option(help="Languages to annotate.")],
    config: Annotated[Path, typer.Option(help="Config of the ensemble.")],
    ensemble: Annotated[Path, typer.Option(help="Where to save the ensemble.")],
    limit: Annotated[int, typer.Option(help="Sentences a target at most, 0 for all.")] = 0,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Annotate; a target that was annotated by the same teachers is left alone."""
    setup_gpu(gpu_id)
    paths = {source: str(teachers / source / "model-last") for source in sources.split()}
    nlp = build_ensemble(config, paths)
    save_ensemble(nlp, ensemble)
    total = 0
    for target in targets.split():
        source = text / f"{target}.jsonl"
        records = list(islice(read_text(source), limit or None))
        key = run_key(nlp, source, limit=limit)
        with tqdm(total=len(records), unit="doc", desc=target, disable=None) as bar:
            # The user's silver of other teachers is replaced: it can be made again at any time.
            shards = annotate(
                nlp, records, output / target, key=key, force=True, progress=bar.update
            )
        total += sum(shard["docs"] for shard in shards)
    write_json(output / "manifest.json", {"sources": sources, "targets": targets, "docs": total})
    msg.good(f"{total} documents annotated", output)


if __name__ == "__main__":
    app()
