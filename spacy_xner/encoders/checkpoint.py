"""Checkpoint folders: written whole or not at all, with a note of what they were built from."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Errors, XnerError
from ..safety import read_metadata

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MANIFEST = "xner.json"
# How transformers reads a checkpoint: from the disk, and without code that lies beside the weights.
LOCAL = {"local_files_only": True, "trust_remote_code": False}
REQUIRED = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint was built from: hexadecimal sha256 sums, and how much of it was kept."""

    source_sha256: str
    pieces: int
    vocabulary_sha256: str | None
    layers: int | None = None
    least: int = 0

    def write(self, folder: Path) -> None:
        """Write the manifest into a checkpoint folder, as its last file."""
        (folder / MANIFEST).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf8")


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a complete checkpoint; None if the folder is anything else."""
    if not all((folder / name).is_file() for name in REQUIRED):
        return None
    try:
        return Manifest(**read_metadata(folder / MANIFEST))
    except (OSError, ValueError, TypeError):
        return None


class TextDigest:
    """The sha256 of texts, taken while they pass."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def watch(self, texts: Iterable[str]) -> Iterator[str]:
        """Yield the texts unchanged."""
        for text in texts:
            self._hash.update(text.encode("utf8") + b"\n")
            yield text

    def hexdigest(self) -> str:
        """The sum over the texts seen so far, in hexadecimal digits."""
        return self._hash.hexdigest()


def texts_digest(texts: Iterable[str]) -> str:
    """The sha256 of some texts, as a manifest holds it."""
    digest = TextDigest()
    for _ in digest.watch(texts):
        pass
    return digest.hexdigest()


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder that takes the target's place when the block ends without an error.

    target (Path): May exist if it is empty or was built by this package. Anything else is never
        replaced: it could be somebody's work.
    RAISES (XnerError): X106 if the target holds anything else, X109 if a file cannot be written.
    """
    target = target.resolve()
    known = not target.exists() or (
        target.is_dir() and ((target / MANIFEST).is_file() or not any(target.iterdir()))
    )
    if not known:
        raise XnerError(Errors.X106.format(path=target))
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is a rename within one file system.
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        new, old = temporary / "new", temporary / "old"
        new.mkdir()
        yield new
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    except Exception as err:
        # safetensors and tokenizers report a full disk with exceptions of their own.
        if isinstance(err, OSError | XnerError) or "os error" not in str(err):
            raise
        raise XnerError(Errors.X109.format(path=target, reason=err)) from err
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def save_tokenizer(
    tokenizer: "Tokenizer", folder: Path, *, like: Any = None, **special: Any
) -> None:
    """Save a tokenizer so that ``AutoTokenizer.from_pretrained(folder)`` finds it.

    tokenizer (Tokenizer), like, special: See `fast_tokenizer`.
    folder (Path): An existing folder.
    """
    fast_tokenizer(tokenizer, like=like, **special).save_pretrained(folder)


def fast_tokenizer(tokenizer: "Tokenizer", *, like: Any = None, **special: Any) -> Any:
    """Wrap a tokenizer for transformers.

    tokenizer (Tokenizer): Of the `tokenizers` library.
    like (Optional[PreTrainedTokenizerFast]): Take special tokens and limits from this one.
    special: Further arguments of PreTrainedTokenizerFast, such as special tokens.
    RETURNS (PreTrainedTokenizerFast): The tokenizer.
    """
    from transformers import PreTrainedTokenizerFast

    if like is not None:
        special = {
            **like.special_tokens_map_extended,
            "model_max_length": like.model_max_length,
            "model_input_names": like.model_input_names,
            "padding_side": like.padding_side,
            "truncation_side": like.truncation_side,
            **special,
        }
    made: Any = PreTrainedTokenizerFast
    return made(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **special)
