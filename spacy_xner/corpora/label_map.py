"""Label maps as data files."""

from pathlib import Path

from ..errors import Errors, XnerError
from ..safety import read_metadata


def read_label_map(path: Path) -> dict[str, str]:
    """Read a label map: a flat JSON object, label to label, or to "" where the class is dropped.

    The key "*" stands for every label that the map does not name.

    path (Path): The JSON file.
    RETURNS (Dict[str, str]): The map.
    RAISES (XnerError): X204 if the file is not such an object, X702 if it is too large.
    """
    try:
        found = read_metadata(path)
    except XnerError:
        raise
    except ValueError as err:
        raise XnerError(Errors.X204.format(path=path, reason=err)) from err
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise XnerError(Errors.X204.format(path=path, reason="it is not a flat object of strings"))
    return found
