"""A trained pipeline in the form in which it is used: trimmed, and without torch."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from spacy import util
from spacy.language import Language
from thinc.api import Model
from thinc.shims import PyTorchShim

from ..encoders.onnx import Precision, export_encoder
from ..errors import Errors, XnerError
from ..ml.onnx_encoder import WINDOW, OnnxShim
from ..ml.transformer import torch_module
from ..safety import read_metadata
from ..training.checkpoints import save_whole
from .trim import find_encoders, hf_objects
from .xner import Xner

# The oldest versions that our graphs were run with.
REQUIREMENTS = ("onnxruntime>=1.20", "tokenizers>=0.20")
TORCH = ("torch", "transformers", "spacy-transformers")
# Poolings of spacy-transformers, by the names of their layers.
POOLINGS = {"reduce_first": "first", "reduce_last": "last", "reduce_mean": "mean"}
MARK = "exported"


def export_pipeline(nlp: Language, *, precision: Precision = "int8", **how: bool) -> Language:
    """Copy a pipeline, with an ONNX graph in the place of each transformer that an `xner` reads.

    nlp (Language): A trained pipeline; it is left as it is.
    precision (str), how: Of the graphs, see `encoders.onnx.export_encoder`.
    RETURNS (Language): With the same tokenizer, components, labels, settings and meta data, and
        what the graphs need among the requirements of its meta data.
    RAISES (XnerError): X346 if no `xner` reads a `spacy-xner.TransformerEncoder.v1`, X347 if one is
        not trained or cannot be written, and what `export_encoder` raises.
    """
    encoders = find_encoders(nlp)
    if not encoders:
        raise XnerError(Errors.X346.format(found=nlp.component_names))
    config = nlp.config.copy()
    for name, encoder in encoders.items():
        config["components"][name]["model"]["tok2vec"] = {
            "@architectures": "spacy-xner.OnnxEncoder.v1",
            "reduce": _reduce(encoder),
            **_windows(encoder),
        }
    made = util.load_model_from_config(config, vocab=nlp.vocab, auto_fill=True)
    with TemporaryDirectory() as folder:
        nlp.to_disk(folder, exclude=[*encoders, "vocab"])
        made.from_disk(folder, exclude=[*encoders, "vocab"])
    for name, encoder in encoders.items():
        graph = export_encoder(torch_module(encoder), precision=precision, **how)
        _fill(cast(Xner, made.get_pipe(name)), cast(Xner, nlp.get_pipe(name)), encoder, graph)
    gone = () if torch_components(made) else TORCH
    kept = [x for x in nlp.meta.get("requirements", ()) if not _names(x, (*gone, *REQUIREMENTS))]
    made.meta["requirements"] = [*kept, *REQUIREMENTS]
    return made


def torch_components(nlp: Language) -> list[str]:
    """The components that run in torch."""
    models = {name: getattr(pipe, "model", None) for name, pipe in nlp.components}
    return [
        name
        for name, model in models.items()
        if isinstance(model, Model)
        and any(isinstance(shim, PyTorchShim) for node in model.walk() for shim in node.shims)
    ]


def check_target(source: Path, target: Path) -> None:
    """Refuse to write an export over anything but an earlier export.

    source (Path): The pipeline that is exported.
    target (Path): Where to.
    RAISES (XnerError): X106.
    """
    one, other = source.resolve(), target.resolve()
    overlap = one == other or one in other.parents or other in one.parents
    taken = target.exists() and not (target.is_dir() and not any(target.iterdir()))
    if overlap or (taken and not _is_export(target)):
        raise XnerError(Errors.X106.format(path=target))


def save_export(nlp: Language, target: Path, **how: Any) -> None:
    """Save a pipeline where `check_target` allows it, with a mark in its meta data.

    nlp (Language): Of `export_pipeline`, or any other.
    target (Path): A folder, or nothing yet.
    how: What was done, for the mark.
    """
    nlp.meta["xner"] = {**nlp.meta.get("xner", {}), MARK: how}
    save_whole(nlp, target)


def _is_export(folder: Path) -> bool:
    try:
        return MARK in read_metadata(folder / "meta.json")["xner"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _windows(encoder: Model) -> dict[str, int]:
    """As long as the architecture's, or as the encoder has positions."""
    tokenizer, module = hf_objects(encoder).tokenizer, torch_module(encoder)
    config: Any = module.config
    # Models of RoBERTa's kind count positions from the padding's number.
    unused = getattr(getattr(module, "embeddings", None), "padding_idx", -1) + 1
    positions = getattr(config, "max_position_embeddings", WINDOW + unused + 2) - unused
    most = min(positions, tokenizer.model_max_length) - tokenizer.num_special_tokens_to_add()
    window = min(WINDOW, most)
    return {"window": window, "stride": max(1, window * 3 // 4)}


def _fill(new: Xner, old: Xner, encoder: Model, graph: bytes) -> None:
    """Give a new component the labels and weights of a trained one."""
    new.cfg = {**old.cfg}
    tokenizer = hf_objects(encoder).tokenizer
    tok2vec = new.model.get_ref("tok2vec")
    shim = cast(OnnxShim, tok2vec.shims[0])
    shim.graph = graph
    shim.tokenizer = tokenizer.backend_tokenizer.to_str()
    shim.width = encoder.get_dim("nO")
    shim.padding = tokenizer.pad_token_id or 0
    tok2vec.set_dim("nO", shim.width)
    new.model.get_ref("head").from_bytes(old.model.get_ref("head").to_bytes())


def _reduce(encoder: Model) -> str:
    """How the sub-words of a word become one vector."""
    found = [POOLINGS[node.name] for node in encoder.walk() if node.name in POOLINGS]
    if not found:
        raise XnerError(Errors.X347.format(reason=f"its pooling is none of {', '.join(POOLINGS)}"))
    return found[0]


def _names(requirement: str, packages: tuple[str, ...]) -> bool:
    """Whether a requirement is of one of these packages, or is one of these requirements."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        name = Requirement(requirement).name
    except InvalidRequirement:
        return False
    return any(name == Requirement(x).name for x in packages)
