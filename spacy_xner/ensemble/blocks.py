"""Blocks of an ensemble's config from the short names that a project uses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ..errors import Errors, XnerError
from .language_weights import weights_for
from .nn_rank import select

WeightsName = Literal["uniform", "confidence", "agreement", "similarity", "rank", "config"]
PoolName = Literal["linear", "log-linear", "config"]
Block = dict[str, Any] | None
KEPT = "config"
POOLS = {"linear": "spacy-xner.LinearPool.v1", "log-linear": "spacy-xner.LogLinearPool.v1"}


def pool_block(name: PoolName) -> Block:
    """The block of the ensemble's config for a pool.

    name (PoolName): "config" keeps what the config says.
    RETURNS (Optional[Dict[str, Any]]): None to keep the config's.
    """
    return None if name == KEPT else {"@misc": POOLS[name]}


def weights_block(
    name: WeightsName, influence: Path, target: str, sources: Sequence[str], top: int
) -> Block:
    """The block of the ensemble's config for weights.

    Weights by language become plain numbers, so that a saved ensemble needs no other file.

    name (WeightsName): "config" keeps what the config says.
    influence (Path): Folder with the files of weights by language.
    target (str): A language of these files.
    sources (Sequence[str]): The teachers that take part.
    top (int): Weights by language alone: hear only the best, all alike; 0 for all by weight.
    RETURNS (Optional[Dict[str, Any]]): None to keep the config's.
    RAISES (XnerError): X308 for a `top` where nobody is best, X439 for a file that nobody made, and
        what `weights_for` raises.
    """
    if name not in ("similarity", "rank"):
        if top:
            found = {"key": "top", "value": top, "expected": f"0 with the weights '{name}'"}
            raise XnerError(Errors.X308.format(**found))
        return None if name == KEPT else {"@misc": f"spacy-xner.{name.capitalize()}Weights.v1"}
    file = influence / f"{name}.json"
    if not file.is_file():
        raise XnerError(Errors.X439.format(path=file, name=name))
    weights = select(weights_for(file, target, sources), top=top or None, equal=bool(top))
    return {"@misc": "spacy-xner.FixedWeights.v1", "weights": weights}
