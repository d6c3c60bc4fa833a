"""The similarity evaluator's architecture: token vectors whose cosines say how alike words are."""

from spacy.tokens import Doc
from thinc.api import Linear, Model, chain, noop, with_array
from thinc.types import Floats2d


def build_pair_encoder(
    tok2vec: Model[list[Doc], list[Floats2d]], width: int | None = 16
) -> Model[list[Doc], list[Floats2d]]:
    """Token vectors and a linear projection. Registered as `spacy-xner.PairEncoder.v1`.

    Both words of a pair go through the same network, so that one pass over a batch serves all of
    its pairs. Li et al. (2022) take the encoder's own vectors. To tell some tags apart takes few
    directions, and silver annotations must hold them for each token and teacher.

    tok2vec (Model[List[Doc], List[Floats2d]]): Any Tok2Vec, a listener, or an encoder.
    width (Optional[int]): Of the projection; None for the encoder's own vectors, as published.
    RETURNS (Model[List[Doc], List[Floats2d]]): Arrays of shape (tokens, width), of any length.
    """
    if width is None:
        same: Model = noop()
        model: Model[list[Doc], list[Floats2d]] = chain(tok2vec, with_array(same))
        model.set_ref("output_layer", tok2vec)
        return model
    projection: Model[Floats2d, Floats2d] = Linear(width, tok2vec.maybe_get_dim("nO"))
    model = chain(tok2vec, with_array(projection))
    model.set_ref("output_layer", projection)
    return model
