"""Where the components of this package are in a pipeline, and what they are given to read."""

from typing import TYPE_CHECKING, Any, TypeVar

from spacy.language import Language
from spacy.tokens import Doc

if TYPE_CHECKING:
    from .similarity_evaluator import SimilarityEvaluator
    from .xner import Xner

T = TypeVar("T")


def find_xner(nlp: Language) -> "Xner | None":
    """The last `xner` component of a pipeline; None if there is none."""
    from .xner import Xner

    return _last(nlp, Xner)


def find_evaluator(nlp: Language) -> "SimilarityEvaluator | None":
    """The last `similarity_evaluator` of a pipeline; None if there is none."""
    from .similarity_evaluator import SimilarityEvaluator

    return _last(nlp, SimilarityEvaluator)


def _last(nlp: Language, kind: type[T]) -> T | None:
    found = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, kind)]
    return found[-1] if found else None


def run_before(nlp: Language, last: Any, docs: list[Doc]) -> list[Doc]:
    """Run the components that stand before one: it may read what they write.

    nlp (Language): The pipeline.
    last (Pipe): One of its components; not run itself.
    docs (List[Doc]): Changed in place by the components.
    RETURNS (List[Doc]): In the same order.
    """
    for _, pipe in nlp.pipeline:
        if pipe is last:
            break
        docs = list(pipe.pipe(docs)) if hasattr(pipe, "pipe") else [pipe(doc) for doc in docs]
    return docs
