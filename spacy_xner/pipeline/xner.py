"""`xner`: a trainable recogniser that learns from label distributions and scores its entities."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..decode import decode
from ..errors import Errors, XnerError
from ..labels import iob2_tags, map_label
from ..ml.losses import Loss, softmax
from ..spans import set_scored_spans
from ..training.hidden_task import HiddenStates
from ..training.pair_task import PairTask
from ..training.targets import label_names, targets
from ..training.tasks import Task, learn_tasks
from .reading import read_rows, split_rows

DEFAULT_CONFIG = """
[model]
@architectures = "spacy-xner.SoftTagger.v1"

[model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true

[loss]
@misc = "spacy-xner.SoftCrossEntropy.v1"

[scorer]
@scorers = "spacy-xner.xner_scorer.v1"
"""


@Language.factory(
    "xner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "doc.spans"],
    default_config={
        **Config().from_str(DEFAULT_CONFIG),
        "label_map": {},
        "spans_key": "xner",
        "overwrite": True,
        "batch_words": 2000,
        "temperature": 1.0,
        "threshold": 0.0,
        "pairs": None,
        "hidden": None,
    },
    default_score_weights={
        "ents_f": 1.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_per_type": None,
        "xner_ece": None,
    },
)
def make_xner(
    nlp: Language,
    name: str,
    model: Model[list[Doc], list[Floats2d]],
    loss: Loss,
    label_map: dict[str, str],
    spans_key: str,
    overwrite: bool,
    batch_words: int,
    temperature: float,
    threshold: float,
    pairs: PairTask | None,
    hidden: HiddenStates | None,
    scorer: Callable | None,
) -> "Xner":
    """Make an `xner` component; the settings are described at `Xner`."""
    return Xner(
        nlp.vocab,
        model,
        name,
        loss=loss,
        label_map=label_map,
        spans_key=spans_key,
        overwrite=overwrite,
        batch_words=batch_words,
        temperature=temperature,
        threshold=threshold,
        pairs=pairs,
        hidden=hidden,
        scorer=scorer,
    )


class Xner(TrainablePipe):
    """A softmax over IOB2 tags, decoded by constrained Viterbi.

    It learns from gold `doc.ents` and from silver distributions (`silver.py`) through one loss, and
    writes `doc.ents` and `doc.spans[spans_key]`, whose `attrs["scores"]` are the probabilities of
    the entities, one a span, in order.

    vocab (Vocab): The shared vocabulary.
    model (Model[List[Doc], List[Floats2d]]): Gives logits, one row a token, one column a tag.
    name (str): Name of the instance.
    loss (Loss): See `ml/losses.py`.
    label_map (Dict[str, str]): Label in the training data to label of this component; "" for none.
        A label that is neither mapped nor among the component's labels counts as O.
    spans_key (str): Where the scored spans go in `doc.spans`.
    overwrite (bool): Replace entities that an earlier component has set; otherwise keep them and
        add only entities that do not overlap them.
    batch_words (int): The largest padded batch that the model is given at once, in tokens.
    temperature (float): Above 0. Predictions are softmax(logits / temperature), see
        `evaluation/temperature.py`; what is learnt does not depend on it.
    threshold (float): From 0 to 1. An entity with a lower score is written neither to `doc.ents`
        nor to the group of spans. 0 keeps all.
    pairs (Optional[PairTask]): A second task, which needs silver annotations with the similarity of
        words (`training/pair_task.py`).
    hidden (Optional[HiddenStates]): A further task: token vectors follow those of another pipeline
        (`training/hidden_task.py`).
    scorer (Callable): Scores examples.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], list[Floats2d]],
        name: str = "xner",
        *,
        loss: Loss,
        label_map: dict[str, str] | None = None,
        spans_key: str = "xner",
        overwrite: bool = True,
        batch_words: int = 2000,
        temperature: float = 1.0,
        threshold: float = 0.0,
        pairs: PairTask | None = None,
        hidden: HiddenStates | None = None,
        scorer: Callable | None = None,
    ) -> None:
        for key, value, valid, expected in (
            ("batch_words", batch_words, batch_words >= 1, "1 or more"),
            ("temperature", temperature, temperature > 0.0, "a number above 0"),
            ("threshold", threshold, 0.0 <= threshold <= 1.0, "a number from 0 to 1"),
        ):
            if not valid:
                raise XnerError(Errors.X308.format(key=key, value=value, expected=expected))
        tasks: dict[str, Task | None] = {"pairs": pairs, "hidden": hidden}
        self._tasks = {key: task for key, task in tasks.items() if task is not None}
        missing = [x for x in ("tok2vec", "head") if model.maybe_get_ref(x) is None]
        if missing and self._tasks:
            found = {"missing": missing, "name": name, "setting": min(self._tasks)}
            raise XnerError(Errors.X322.format(**found))
        self.vocab = vocab
        self.model = model
        self.name = name
        self.loss = loss
        self.label_map = dict(label_map or {})
        self.spans_key = spans_key
        self.overwrite = overwrite
        self.batch_words = batch_words
        self.temperature = temperature
        self.threshold = threshold
        self.pairs = pairs
        self.hidden = hidden
        self.scorer = scorer
        self._batches = 0  # that taught further tasks
        self.cfg: dict[str, Any] = {"labels": []}

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity types, in the order of the tags' columns."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """What `spacy init labels` writes and `initialize` reads."""
        return list(self.labels)

    @property
    def is_distillable(self) -> bool:
        """The component can learn from another pipe of its kind (the name is spaCy v4's)."""
        return True

    def add_label(self, label: str) -> int:
        """Add an entity type before the model is initialised.

        RETURNS (int): 1 if the label is new, else 0.
        RAISES (XnerError): X304 if the model already has its output layer.
        """
        if label in self.labels:
            return 0
        if self.model.get_ref("output_layer").has_dim("nO"):
            raise XnerError(
                Errors.X304.format(label=label, name=self.name, labels=list(self.labels))
            )
        self.cfg["labels"] = [*self.labels, label]
        return 1

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        """Fix the labels and the shape of the model.

        get_examples (Callable): Gives gold or silver examples.
        nlp (Language): The pipeline.
        labels (Sequence[str]): Entity types, e.g. from a file of `spacy init labels`; otherwise
            they are read from the examples.
        RAISES (XnerError): X303 if there is no label.
        """
        validate_get_examples(get_examples, "Xner.initialize")
        if labels is None:
            found = {map_label(x, self.label_map) for eg in get_examples() for x in label_names(eg)}
            labels = sorted(found - {""})
        for label in labels:
            self.add_label(label)
        if not self.labels:
            raise XnerError(Errors.X303.format(name=self.name))
        sample = [eg.x for eg in islice(get_examples(), 10) if len(eg.x)]
        self.model.get_ref("output_layer").set_dim("nO", len(iob2_tags(self.labels)))
        self.model.initialize(X=sample or [Doc(self.vocab, words=["hello"])])

    def predict(self, docs: Iterable[Doc]) -> list[NDArray[np.float64]]:
        """Label distributions; the documents are not touched.

        docs (Iterable[Doc]): Any documents, also without tokens.
        RETURNS (List[Array of shape (tokens, tags)]): One array a document, rows sum to 1.
        """
        return self._read(docs, lambda logits: softmax(logits / self.temperature))

    def logits(self, docs: Iterable[Doc]) -> list[NDArray[np.float64]]:
        """What the model gives, before temperature and softmax; the documents are not touched.

        docs (Iterable[Doc]): Any documents, also without tokens.
        RETURNS (List[Array of shape (tokens, tags)]): One array a document.
        """
        return self._read(docs, lambda logits: logits)

    def _read(
        self, docs: Iterable[Doc], finish: Callable[[Floats2d], Floats2d]
    ) -> list[NDArray[np.float64]]:
        width = len(iob2_tags(self.labels))
        return read_rows(self.model, docs, finish, width=width, batch_words=self.batch_words)

    def set_annotations(self, docs: Iterable[Doc], scores: list[NDArray[np.float64]]) -> None:
        """Decode distributions and write entities with their probabilities.

        Those below the threshold are left out after decoding, so that the others are what they
        would be without one.

        docs (Iterable[Doc]): Modified in place.
        scores (List[Array of shape (tokens, tags)]): What `predict` gave.
        """
        for doc, entities in zip(docs, decode(scores, self.labels), strict=True):
            sure = [entity for entity in entities if entity.score >= self.threshold]
            spans = set_scored_spans(doc, self.spans_key, sure)
            doc.set_ents(spans if self.overwrite else _beside(doc.ents, spans))

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score examples, with the span scores where this component writes them."""
        return super().score(examples, **{"spans_key": self.spans_key, **kwargs})

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from gold or silver examples.

        examples (Iterable[Example]): Those whose reference carries silver annotations teach a
            distribution, the others their entities; tokens with missing annotation teach nothing.
        drop (float): Dropout rate.
        sgd (Optimizer): Updates the parameters if given.
        losses (Dict[str, float]): The loss is added under the component's name, those of further
            tasks under "<name>_pairs" and "<name>_hidden".
        RETURNS (Dict[str, float]): The losses.
        RAISES (XnerError): X320 or X321 if there is no similarity to learn `pairs` from, X323 or
            X324 if `hidden` names a pipeline that does not fit or cannot be loaded.
        """
        examples = list(examples)
        validate_examples(examples, "Xner.update")
        return self._learn(examples, self.get_loss, drop, sgd, losses, self._tasks)

    def _learn(
        self,
        examples: Iterable[Example],
        get_loss: Callable,
        drop: float,
        sgd: Optimizer | None,
        losses: dict[str, float] | None,
        tasks: dict[str, Task] | None = None,
    ) -> dict[str, float]:
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = [eg for eg in examples if len(eg.predicted)]
        if not examples:
            return losses
        set_dropout_rate(self.model, drop)
        if not tasks:
            logits, backprop = self.model.begin_update([eg.predicted for eg in examples])
            loss, d_logits = get_loss(examples, logits)
            backprop(d_logits)
        else:
            taught, number = self._targets(examples), self._batches
            loss, others = learn_tasks(
                self.model, examples, tasks, taught, self._loss, number=number
            )
            self._batches += 1
            for key, value in others.items():
                losses[f"{self.name}_{key}"] = losses.get(f"{self.name}_{key}", 0.0) + value
        if sgd is not None:
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def get_loss(
        self, examples: Iterable[Example], scores: list[Floats2d]
    ) -> tuple[float, list[Floats2d]]:
        """The loss and its gradient with respect to the logits, one array a document."""
        return self._loss(scores, *self._targets(examples))

    def _targets(self, examples: Iterable[Example]) -> tuple[NDArray, NDArray]:
        """Distributions and weights of all tokens, one example after the other."""
        found = [targets(eg, self.labels, self.label_map, name=self.name) for eg in examples]
        return np.concatenate([q for q, _ in found]), np.concatenate([w for _, w in found])

    def _loss(
        self, logits: list[Floats2d], target: Any, weights: Any
    ) -> tuple[float, list[Floats2d]]:
        ops = self.model.ops
        arrays = ops.asarray2f(target), ops.asarray1f(weights)
        loss, gradient = self.loss(ops.xp.concatenate(logits), *arrays)
        return loss, split_rows(ops, gradient, logits)

    def distill(
        self,
        teacher_pipe: "Xner",
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn the distributions of another pipe directly (the method is spaCy v4's).

        teacher_pipe (Xner): Predicts on `eg.reference`; its labels must be the same.
        examples (Iterable[Example]): Reference and predicted side must have the same tokens.
        drop, sgd, losses: As in `update`.
        RAISES (XnerError): X307 if the labels differ.
        """
        if teacher_pipe.labels != self.labels:
            found = {"found": list(teacher_pipe.labels), "expected": list(self.labels)}
            raise XnerError(Errors.X307.format(**found))

        def get_loss(examples: list[Example], logits: list[Floats2d]) -> tuple:
            scores = teacher_pipe.predict([eg.reference for eg in examples])
            return self.get_teacher_student_loss(scores, logits)

        return self._learn(examples, get_loss, drop, sgd, losses)

    def get_teacher_student_loss(
        self, teacher_scores: list[NDArray], student_scores: list[Floats2d]
    ) -> tuple[float, list[Floats2d]]:
        """The loss of the student's logits against the teacher's distributions.

        teacher_scores (List[Array of shape (tokens, tags)]): Probabilities.
        student_scores (List[Floats2d of shape (tokens, tags)]): Logits.
        RETURNS (Tuple[float, List[Floats2d]]): Loss and gradient.
        """
        target = np.concatenate(teacher_scores)
        return self._loss(student_scores, target, np.ones(len(target)))


def _beside(preset: Sequence[Span], spans: Sequence[Span]) -> list[Span]:
    """The preset spans and those that do not overlap them."""
    taken = {i for span in preset for i in range(span.start, span.end)}
    return [*preset, *(s for s in spans if taken.isdisjoint(range(s.start, s.end)))]
