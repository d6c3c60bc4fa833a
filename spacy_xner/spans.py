"""Docs without their annotations, and entities with scores in a Doc."""

from collections.abc import Sequence
from typing import Any

from spacy.tokens import Doc, Span, SpanGroup
from spacy.vocab import Vocab

from .decode import ScoredEntity


def blank_copy(doc: Doc, vocab: Vocab) -> Doc:
    """The same tokens and spaces in some vocabulary, without any annotation.

    doc (Doc): Left as it is.
    vocab (Vocab): Of the copy.
    RETURNS (Doc): A new document.
    """
    words, spaces = [t.text for t in doc], [bool(t.whitespace_) for t in doc]
    return Doc(vocab, words=words, spaces=spaces)


def set_scored_spans(
    doc: Doc, key: str, entities: Sequence[ScoredEntity], **attrs: Any
) -> list[Span]:
    """Write entities to `doc.spans[key]`, with one score a span in `attrs["scores"]`.

    doc (Doc): Changed in place; `doc.ents` is not.
    key (str): Name of the group; an existing one is replaced.
    entities (Sequence[ScoredEntity]): In order.
    attrs: Further attributes of the group.
    RETURNS (List[Span]): The spans, in order.
    """
    spans = [Span(doc, ent.start, ent.end, label=ent.label) for ent in entities]
    scores = [float(ent.score) for ent in entities]
    doc.spans[key] = SpanGroup(doc, name=key, spans=spans, attrs={"scores": scores, **attrs})
    return spans
