"""Small documents, pipelines and a training config that several test modules share."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import spacy
from handmade import TOK2VEC
from hypothesis import HealthCheck, settings
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_xner.labels import iob2_tags
from spacy_xner.shards import write_docs
from spacy_xner.silver import Silver, set_hard_reading, write_silver

# A busy machine must not fail a property: time is what benchmarks/ is for.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

LABELS = ("LOC", "PER")
# Written for these tests: each token and its tag.
SENTENCES = [
    "Amina/B-PER lives/O in/O Lagos/B-LOC ./O",
    "Juma/B-PER Ali/I-PER went/O to/O Dar/B-LOC es/I-LOC Salaam/I-LOC ./O",
    "Yesterday/O Kofi/B-PER Mensah/I-PER left/O Accra/B-LOC ./O",
    "Nobody/O came/O to/O the/O market/O ./O",
    "In/O Nairobi/B-LOC Wanjiru/B-PER sells/O maize/O ./O",
    "The/O rain/O in/O Cape/B-LOC Town/I-LOC stopped/O ./O",
]


@pytest.fixture
def gold_docs() -> list[Doc]:
    """Six sentences with persons and places."""
    vocab = Vocab()
    pairs = [[token.split("/") for token in text.split()] for text in SENTENCES]
    return [Doc(vocab, words=[w for w, _ in s], ents=[t for _, t in s]) for s in pairs]


@pytest.fixture
def make_silver() -> Callable[..., Doc]:
    """Turn a gold document into a silver one: each gold tag gets the probability `sure`."""

    def make(doc: Doc, *, sure: float = 0.9, labels=LABELS, doc_weight: float = 1.0) -> Doc:
        tags = iob2_tags(labels)
        rows = np.full((len(doc), len(tags)), (1.0 - sure) / (len(tags) - 1))
        for i, token in enumerate(doc):
            tag = f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else "O"
            rows[i, tags.index(tag)] = sure
        result = Doc(doc.vocab, words=[t.text for t in doc], spaces=[t.whitespace_ for t in doc])
        write_silver(result, Silver(labels, rows, np.ones(len(doc)), doc_weight, {"a": 1.0}))
        entities = [(ent.start, ent.end, ent.label_, sure) for ent in doc.ents]
        set_hard_reading(result, _scored(entities), rows.max(axis=1), threshold=0.5)
        return result

    return make


def _scored(entities):
    from spacy_xner.decode import ScoredEntity

    return [ScoredEntity(*entity) for entity in entities]


@pytest.fixture
def examples() -> Callable[..., list[Example]]:
    """Training examples of some documents, as a corpus reader gives them."""

    def make(docs: list[Doc], nlp: Language) -> list[Example]:
        blank = [
            Doc(nlp.vocab, words=[t.text for t in d], spaces=[t.whitespace_ for t in d])
            for d in docs
        ]
        return [Example(x, y) for x, y in zip(blank, docs, strict=True)]

    return make


@pytest.fixture
def make_xner() -> Callable[..., Language]:
    """A pipeline with a tiny `xner`."""

    def make(**settings) -> Language:
        nlp = spacy.blank("xx")
        tagger = {"@architectures": "spacy-xner.SoftTagger.v1", "scale": 5.0, "tok2vec": TOK2VEC}
        nlp.add_pipe("xner", config={"model": tagger, **settings})
        return nlp

    return make


CONFIG = """
[paths]
train = null
dev = null

[nlp]
lang = "xx"
pipeline = ["xner"]

[components]

[components.xner]
factory = "xner"

[components.xner.model]
@architectures = "spacy-xner.SoftTagger.v1"
scale = 5.0

[components.xner.model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 32
depth = 2
embed_size = 200
window_size = 1
maxout_pieces = 2
subword_features = true

[corpora]

[corpora.train]
@readers = "spacy-xner.SilverCorpus.v1"
path = ${paths.train}
max_length = 100

[corpora.dev]
@readers = "spacy-xner.SilverCorpus.v1"
path = ${paths.dev}

[training]
train_corpus = "corpora.train"
dev_corpus = "corpora.dev"
max_steps = 40
eval_frequency = 20
dropout = 0.0
seed = 0
gpu_allocator = null

[training.batcher]
@batchers = "spacy.batch_by_padded.v1"
size = 100
buffer = 32
discard_oversize = false

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.005

[training.score_weights]
ents_f = 1.0
"""


@pytest.fixture
def project(tmp_path: Path, gold_docs: list[Doc]) -> Path:
    """A folder with a minimal training config and a gold corpus: config.cfg, gold.spacy."""
    (tmp_path / "config.cfg").write_text(CONFIG, encoding="utf8")
    write_docs(tmp_path / "gold.spacy", gold_docs)
    return tmp_path


@pytest.fixture
def influence(tmp_path):
    """A folder with weights by language for two targets."""
    weights = {"sw": {"en": 1.0, "de": 0.0, "fr": 2.0}, "ha": {"en": 0.25, "de": 0.75, "fr": 0.0}}
    file = {"version": 1, "targets": {name: {"weights": row} for name, row in weights.items()}}
    (tmp_path / "influence").mkdir()
    for name in ("rank", "similarity"):
        (tmp_path / "influence" / f"{name}.json").write_text(json.dumps(file))
    return tmp_path / "influence"
