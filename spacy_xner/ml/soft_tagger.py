"""The tagger's architecture: token vectors to logits."""

from spacy.tokens import Doc
from thinc.api import Linear, Model, chain, with_array, zero_init
from thinc.types import Floats2d


def build_soft_tagger(
    tok2vec: Model[list[Doc], list[Floats2d]], nO: int | None = None
) -> Model[list[Doc], list[Floats2d]]:
    """One linear layer on token vectors. Registered as `spacy-xner.SoftTagger.v1`.

    It gives logits, not probabilities: losses and the softmax live in `losses.py`, which keeps
    every gradient in one place.

    tok2vec (Model[List[Doc], List[Floats2d]]): Any Tok2Vec, a listener, or an encoder.
    nO (int): Number of tags; set by the component when it is initialised.
    RETURNS (Model[List[Doc], List[Floats2d]]): Arrays of shape (tokens, tags).
    """
    width = tok2vec.maybe_get_dim("nO")
    output_layer: Model[Floats2d, Floats2d] = Linear(nO, width, init_W=zero_init)
    model: Model[list[Doc], list[Floats2d]] = chain(tok2vec, with_array(output_layer))  # type: ignore[arg-type]
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output_layer)
    return model
