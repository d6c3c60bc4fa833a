"""Pretrained encoders: read the offline one, convert it, trim vocabularies."""

from pathlib import Path

OFFLINE = "offline"


def encoder_path(name: str, built: Path) -> str:
    """Where an encoder lies: the built one for "offline", else the name itself.

    name (str): "offline", a local folder or the name of a model on a hub.
    built (Path): The folder that `xner encoder offline` has written.
    """
    return str(built) if name == OFFLINE else name
