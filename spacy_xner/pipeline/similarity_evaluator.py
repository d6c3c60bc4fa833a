"""`similarity_evaluator`: a trainable component that says whether two words have the same tag."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..errors import Errors, XnerError
from ..ml.pairs import Kind, pair_loss, unit_rows
from ..training.pairs import sample_pairs, tag_classes
from ..training.targets import label_names, targets
from .reading import read_rows, split_rows

DEFAULT_CONFIG = """
[model]
@architectures = "spacy-xner.PairEncoder.v1"
width = 16

[model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true

[scorer]
@scorers = "spacy-xner.pair_scorer.v1"
"""


@Language.factory(
    "similarity_evaluator",
    default_config={
        **Config().from_str(DEFAULT_CONFIG),
        "similarity": "published",
        "max_pairs": 500,
        "total_pairs": 500_000,
        "seed": 0,
        "batch_words": 2000,
    },
    default_score_weights={"pairs_ap": 1.0, "pairs_ece": None},
)
def make_similarity_evaluator(
    nlp: Language,
    name: str,
    model: Model[list[Doc], list[Floats2d]],
    similarity: Kind,
    max_pairs: int,
    total_pairs: int,
    seed: int,
    batch_words: int,
    scorer: Callable | None,
) -> "SimilarityEvaluator":
    """Make a `similarity_evaluator`; the settings are described at `SimilarityEvaluator`."""
    return SimilarityEvaluator(
        nlp.vocab,
        model,
        name,
        similarity=similarity,
        max_pairs=max_pairs,
        total_pairs=total_pairs,
        seed=seed,
        batch_words=batch_words,
        scorer=scorer,
    )


class SimilarityEvaluator(TrainablePipe):
    """The second teacher of Li et al. (2022): a siamese model over pairs of words.

    It learns from the tags of gold entities whether two words have the same one. Its vectors are
    what counts; the similarity of two words is a function of their cosine (`ml/pairs.py`). In a
    pipeline it does nothing to documents: who wants its vectors asks `predict`.

    vocab (Vocab): The shared vocabulary.
    model (Model[List[Doc], List[Floats2d]]): Gives vectors, one row a token.
    name (str): Name of the instance.
    similarity (Kind): "published" or "rescaled".
    max_pairs (int): Pairs drawn from a batch.
    total_pairs (int): Pairs drawn in all, after which nothing more is learnt; 0 for no end.
    seed (int): Decides which pairs are drawn.
    batch_words (int): The largest padded batch that the model is given at once, in tokens.
    scorer (Callable): Scores examples.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], list[Floats2d]],
        name: str = "similarity_evaluator",
        *,
        similarity: Kind = "published",
        max_pairs: int = 500,
        total_pairs: int = 500_000,
        seed: int = 0,
        batch_words: int = 2000,
        scorer: Callable | None = None,
    ) -> None:
        least = {"max_pairs": (max_pairs, 1), "total_pairs": (total_pairs, 0)}
        for key, (value, low) in {**least, "batch_words": (batch_words, 1)}.items():
            if value < low:
                expected = f"{low} or more"
                raise XnerError(Errors.X308.format(key=key, value=value, expected=expected))
        self.vocab = vocab
        self.model = model
        self.name = name
        self.similarity = similarity
        self.max_pairs = max_pairs
        self.total_pairs = total_pairs
        self.seed = seed
        self.batch_words = batch_words
        self.scorer = scorer
        # How many pairs were drawn so far is saved too: training may go on.
        self.cfg: dict[str, Any] = {"labels": [], "pairs": 0}

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity types whose tags are told apart."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """What `spacy init labels` writes and `initialize` reads."""
        return list(self.labels)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        """Fix the labels and the shape of the model.

        get_examples (Callable): Gives gold examples.
        nlp (Language): The pipeline.
        labels (Sequence[str]): Entity types; otherwise they are read from the examples.
        RAISES (XnerError): X303 if there is no label.
        """
        validate_get_examples(get_examples, "SimilarityEvaluator.initialize")
        if labels is None:
            labels = sorted({label for eg in get_examples() for label in label_names(eg)})
        if not labels:
            raise XnerError(Errors.X303.format(name=self.name))
        self.cfg["labels"] = list(labels)
        sample = [eg.x for eg in islice(get_examples(), 10) if len(eg.x)]
        self.model.initialize(X=sample or [Doc(self.vocab, words=["hello"])])

    def __call__(self, doc: Doc) -> Doc:
        """Leave the document as it is."""
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Leave the documents as they are: nothing is computed that nobody reads."""
        yield from stream

    def predict(self, docs: Iterable[Doc]) -> list[NDArray[np.float64]]:
        """Vectors of length 1, whose inner products are cosines; the documents are not touched.

        docs (Iterable[Doc]): Any documents, also without tokens.
        RETURNS (List[Array of shape (tokens, width)]): One array a document; a token that the
            encoder cannot read, such as white space, may have zeros.
        """
        width = self.model.get_ref("output_layer").get_dim("nO")
        batches = {"width": width, "batch_words": self.batch_words}
        return read_rows(self.model, docs, lambda rows: unit_rows(rows)[0], **batches)

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score examples; the scorer is given the vectors, which no document carries."""
        examples = list(examples)
        vectors = self.predict([eg.predicted for eg in examples])
        found = {"vectors": vectors, "similarity": self.similarity}
        return super().score(examples, **{**found, **kwargs})

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from pairs of the batch's words.

        examples (Iterable[Example]): Tokens with missing annotation take part in no pair.
        drop (float): Dropout rate.
        sgd (Optimizer): Updates the parameters if given.
        losses (Dict[str, float]): The loss is added under the component's name.
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "SimilarityEvaluator.update")
        examples = [eg for eg in examples if len(eg.predicted)]
        if not examples:
            return losses
        set_dropout_rate(self.model, drop)
        vectors, backprop = self.model.begin_update([eg.predicted for eg in examples])
        loss, d_vectors = self.get_loss(examples, vectors)
        # Also where there is nothing to learn: other components may wait for a shared encoder.
        backprop(d_vectors)
        if sgd is not None:
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def get_loss(
        self, examples: Iterable[Example], scores: list[Floats2d]
    ) -> tuple[float, list[Floats2d]]:
        """The loss of pairs drawn anew, and its gradient, one array a document."""
        ops = self.model.ops
        teaching = [targets(eg, self.labels, {}, name=self.name) for eg in examples]
        classes = np.concatenate([tag_classes(q, w) for q, w in teaching])
        drawn = self.cfg["pairs"]
        room = max(0, self.total_pairs - drawn) if self.total_pairs else self.max_pairs
        first, second = sample_pairs(
            classes,
            max_pairs=min(self.max_pairs, room),
            random=np.random.default_rng((self.seed, drawn)),
        )
        self.cfg["pairs"] = drawn + len(first)
        same: Any = classes[first] == classes[second]
        target = ops.asarray1f(same)
        joined, weights = ops.xp.concatenate(scores), ops.xp.ones_like(target)
        loss, gradient = pair_loss(joined, (first, second), target, weights, kind=self.similarity)
        return loss, split_rows(ops, gradient, scores)
