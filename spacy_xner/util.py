"""What commands and jobs need: the GPU, pipelines with readable errors, JSON files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import Errors, XnerError, reason

if TYPE_CHECKING:
    from spacy.language import Language


def setup_gpu(gpu_id: int) -> None:
    """Use a GPU, or the CPU if the number is negative.

    gpu_id (int): The GPU's number, -1 for the CPU.
    RAISES (XnerError): X602 if the GPU cannot be used.
    """
    if gpu_id < 0:
        return
    from thinc.api import require_gpu

    try:
        require_gpu(gpu_id)
    except (ValueError, RuntimeError) as err:
        raise XnerError(Errors.X602.format(gpu_id=gpu_id, reason=reason(err))) from err


def load_pipeline(name_or_path: str | Path) -> "Language":
    """Load a pipeline from a folder or an installed package.

    name_or_path (Union[str, Path]): Folder or package name.
    RETURNS (Language): The pipeline.
    RAISES (XnerError): X603 if there is none, X604 if it cannot be loaded, and what
        `safety.check_pipeline` raises for a folder. A package may run code: it is installed.
    """
    import spacy

    from .safety import check_pipeline

    try:
        if Path(name_or_path).is_dir():
            check_pipeline(Path(name_or_path))
        return spacy.load(name_or_path)
    except XnerError:
        raise
    except OSError as err:
        raise XnerError(Errors.X603.format(name=name_or_path, reason=reason(err))) from err
    except Exception as err:  # msgpack, numpy and torch each raise their own on damaged data
        raise XnerError(Errors.X604.format(name=name_or_path, reason=reason(err))) from err


def write_json(path: Path, data: Any) -> None:
    """Write JSON under a temporary name and rename it, so that no half-written file remains.

    path (Path): The file; its folder is made if needed.
    data (Any): What to write; NaN and infinity are refused.
    """
    from .shards import write_bytes

    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, text.encode("utf8"))
