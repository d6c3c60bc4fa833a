"""Where the `xner` of a pipeline is, and what it is given to read."""

from typing import TYPE_CHECKING

from spacy.language import Language
from spacy.tokens import Doc

if TYPE_CHECKING:
    from .xner import Xner


def find_xner(nlp: Language) -> "Xner | None":
    """The last `xner` component of a pipeline; None if there is none."""
    from .xner import Xner

    found = None
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, Xner):
            found = pipe
    return found


def run_before(nlp: Language, last: "Xner", docs: list[Doc]) -> list[Doc]:
    """Run the components that stand before one: it may read what they write.

    nlp (Language): The pipeline.
    last (Xner): One of its components; not run itself.
    docs (List[Doc]): Changed in place by the components.
    RETURNS (List[Doc]): In the same order.
    """
    for _, pipe in nlp.pipeline:
        if pipe is last:
            break
        docs = list(pipe.pipe(docs)) if hasattr(pipe, "pipe") else [pipe(doc) for doc in docs]
    return docs
