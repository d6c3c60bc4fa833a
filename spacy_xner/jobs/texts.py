"""Annotate a stream of texts; one that fails is handed on with the reason, and the rest goes on."""

from collections.abc import Iterable, Iterator, Sequence

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from ..corpora.raw_text import BadText, RawText
from ..errors import reason
from .blocks import Item


def to_doc(nlp: Language, record: RawText) -> Doc:
    """Make a document with the text's id and metadata in `user_data`; words are its tokens.

    nlp (Language): Its tokenizer cuts a text without words.
    record (RawText): The text.
    """
    doc = Doc(nlp.vocab, words=record.words) if record.words else nlp.make_doc(record.text)
    doc.user_data["id"] = record.id
    if record.meta:
        doc.user_data["meta"] = record.meta
    return doc


def to_docs(nlp: Language, records: Iterable[RawText]) -> Iterator[Doc]:
    """One document a text, see `to_doc`."""
    return (to_doc(nlp, record) for record in records)


def annotate_texts(
    nlp: Language, items: Iterable[Item], *, batch_size: int = 256
) -> Iterator[Doc | BadText]:
    """Annotate texts one batch after another, in order.

    A batch that fails is halved until the texts that make it fail stand alone; these, and those
    that the pipeline's own error handler leaves out, come back as `BadText`.

    nlp (Language): Any pipeline, e.g. one with a `teacher_ensemble`.
    items (Iterable[Item]): Texts; what cannot be used is handed on as it is.
    batch_size (int): Texts a batch; no more are held in memory.
    YIELDS (Union[Doc, BadText]): One a text.
    """
    for batch in minibatch(items, size=batch_size):
        found = iter(_annotate(nlp, [item for item in batch if isinstance(item, RawText)]))
        for item in batch:
            yield item if isinstance(item, BadText) else next(found)


def _annotate(nlp: Language, records: Sequence[RawText]) -> list[Doc | BadText]:
    try:
        docs = [to_doc(nlp, record) for record in records]
        # As one batch: what is in a batch must not depend on the settings of the pipeline.
        done = {id(doc) for doc in nlp.pipe(docs, batch_size=max(1, len(docs)))}
    except Exception as err:
        if len(records) > 1:
            half = len(records) // 2
            return _annotate(nlp, records[:half]) + _annotate(nlp, records[half:])
        return [_failed(record, reason(err)) for record in records]
    left_out = "the pipeline's error handler left it out"
    return [
        doc if id(doc) in done else _failed(record, left_out)
        for doc, record in zip(docs, records, strict=True)
    ]


def _failed(record: RawText, why: str) -> BadText:
    return BadText(record.id, record.id, why, record.text, record.words, record.meta)
