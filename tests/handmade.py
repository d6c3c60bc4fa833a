"""Teachers and pipelines made by hand, so that what they say is known."""

from pathlib import Path

import numpy as np
import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from typer.testing import CliRunner

from spacy_xner.cli import app
from spacy_xner.ensemble.votes import Votes
from spacy_xner.labels import iob2_tags

# The smallest of spaCy's encoders that still learns.
TOK2VEC = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 32,
    "depth": 2,
    "embed_size": 200,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
}

ENSEMBLE = """
[nlp]
lang = "xx"
pipeline = ["teacher_ensemble"]

[components]

[components.teacher_ensemble]
factory = "teacher_ensemble"
labels = ["LOC", "PER"]
threshold = 0.5
keep_votes = true

[components.teacher_ensemble.weights]
@misc = "spacy-xner.UniformWeights.v1"

[components.teacher_ensemble.pool]
@misc = "spacy-xner.LinearPool.v1"

[components.teacher_ensemble.teachers]
"""


class HandTeacher:
    """Says of each word what it was told to: {word: {tag: probability}}, the rest is O."""

    def __init__(self, knows, *, labels=("LOC", "PER"), label_map=None, identity="hand"):
        self.knows = knows
        self.labels = tuple(labels)
        self.label_map = label_map or {}
        self.identity = identity
        self.loads = 0
        self.calls = []

    def load(self):
        self.loads += 1

    def distributions(self, docs):
        self.calls.append([doc.text for doc in docs])
        tags = iob2_tags(self.labels)
        results = []
        for doc in docs:
            rows = np.zeros((len(doc), len(tags)))
            for row, token in zip(rows, doc, strict=True):
                for tag, probability in self.knows.get(token.text, {}).items():
                    row[tags.index(tag)] = probability
                row[0] += 1.0 - row.sum()
            results.append(rows)
        return results

    def specification(self):
        return {"sha256": self.identity}

    def relocate(self, path):
        pass


class PairTeacher(HandTeacher):
    """Knows besides the direction of each word: {word: vector}; other words have zeros."""

    has_evaluator = True

    def __init__(self, knows, directions, **settings):
        super().__init__(knows, **settings)
        self.directions = directions

    def vectors(self, docs):
        width = len(next(iter(self.directions.values())))
        rows = [[self.directions.get(t.text, [0.0] * width) for t in doc] for doc in docs]
        return [np.array(found, dtype=float).reshape(-1, width) for found in rows]


def votes(probs, *, taught=None):
    """Votes of teachers a, b, c ... from a nested list of shape (teachers, tokens, tags)."""
    probs = np.array(probs, dtype=float)
    n_teachers, n_tokens, n_tags = probs.shape
    known = np.ones((n_teachers, n_tags), bool) if taught is None else np.array(taught, bool)
    names = tuple("abcdefgh"[:n_teachers])
    labels = ("DATE", "PER")[2 - n_tags // 2 :]
    return Votes(names, labels, probs, known, (n_tokens,))


def ruler_pipeline(names: dict[str, str], *, lang: str = "xx") -> Language:
    """A pipeline that knows names by heart: {text: label}."""
    nlp = spacy.blank(lang)
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": label, "pattern": text} for text, label in names.items()])
    return nlp


def save_ruler(folder: Path, names: dict[str, str], *, lang: str = "xx") -> str:
    folder.parent.mkdir(parents=True, exist_ok=True)
    ruler_pipeline(names, lang=lang).to_disk(folder)
    return str(folder)


SENTENCES = [
    (["Ana", "met", "Bob", "in", "Lagos"], ["B-PER", "O", "B-PER", "O", "B-LOC"]),
    (["Lagos", "is", "big"], ["B-LOC", "O", "O"]),
]
TINY = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 32,
    "depth": 1,
    "embed_size": 200,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
}


def xner_pipeline(
    *,
    static_vectors: int = 0,
    tok2vec: dict | None = None,
    updates: int = 25,
    seed: int = 0,
) -> Language:
    """A tiny trained `xner` that knows Ana and Bob (PER) and Lagos (LOC).

    static_vectors (int): Width of word vectors; 0 for none. The label then hangs on them alone.
    tok2vec (Optional[dict]): The block of another encoder.
    """
    spacy.util.fix_random_seed(seed)
    nlp = spacy.blank("xx")
    if static_vectors:
        words = sorted({word for s, _ in SENTENCES for word in s})
        random = np.random.default_rng(seed)
        for word in words:
            nlp.vocab.set_vector(word, random.normal(size=static_vectors).astype("f"))
        embed = {
            "@architectures": "spacy.MultiHashEmbed.v2",
            "width": 32,
            "attrs": ["SHAPE"],
            "rows": [50],
            "include_static_vectors": True,
        }
        encode = {
            "@architectures": "spacy.MaxoutWindowEncoder.v2",
            "width": 32,
            "depth": 1,
            "window_size": 1,
            "maxout_pieces": 2,
        }
        tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    elif tok2vec is None:
        tok2vec = TINY
    model = {"@architectures": "spacy-xner.SoftTagger.v1", "scale": 5.0, "tok2vec": tok2vec}
    nlp.add_pipe("xner", config={"model": model})
    return _trained(nlp, updates)


def _trained(nlp: Language, updates: int) -> Language:
    examples = [
        Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words, ents=tags))
        for words, tags in SENTENCES
    ]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(updates):
        nlp.update(examples, sgd=optimizer)
    return nlp


def evaluator_pipeline(
    *, updates: int = 25, seed: int = 0, similarity: str = "rescaled"
) -> Language:
    """A tiny trained `similarity_evaluator` on the sentences of `xner_pipeline`."""
    spacy.util.fix_random_seed(seed)
    nlp = spacy.blank("xx")
    model = {"@architectures": "spacy-xner.PairEncoder.v1", "tok2vec": TINY, "width": 4}
    nlp.add_pipe("similarity_evaluator", config={"model": model, "similarity": similarity})
    return _trained(nlp, updates)


def add_ensemble(nlp: Language, teachers: dict[str, dict], **settings):
    """Add a `teacher_ensemble`; the values of `teachers` are blocks of a config."""
    config = {"labels": ["LOC", "PER"], "teachers": teachers, **settings}
    return nlp.add_pipe("teacher_ensemble", config=config)


def span_teacher(path: str, **settings) -> dict:
    return {"@misc": "spacy-xner.SpanTeacher.v1", "path": path, **settings}


def xner_teacher(path: str, **settings) -> dict:
    return {"@misc": "spacy-xner.XnerTeacher.v1", "path": path, **settings}


def save_teachers(folder: Path, names: dict[str, str]) -> None:
    """A pipeline with `xner`, "tagger", one that knows names by heart, "names", and a config."""
    xner_pipeline().to_disk(folder / "tagger")
    save_ruler(folder / "names", names)
    (folder / "ensemble.cfg").write_text(ENSEMBLE, encoding="utf8")


def call(*arguments, on: typer.Typer = app) -> tuple[int, str]:
    """Call a command: exit code and output on one line, which is never a traceback."""
    result = CliRunner().invoke(on, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result.exit_code, " ".join(result.output.split())


def shard(folder: Path, number: int) -> Path:
    """A shard by its position; the rest of its name is its content."""
    (found,) = folder.glob(f"part-{number:06d}-*.spacy")
    return found
