"""What inference.py measures, one contender in this process.

Runs in the contender's own environment, which may have neither spaCy nor PyTorch: at the top it
imports nothing that is not in Python (install_size.py needs `packaging`, and comes last).

    python contenders.py measure JOB.json ROW.json
    python contenders.py prepare JOB.json FOLDER
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from resident import resident

LABELS = ["person", "location", "organisation"]
# GLiNER with made-up parameters is sure of nothing: no span may count as found, for real texts hold
# few entities, and sorting out thousands of overlapping ones would be timed.
THRESHOLD = 0.99
# The files config.json of microsoft/mdeberta-v3-base and gliner_config.json of
# urchade/gliner_multi-v2.1 as published.
MDEBERTA = {
    "model_type": "deberta-v2",
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "vocab_size": 251000,
    "max_position_embeddings": 512,
    "type_vocab_size": 0,
    "layer_norm_eps": 1e-7,
    "relative_attention": True,
    "position_buckets": 256,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": "p2c|c2p",
    "max_relative_positions": -1,
    "position_biased_input": False,
}
GLINER = {
    "max_width": 12,
    "hidden_size": 512,
    "dropout": 0.4,
    "subtoken_pooling": "first",
    "span_mode": "markerV0",
    "num_rnn_layers": 1,
    "max_len": 384,
    "max_types": 25,
}


class Contender(NamedTuple):
    """Both give the number of entities, so that nobody can leave the work for later."""

    all_texts: Callable[[Sequence[str]], int]
    one_text: Callable[[str], int]


def load_spacy(job: dict[str, Any]) -> Contender:
    """A pipeline, in batches of the size that it says itself."""
    import spacy

    nlp = spacy.load(job["path"])

    def all_texts(texts: Sequence[str]) -> int:
        return sum(len(doc.ents) for doc in nlp.pipe(texts))

    return Contender(all_texts, lambda text: len(nlp(text).ents))


def load_transformers(job: dict[str, Any]) -> Contender:
    """The token classification pipeline over a checkpoint that made_models.py wrote."""
    from torch import nn
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

    model = AutoModelForTokenClassification.from_pretrained(job["path"])
    # Our head normalises the token vectors first, for which the library's has no place.
    norm = nn.LayerNorm(model.config.hidden_size, eps=1e-8, elementwise_affine=False)
    model.classifier = nn.Sequential(norm, model.classifier)
    model.eval()
    settings: dict[str, Any] = {
        "model": model,
        "tokenizer": AutoTokenizer.from_pretrained(job["path"]),
        "aggregation_strategy": "simple",
        "device": "cpu",
    }
    tag: Any = pipeline("token-classification", **settings)

    def all_texts(texts: Sequence[str]) -> int:
        return sum(map(len, tag(list(texts), batch_size=job["batch_size"])))

    return Contender(all_texts, lambda text: len(tag(text)))


def load_gliner(job: dict[str, Any]) -> Contender:
    """GLiNER, in batches of its default size."""
    from gliner import GLiNER

    model = GLiNER.from_pretrained(job["path"], local_files_only=True)
    model.eval()

    def all_texts(texts: Sequence[str]) -> int:
        return sum(map(len, model.inference(list(texts), LABELS, threshold=THRESHOLD)))

    def one_text(text: str) -> int:
        return len(model.predict_entities(text, LABELS, threshold=THRESHOLD))

    return Contender(all_texts, one_text)


def prepare_gliner(job: dict[str, Any], folder: Path) -> None:
    """Save a GLiNER of the published sizes with made-up parameters.

    job (Dict[str, Any]): "tokenizer": a folder, in place of mDeBERTa's; "encoder": what differs
        from `MDEBERTA`.
    folder (Path): New.
    """
    import torch
    from gliner.config import UniEncoderSpanConfig
    from gliner.model import UniEncoderSpanGLiNER
    from transformers import AutoTokenizer

    torch.manual_seed(0)
    settings = {**MDEBERTA, **job.get("encoder", {})}
    config = UniEncoderSpanConfig(model_name=job["tokenizer"], encoder_config=settings, **GLINER)
    # GLiNER takes the last two pieces of the vocabulary for its own.
    tokenizer = AutoTokenizer.from_pretrained(job["tokenizer"])
    tokenizer.add_tokens([config.ent_token, config.sep_token], special_tokens=True)
    config.vocab_size = settings["vocab_size"]
    config.class_token_index = len(tokenizer) - 2
    model = UniEncoderSpanGLiNER(config, tokenizer=tokenizer, backbone_from_pretrained=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


KINDS = {"spacy": load_spacy, "transformers": load_transformers, "gliner": load_gliner}


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Load a contender, and let it read all texts at once and then some of them one by one.

    job (Dict[str, Any]): "kind", of `KINDS`; "path"; "texts"; "threads"; "latency", how many texts
        are read by themselves; "packages", whose versions are told; "requirements", see
        `install_size.installed_size`; "batch_size" for transformers.
    RETURNS (Dict[str, Any]): JSON-able: "load" in seconds, libraries included, until the first
        text is read; "loaded_mb" of memory then; "seconds" for all texts; "latencies" in seconds;
        "peak_mb"; "entities"; "versions"; "environment", the size of the installation.
    """
    cores = sorted(os.sched_getaffinity(0))[: job["threads"]]
    os.sched_setaffinity(0, cores)  # no library can use more, whatever it is set to
    texts = job["texts"]
    start = time.perf_counter()
    contender = KINDS[job["kind"]](job)
    if "torch" in sys.modules:  # spaCy imports it where it is installed
        sys.modules["torch"].set_num_threads(job["threads"])
    contender.one_text(texts[0])
    load = time.perf_counter() - start
    loaded = resident()["VmRSS"]
    contender.all_texts(texts[: job["warmup"]])
    start = time.perf_counter()
    entities = contender.all_texts(texts)
    seconds = time.perf_counter() - start
    latencies = []
    for text in texts[: job["latency"]]:
        start = time.perf_counter()
        contender.one_text(text)
        latencies.append(time.perf_counter() - start)
    peak = resident()["VmHWM"]
    from install_size import installed_size

    return {
        "load": load,
        "loaded_mb": loaded,
        "seconds": seconds,
        "latencies": latencies,
        "peak_mb": peak,
        "entities": entities,
        "versions": dict(chain.from_iterable(map(_version, job["packages"]))),
        "environment": installed_size(job["requirements"]),
    }


def _version(package: str) -> list[tuple[str, str]]:
    try:
        return [(package, metadata.version(package))]
    except metadata.PackageNotFoundError:
        return []


def main(action: str, source: str, target: str) -> None:
    """Read a job, do it, and write what was measured or prepared."""
    job = json.loads(Path(source).read_text(encoding="utf8"))
    if action == "prepare":
        prepare_gliner(job, Path(target))
    else:
        Path(target).write_text(json.dumps(measure(job)), encoding="utf8")


if __name__ == "__main__":
    main(*sys.argv[1:])
