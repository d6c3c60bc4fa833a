"""Trim the vocabulary of a trained pipeline's transformers to what its languages need."""

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from thinc.api import Model

from ..encoders.checkpoint import fast_tokenizer
from ..encoders.trim import check_unigram, needed_pieces, trim_model, trim_tokenizer
from ..errors import Errors, XnerError
from .xner import Xner

ENCODER = "transformer_encoder"


def find_encoders(nlp: Language) -> dict[str, Model]:
    """The transformers that the components of a pipeline read.

    nlp (Language): Any pipeline.
    RETURNS (Dict[str, Model]): Name of an `xner` to its `spacy-xner.TransformerEncoder.v1`.
    """
    found = {
        name: pipe.model.maybe_get_ref("tok2vec")
        for name, pipe in nlp.components
        if isinstance(pipe, Xner)
    }
    return {name: node for name, node in found.items() if node is not None and node.name == ENCODER}


def hf_objects(encoder: Model) -> Any:
    """What spacy-transformers holds of a model: `tokenizer`, `transformer` and more.

    RAISES (XnerError): X347 if it was not trained, or its tokenizer is none of `tokenizers`.
    """
    (shim,) = (shim for node in encoder.walk() for shim in node.shims)
    objects = cast(Any, shim)._hfmodel
    if objects.transformer is None:
        raise XnerError(Errors.X347.format(reason="it holds no weights yet"))
    if not objects.tokenizer.is_fast:
        raise XnerError(Errors.X347.format(reason="its tokenizer is not a fast one"))
    return objects


def can_trim(nlp: Language) -> bool:
    """Whether a pipeline has transformers, all with a vocabulary that can be trimmed."""
    kinds = {
        type(hf_objects(node).tokenizer.backend_tokenizer.model).__name__
        for node in find_encoders(nlp).values()
    }
    return kinds == {"Unigram"}


def trim_pipeline(nlp: Language, texts: Iterable[str], *, least: int = 0) -> int:
    """Keep the word embeddings that some texts need, in place.

    What the pipeline predicts for these texts stays the same, as long as each is read in one
    window. Other texts may be cut into more pieces; a character that could be read can be read
    still.

    nlp (Language): A trained pipeline.
    texts (Iterable[str]): In the languages that it is for.
    least (int): Pieces to keep at least, see `encoders.trim.needed_pieces`.
    RETURNS (int): How many pieces are left, of all encoders.
    RAISES (XnerError): X346 if there is no transformer, X105 if its tokenizer is not Unigram, X347.
    """
    encoders = find_encoders(nlp)
    if not encoders:
        raise XnerError(Errors.X346.format(found=nlp.component_names))
    texts = list(texts) if len(encoders) > 1 else texts
    left = 0
    for name, encoder in encoders.items():
        objects = hf_objects(encoder)
        check_unigram(objects.tokenizer.backend_tokenizer, f"of '{name}'")
        kept = needed_pieces(objects.tokenizer.backend_tokenizer, texts, least=least)
        left += len(kept)
        if len(kept) < objects.tokenizer.backend_tokenizer.get_vocab_size():
            _trim(objects, kept)
    return left


def _trim(objects: Any, kept: NDArray[np.int64]) -> None:
    tokenizer = trim_tokenizer(objects.tokenizer.backend_tokenizer, kept)
    objects.tokenizer = fast_tokenizer(tokenizer, like=objects.tokenizer)
    # The file that the old tokenizer was made from says nothing of the new one.
    objects.vocab_file_contents = None
    trim_model(objects.transformer, kept)
