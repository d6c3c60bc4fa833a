"""Pretrained encoders: read the offline one, convert it, trim vocabularies."""

from pathlib import Path

from ..errors import Errors, XnerError, reason

OFFLINE = "offline"


def encoder_path(name: str, built: Path) -> str:
    """Where an encoder lies: the built one for "offline", else the name itself.

    name (str): "offline", a local folder or the name of a model on a hub.
    built (Path): The folder that `xner encoder offline` has written.
    """
    return str(built) if name == OFFLINE else name


def local_encoder(name: str, built: Path) -> Path:
    """The folder of an encoder; one with a hub's name is fetched, as when it is trained.

    name (str), built (Path): See `encoder_path`.
    RETURNS (Path): A checkpoint folder.
    RAISES (XnerError): X108 if there is neither a folder nor a model of that name.
    """
    path = Path(encoder_path(name, built))
    if name == OFFLINE or path.is_dir():
        return path
    try:
        from huggingface_hub import snapshot_download

        # What transformers reads, and not the weights for other frameworks.
        kinds = ["*.json", "*.txt", "*.model", "*.safetensors"]
        return Path(snapshot_download(str(path), allow_patterns=kinds))
    except Exception as err:  # no network, no such model, no right to it, not installed
        raise XnerError(Errors.X108.format(path=path, reason=reason(err))) from err
