"""Resident memory of several teachers, with and without shared parameters.

Each case is measured in a fresh process, on Linux: what a process has once touched it seldom gives
back, so that two cases in one process say nothing.
"""

import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import numpy as np
import typer
from resident import MB, resident
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.errors import Errors, XnerError
from spacy_xner.evaluation.provenance import provenance
from spacy_xner.util import write_json

app = typer.Typer(pretty_exceptions_enable=False)
ROOT = Path(__file__).parents[1]
TEXTS = (
    "Amina Otieno visited Nairobi on Monday .",
    "The ministry in Berlin answered Carlos Vega and the Union of Farmers .",
    "Nothing happened .",
)


def measure(paths: Sequence[str], *, share: bool) -> dict[str, Any]:
    """Load teachers in this process, one after the other, as the ensemble does.

    paths (Sequence[str]): Pipelines with an `xner` component.
    share (bool): Share equal parameters.
    RETURNS (Dict[str, Any]): JSON-able: MB before the first, after each and after all have
        predicted; "shared_mb" as the sharing itself counts it; "predictions", one matrix a
        teacher and text.
    """
    import spacy
    import spacy_transformers  # noqa: F401
    import torch
    import transformers  # noqa: F401
    from spacy.tokens import Doc

    from spacy_xner.teachers import pipeline
    from spacy_xner.teachers.sharing import share_parameters

    torch.set_num_threads(1)
    before = resident()["VmRSS"]
    shared: list[int] = []
    teachers, loaded = [], []
    with ExitStack() as stack:
        stack.enter_context(
            patch.object(
                pipeline,
                "share_parameters",
                lambda nlp: shared.append(share_parameters(nlp) if share else 0),
            )
        )
        for path in paths:
            teacher = pipeline.make_xner_teacher(path)
            teacher.load()
            teachers.append(teacher)
            gc.collect()
            loaded.append(resident()["VmRSS"])
    vocab = spacy.blank("xx").vocab
    docs = [Doc(vocab, words=text.split()) for text in TEXTS]
    predictions = [[rows.tolist() for rows in teacher.distributions(docs)] for teacher in teachers]
    gc.collect()
    after = resident()
    return {
        "before_mb": before,
        "loaded_mb": loaded,
        "predicted_mb": after["VmRSS"],
        "peak_mb": after["VmHWM"],
        "shared_mb": sum(shared) / MB,
        "predictions": predictions,
    }


def measure_apart(paths: Sequence[Path], *, share: bool) -> dict[str, Any]:
    """Run `measure` in a process of its own.

    RAISES (XnerError): X401 with the last line that the process printed, if it fails.
    """
    arguments = [sys.executable, __file__, "measure", "--share" if share else "--no-share"]
    process = subprocess.run(
        [*arguments, *map(str, paths)], capture_output=True, text=True, check=False
    )
    if process.returncode:
        lines = (process.stdout + process.stderr).strip().splitlines()
        reason = lines[-1] if lines else f"exit code {process.returncode}"
        names = ", ".join(map(str, paths))
        raise XnerError(Errors.X401.format(name="?", path=names, reason=reason))
    result: dict[str, Any] = json.loads(process.stdout.strip().splitlines()[-1])
    return result


def compare(paths: Sequence[Path]) -> dict[str, Any]:
    """Measure both cases.

    paths (Sequence[Path]): Folders of pipelines with an `xner` component.
    RETURNS (Dict[str, Any]): JSON-able: the two cases, "saved_mb" between them after loading,
        "largest_difference" between their predicted probabilities and "same_predictions".
    RAISES (XnerError): X601 for a missing path, X401 for a pipeline that cannot be loaded.
    """
    for path in paths:
        if not path.exists():
            raise XnerError(Errors.X601.format(path=path))
    cases = {
        name: measure_apart(paths, share=share)
        for name, share in (("separate", False), ("shared", True))
    }
    found = [
        np.concatenate([np.ravel(rows) for teacher in case.pop("predictions") for rows in teacher])
        for case in cases.values()
    ]
    difference = float(np.abs(found[0] - found[1]).max())
    return {
        "teachers": len(paths),
        **cases,
        "saved_mb": cases["separate"]["loaded_mb"][-1] - cases["shared"]["loaded_mb"][-1],
        "largest_difference": difference,
        "same_predictions": difference < 1e-6,
    }


def make_teachers(
    config: Path, encoder: Path, folder: Path, *, count: int, seed: int = 0
) -> list[Path]:
    """Save pipelines that differ as trained teachers do: in all that carries a gradient.

    config (Path): Training config; the pipelines are made from its components.
    encoder (Path): A checkpoint folder.
    folder (Path): Where they are saved.
    count (int): How many.
    seed (int): Of the noise.
    RETURNS (List[Path]): One folder a teacher.
    RAISES (XnerError): X601 if the encoder or the config is missing.
    """
    import torch
    import transformers
    from spacy.tokens import Doc
    from spacy.training import Example
    from spacy.util import load_config, load_model_from_config

    from spacy_xner.ml.transformer import freeze, torch_module

    for path in (config, encoder):
        if not path.exists():
            raise XnerError(Errors.X601.format(path=path))
    transformers.logging.set_verbosity_error()  # it names every weight of the layers left out
    settings = load_config(config, overrides={"paths.encoder": str(encoder)}, interpolate=True)
    nlp = load_model_from_config(settings, auto_fill=True)
    words, tags = ["Amina", "left", "Nairobi", "Union"], ["B-PER", "O", "B-LOC", "B-ORG"]
    gold = Doc(nlp.vocab, words=words, ents=tags)
    nlp.initialize(lambda: [Example(Doc(nlp.vocab, words=words), gold)])
    pipe: Any = nlp.get_pipe("xner")
    tok2vec, head = pipe.model.get_ref("tok2vec"), pipe.model.get_ref("output_layer")
    module = torch_module(tok2vec)
    freeze(
        module, embeddings=tok2vec.attrs["freeze_embeddings"], layers=tok2vec.attrs["frozen_layers"]
    )
    generator = torch.Generator().manual_seed(seed)
    random = np.random.default_rng(seed)
    paths = []
    for i in range(count):
        with torch.no_grad():
            for parameter in module.parameters():
                if parameter.requires_grad:
                    noise = torch.randn(parameter.shape, generator=generator)
                    parameter.add_(noise, alpha=1e-3)
        head.set_param("W", random.normal(0, 0.02, head.get_param("W").shape).astype("f"))
        paths.append(folder / f"teacher{i}")
        nlp.to_disk(paths[-1])
    return paths


def _figures(case: dict[str, Any]) -> list[float]:
    keys = ("predicted_mb", "peak_mb", "shared_mb")
    return [case["before_mb"], case["loaded_mb"][0], case["loaded_mb"][-1], *map(case.get, keys)]


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    rows = [
        (name, *(f"{figure:.0f}" for figure in _figures(result[name])))
        for name in ("separate", "shared")
    ]
    header = ("case (MB)", "libraries", "+ first", "+ all", "predicted", "peak", "shared")
    msg.table(rows, header=header, aligns=("l", *"rrrrrr"), divider=True)
    msg.info(f"{result['teachers']} teachers; sharing saves {result['saved_mb']:.0f} MB resident")
    text = f"largest difference of a probability: {result['largest_difference']:.1e}"
    if result["same_predictions"]:
        msg.good("The predictions are the same", text)
    else:
        msg.fail("The predictions differ", text)


@command("compare", group=app)
def compare_command(
    teachers: Annotated[
        list[Path] | None, typer.Argument(help="Pipelines; made from --encoder if none is given.")
    ] = None,
    encoder: Annotated[
        Path, typer.Option(help="Checkpoint folder, see `xner encoder offline`.")
    ] = ROOT / "encoders/demo",
    config: Annotated[Path, typer.Option(help="Training config.")] = ROOT / "configs/teacher.cfg",
    count: Annotated[int, typer.Option(min=2, help="How many teachers to make.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the teachers that are made.")] = 0,
    output: Annotated[
        Path | None, typer.Option(help="Write the figures to this JSON file.")
    ] = None,
) -> None:
    """Measure the resident memory of teachers with and without shared parameters."""
    with tempfile.TemporaryDirectory() as folder:
        files = {f"teacher{i}": path for i, path in enumerate(teachers or [])}
        if not teachers:
            teachers = make_teachers(config, encoder, Path(folder), count=count, seed=seed)
            files = {"encoder": encoder, "config": config}
        result = compare(teachers)
        result["provenance"] = provenance(models={}, files=files, seed=seed)
    show(result)
    if output is not None:
        write_json(output, result)
    if not result["same_predictions"]:
        raise typer.Exit(1)


@command("measure", group=app, hidden=True)
def measure_command(
    paths: Annotated[list[str], typer.Argument(help="Pipelines.")],
    share: Annotated[bool, typer.Option("--share/--no-share", help="Share parameters.")],
) -> None:
    """Measure one case in this process and print it as JSON."""
    print(json.dumps(measure(paths, share=share)))


if __name__ == "__main__":
    app()
