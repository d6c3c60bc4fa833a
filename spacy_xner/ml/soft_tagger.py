"""The tagger's architecture: token vectors to logits."""

from collections.abc import Callable

from spacy.tokens import Doc
from thinc.api import LayerNorm, Linear, Model, chain, with_array, zero_init
from thinc.types import Floats2d


def build_soft_tagger(
    tok2vec: Model[list[Doc], list[Floats2d]], scale: float = 30.0, nO: int | None = None
) -> Model[list[Doc], list[Floats2d]]:
    """A normalised linear layer on token vectors. Registered as `spacy-xner.SoftTagger.v1`.

    It gives logits, not probabilities: losses and the softmax live in `losses.py`, which keeps
    every gradient in one place.

    tok2vec (Model[List[Doc], List[Floats2d]]): Any Tok2Vec, a listener, or an encoder.
    scale (float): Factor on the logits. Adam moves each weight by about the learning rate a step,
        and a rate that suits a pretrained encoder leaves a new layer where it began for hundreds
        of steps; the factor lets the new layer learn so many times faster (docs/methods.md).
    nO (int): Number of tags; set by the component when it is initialised.
    RETURNS (Model[List[Doc], List[Floats2d]]): Arrays of shape (tokens, tags).
    """
    width = tok2vec.maybe_get_dim("nO")
    output_layer: Model[Floats2d, Floats2d] = Linear(nO, width, init_W=zero_init)
    scaled: Model[Floats2d, Floats2d] = Model("scale", _scale_forward, attrs={"scale": scale})
    head: Model = with_array(chain(LayerNorm(width), output_layer, scaled))
    model: Model[list[Doc], list[Floats2d]] = chain(tok2vec, head)
    # A second task on the token vectors runs the two one after the other.
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("head", head)
    model.set_ref("output_layer", output_layer)
    return model


def _scale_forward(model: Model, X: Floats2d, is_train: bool) -> tuple[Floats2d, Callable]:
    scale: float = model.attrs["scale"]

    def backprop(dY: Floats2d) -> Floats2d:
        return dY * scale

    return X * scale, backprop
