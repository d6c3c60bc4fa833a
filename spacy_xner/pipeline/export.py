"""A trained pipeline with its transformers in ONNX Runtime, for use without torch."""

from typing import Any, cast

from spacy import util
from spacy.language import Language
from thinc.api import Model

from ..encoders.onnx import Precision, export_encoder
from ..errors import Errors, XnerError
from ..ml.onnx_encoder import WINDOW, OnnxShim
from ..ml.transformer import torch_module
from .trim import find_encoders, hf_objects
from .xner import Xner

REQUIREMENTS = ("onnxruntime>=1.20", "tokenizers>=0.20")
# Poolings of spacy-transformers, by the names of their layers.
POOLINGS = {"reduce_first": "first", "reduce_last": "last", "reduce_mean": "mean"}


def export_pipeline(
    nlp: Language, *, precision: Precision = "int8", per_channel: bool = False
) -> Language:
    """Copy a pipeline, with an ONNX graph in the place of each transformer that an `xner` reads.

    nlp (Language): A trained pipeline; it is left as it is.
    precision (str), per_channel (bool): Of the graphs, see `encoders.onnx.export_encoder`.
    RETURNS (Language): With the same components, labels, settings and meta data, and what the
        graphs need among the requirements of its meta data.
    RAISES (XnerError): X346 if no `xner` reads a `spacy-xner.TransformerEncoder.v1`, and what
        `export_encoder` raises.
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
    for name, pipe in nlp.components:
        new: Any = made.get_pipe(name)
        if name in encoders:
            graph = export_encoder(
                torch_module(encoders[name]), precision=precision, per_channel=per_channel
            )
            _fill(new, pipe, encoders[name], graph)
        elif hasattr(pipe, "to_bytes"):
            new.from_bytes(pipe.to_bytes())
    made.meta.update(nlp.meta)
    wanted = [x for x in nlp.meta.get("requirements", ()) if x not in REQUIREMENTS]
    made.meta["requirements"] = [*wanted, *REQUIREMENTS]
    return made


def _windows(encoder: Model) -> dict[str, int]:
    """As long as the architecture's, or as the encoder has positions."""
    tokenizer = hf_objects(encoder).tokenizer
    window = min(WINDOW, tokenizer.model_max_length - tokenizer.num_special_tokens_to_add())
    return {"window": window, "stride": window * 3 // 4}


def _fill(new: Xner, old: Any, encoder: Model, graph: bytes) -> None:
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
    return found[0] if found else "mean"
