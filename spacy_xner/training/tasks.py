"""Tasks that a student learns on its token vectors beside the tags, in one step with them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model, Ops
from thinc.types import Floats2d

from ..pipeline.reading import split_rows


class Task(Protocol):
    """What a further task must have.

    weight (float): Of the task; 0 leaves out its loss, but not what it says of the tokens' weights.
    """

    weight: float

    def lesson(
        self,
        examples: Sequence[Example],
        target: NDArray,
        weights: NDArray,
        *,
        number: int,
    ) -> Any:
        """What a batch teaches: constants of the loss.

        examples (Sequence[Example]): None without a token.
        target (Array of shape (tokens, tags)): The distributions that the student learns.
        weights (Array of shape (tokens,)): Of the tokens.
        number (int): Of the batch.
        RETURNS (Any): `token_weights`, by which the weights are multiplied, and more.
        """

    def loss(self, ops: Ops, lesson: Any, vectors: Floats2d) -> tuple[float, Floats2d]:
        """The loss, times its weight, and its gradient with respect to the student's vectors."""


def learn_tasks(
    model: Model[list[Doc], list[Floats2d]],
    examples: Sequence[Example],
    tasks: Mapping[str, Task],
    taught: tuple[NDArray, NDArray],
    get_loss: Callable[[list[Floats2d], NDArray, NDArray], tuple[float, list[Floats2d]]],
    *,
    number: int,
) -> tuple[float, dict[str, float]]:
    """Backpropagate the loss of the tags and those of further tasks once.

    Gradients meet in the token vectors.

    model (Model): With references to its parts "tok2vec" and "head".
    examples (Sequence[Example]): None without a token.
    tasks (Mapping[str, Task]): By name.
    taught (Tuple[Array of shape (tokens, tags), Array of shape (tokens,)]): Target and weights.
    get_loss (Callable): The loss of the tags, from logits, target and weights.
    number (int): Of the batch.
    RETURNS (Tuple[float, Dict[str, float]]): The loss of the tags, and that of each task.
    """
    ops = model.ops
    encoder, head = model.get_ref("tok2vec"), model.get_ref("head")
    vectors, backprop_vectors = encoder.begin_update([eg.predicted for eg in examples])
    logits, backprop_logits = head.begin_update(vectors)
    target, weights = taught
    lessons = {
        name: task.lesson(examples, target, weights, number=number) for name, task in tasks.items()
    }
    for lesson in lessons.values():
        weights = weights * lesson.token_weights
    loss, d_logits = get_loss(logits, target, weights)
    d_vectors = backprop_logits(d_logits)
    others = dict.fromkeys(tasks, 0.0)
    joined = ops.xp.concatenate(vectors)
    for name, task in tasks.items():
        if not task.weight:
            continue
        others[name], gradient = task.loss(ops, lessons[name], joined)
        parts = zip(d_vectors, split_rows(ops, gradient, vectors), strict=True)
        d_vectors = [one + other for one, other in parts]
    backprop_vectors(d_vectors)
    return loss, others
