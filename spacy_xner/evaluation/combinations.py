"""The ways to combine teachers that are compared with each other."""

from collections.abc import Mapping

from ..aggregate import Method
from ..ensemble.confidence import make_agreement_weights, make_confidence_weights
from ..ensemble.nn_rank import rank
from ..ensemble.pooling import log_linear_pool
from ..ensemble.weights import Weights, make_fixed_weights
from .pools import Combination

UNIFORM, CALIBRATED = "uniform", "calibrated "


def combinations(
    alike: Mapping[str, float], tallies: Mapping[str, float], by_sentence: Weights | None = None
) -> dict[str, Combination]:
    """Each weighting, pool and aggregator, and some of them together.

    alike, tallies (Mapping[str, float]): Weights of the teachers by language similarity and by
        nearest neighbours.
    by_sentence (Optional[Weights]): By the similarity of each sentence; None leaves it out.
    RETURNS (Dict[str, Combination]): By name. Those whose name begins with `CALIBRATED` are meant
        for votes with fitted temperatures.
    """
    by_language, by_rank = make_fixed_weights(dict(alike)), make_fixed_weights(dict(tallies))
    best = rank(tallies)
    found = {
        UNIFORM: Combination(),
        "log-linear": Combination(pool=log_linear_pool),
        "confidence": Combination(make_confidence_weights()),
        "confidence, power 8": Combination(make_confidence_weights(power=8)),
        "confidence, sentence": Combination(make_confidence_weights(level="sentence")),
        "agreement": Combination(make_agreement_weights()),
        "agreement, sentence": Combination(make_agreement_weights(level="sentence")),
        "similarity, language": Combination(by_language),
        "similarity, log-linear": Combination(by_language, log_linear_pool),
        "NN-Rank, tallies": Combination(by_rank),
        "NN-Rank, log-linear": Combination(by_rank, log_linear_pool),
        "calibrated uniform": Combination(),
        "calibrated log-linear": Combination(pool=log_linear_pool),
        "calibrated confidence": Combination(make_confidence_weights()),
        "vote": Combination(method=Method.vote),
        "BEA": Combination(method=Method.bea),
        "BEA x 2, top 5": Combination(method=Method.bea2, top=5),
        "BEA x 2": Combination(method=Method.bea2),
        "sequence": Combination(method=Method.sequence),
    }
    if by_sentence is not None:
        found["similarity, sentence"] = Combination(by_sentence)
    for top in (1, 3, 5, 8):
        teachers = tuple(best[:top])
        found[f"NN-Rank, best {top}"] = Combination(teachers=teachers)
        found[f"NN-Rank, best {top}, log-linear"] = Combination(
            pool=log_linear_pool, teachers=teachers
        )
    found["NN-Rank, best 5, sequence"] = Combination(
        method=Method.sequence, teachers=tuple(best[:5])
    )
    found["NN-Rank, best 8, BEA"] = Combination(method=Method.bea, teachers=tuple(best[:8]))
    found["NN-Rank, best 5, confidence"] = Combination(
        make_confidence_weights(), teachers=tuple(best[:5])
    )
    return found
