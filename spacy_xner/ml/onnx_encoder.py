"""An encoder in ONNX Runtime as token vectors: no torch and no transformers when it runs."""

import os
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any, cast

import numpy as np
import srsly
from numpy.typing import NDArray
from spacy.tokens import Doc
from thinc.api import Model
from thinc.shims import Shim
from thinc.types import Floats2d

from ..errors import Errors, XnerError, check_range, reason
from ..pipeline.reading import length_batches, split_rows
from .cut import Encoded, Reading, cut_docs
from .windows import Reduce

# Names of the graph's inputs and of its one output.
INPUTS = ("input_ids", "attention_mask")
OUTPUT = "vectors"
WINDOW = 254
# A tensor whose values lie in another file says where under this key. Our graphs hold all values.
ELSEWHERE = b"location"
FIELDS = ("graph", "tokenizer", "width", "padding")


def build_onnx_encoder(
    *,
    reduce: Reduce = "first",
    window: int = WINDOW,
    stride: int = WINDOW * 3 // 4,
    max_subwords: int = 256,
    threads: int = 0,
) -> Model[list[Doc], list[Floats2d]]:
    """An encoder that `xner export` has written; it predicts and cannot be trained.

    Registered as `spacy-xner.OnnxEncoder.v1`.

    reduce (str): "first", "last" or "mean": which sub-words stand for a word.
    window, stride (int): Longer texts are read in windows of so many sub-words, whose starts lie so
        far apart.
    max_subwords (int): What the encoder is given at once, with padding.
    threads (int): Of the encoder; 0 for what OMP_NUM_THREADS says, and without it for as many as
        the processor has cores.
    RETURNS (Model[List[Doc], List[Floats2d]]): Arrays of shape (tokens, width). A token without a
        sub-word has zeros.
    RAISES (XnerError): X308 for a setting out of range, X340 without onnxruntime or tokenizers;
        when used, X341 if there is no encoder in it, X342 if it cannot be read, X343 if it is
        trained.
    """
    in_range = {
        "reduce": (reduce in ("first", "last", "mean"), '"first", "last" or "mean"'),
        "window": (window >= 1, "1 or more"),
        "stride": (1 <= stride <= window, "1 to the window's size"),
        "max_subwords": (max_subwords >= 1, "1 or more"),
        "threads": (threads >= 0, "0 or more"),
    }
    check_range(locals(), in_range)
    missing = [name for name in ("onnxruntime", "tokenizers") if find_spec(name) is None]
    if missing:
        raise XnerError(Errors.X340.format(missing=" and ".join(missing)))
    forward = partial(_forward, window=window, stride=stride, max_subwords=max_subwords)
    return Model(
        "onnx_encoder",
        forward,
        dims={"nO": None},
        attrs={"reduce": reduce},
        shims=[OnnxShim(threads=threads)],
    )


class OnnxShim(Shim):
    """A graph, its tokenizer, and the session that is made of them when they are first used.

    graph (bytes): An ONNX model of `INPUTS`, arrays of shape (texts, sub-words), to `OUTPUT` of
        shape (texts, sub-words, width).
    tokenizer (str): JSON of the `tokenizers` library.
    width (int): Of the vectors.
    padding (int): The sub-word that fills the ends of shorter texts.
    threads (int): See `build_onnx_encoder`.
    """

    def __init__(
        self,
        graph: bytes = b"",
        tokenizer: str = "",
        *,
        width: int = 0,
        padding: int = 0,
        threads: int = 0,
    ) -> None:
        super().__init__(None)
        self.graph, self.tokenizer, self.width, self.padding = graph, tokenizer, width, padding
        self.threads = threads
        self._loaded: tuple[int, Any, Any] | None = None

    def load(self) -> tuple[Any, Any]:
        """The session and the tokenizer.

        A process that was forked gets its own: the threads of a session do not come along.

        RAISES (XnerError): X341 if the shim is empty, X342 if its parts cannot be read.
        """
        if self._loaded is None or self._loaded[0] != os.getpid():
            if not self.graph:
                raise XnerError(Errors.X341)
            if ELSEWHERE in self.graph:
                raise XnerError(Errors.X342.format(reason="its graph names another file"))
            import onnxruntime
            from tokenizers import Tokenizer

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self.threads or _omp_threads()
            # Batches differ in shape: memory laid out for the last one fits none.
            options.enable_mem_pattern = False
            try:
                session = onnxruntime.InferenceSession(
                    self.graph, options, providers=["CPUExecutionProvider"]
                )
                tokenizer = Tokenizer.from_str(self.tokenizer)
            except Exception as err:  # both libraries raise classes of their own
                raise XnerError(Errors.X342.format(reason=reason(err))) from err
            tokenizer.no_truncation()
            tokenizer.no_padding()
            self._loaded = (os.getpid(), session, tokenizer)
        return self._loaded[1:]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": None}

    def to_bytes(self) -> bytes:
        """The graph and the tokenizer."""
        return srsly.msgpack_dumps({name: getattr(self, name) for name in FIELDS})

    def from_bytes(self, data: bytes) -> "OnnxShim":
        """Take what `to_bytes` gives; it is read when it is first used.

        RAISES (XnerError): X342 for anything else.
        """
        try:
            saved = srsly.msgpack_loads(data)
            for name in FIELDS:
                if not isinstance(saved[name], type(getattr(self, name))):
                    raise TypeError(f"'{name}' is of the type {type(saved[name]).__name__}")
        except Exception as err:  # msgpack has an exception for each kind of damage
            raise XnerError(Errors.X342.format(reason=reason(err))) from err
        for name in FIELDS:
            setattr(self, name, saved[name])
        self._loaded = None
        return self


def _omp_threads() -> int:
    """What numpy and torch obey too; 0, which leaves it to ONNX Runtime, if it is not set."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isdecimal() else 0


def _forward(
    model: Model,
    docs: list[Doc],
    is_train: bool,
    *,
    window: int,
    stride: int,
    max_subwords: int,
) -> tuple[list[Floats2d], Callable]:
    if is_train:
        raise XnerError(Errors.X343)
    shim = cast(OnnxShim, model.shims[0])
    session, tokenizer = shim.load()
    how: dict[str, Any] = {"window": window, "stride": stride, "reduce": model.attrs["reduce"]}
    reading = cut_docs(docs, encode(docs, tokenizer), **how)
    states = run(session, reading, shim.width, padding=shim.padding, max_subwords=max_subwords)
    rows: Any = word_means(states, reading, sum(len(doc) for doc in docs))
    return split_rows(model.ops, model.ops.asarray2f(rows), cast(Any, docs)), lambda dY: []


def encode(docs: list[Doc], tokenizer: Any) -> list[Encoded]:
    """What a tokenizer of the `tokenizers` library says of the texts of some documents."""
    found = tokenizer.encode_batch([doc.text for doc in docs])
    return [Encoded(x.ids, x.offsets, x.special_tokens_mask) for x in found]


def run(
    session: Any, reading: Reading, width: int, *, padding: int, max_subwords: int
) -> NDArray[np.float32]:
    """What an encoder gives for the sub-words of some texts.

    session (onnxruntime.InferenceSession): The encoder.
    reading (Reading): Of the texts.
    width (int): Of the vectors.
    padding, max_subwords (int): See `OnnxShim` and `build_onnx_encoder`.
    RETURNS (Array of shape (kept sub-words, width)): In the order of the texts.
    """
    states: list[Any] = [np.zeros((0, width), np.float32)] * (1 + len(reading.inputs))
    for batch in length_batches(reading.inputs, max_subwords):
        lengths = np.array([len(reading.inputs[i]) for i in batch])
        mask = np.arange(lengths.max()) < lengths[:, None]
        ids = np.full(mask.shape, padding, dtype=np.int64)
        ids[mask] = np.concatenate([reading.inputs[i] for i in batch])
        given = dict(zip(INPUTS, (ids, mask.astype(np.int64)), strict=True))
        (found,) = session.run([OUTPUT], given)
        for i, vectors in zip(batch, found, strict=True):
            first, last = reading.kept[i]
            states[1 + i] = vectors[first:last]
    return np.concatenate(states)


def word_means(states: NDArray[np.float32], reading: Reading, words: int) -> NDArray[np.float32]:
    """The mean over the sub-words that stand for each word; zeros where there are none.

    states (Array of shape (kept sub-words, width)): See `run`.
    reading (Reading): Of the same texts.
    words (int): How many they have.
    RETURNS (Array of shape (words, width)): In the order of the texts.
    """
    counts = np.bincount(reading.owners, minlength=words)
    filled = counts > 0
    rows: Any = states[reading.rows]
    if len(rows) > filled.sum():  # else each word has one sub-word, and there is nothing to add up
        first = (counts.cumsum() - counts)[filled]
        rows = np.add.reduceat(rows, first, axis=0) / counts[filled, None].astype(rows.dtype)
    result = np.zeros((words, states.shape[1]), dtype=states.dtype)
    result[filled] = rows
    return result
