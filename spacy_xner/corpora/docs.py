"""Sentences to spaCy Docs."""

from collections.abc import Iterable

from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from ..labels import tags_to_entities
from .columns import Sentence


def to_doc(sentence: Sentence, vocab: Vocab) -> Doc:
    """Make a Doc of given tokens, one space between two of them, with `doc.ents` set.

    Column files do not say where spaces were, so every token but the last is followed by one.

    sentence (Sentence): Tokens and IOB2 tags.
    vocab (Vocab): The vocabulary of the Doc.
    RETURNS (Doc): Tokens outside entities are O, not missing.
    """
    spaces = [True] * (len(sentence.tokens) - 1) + [False]
    doc = Doc(vocab, words=sentence.tokens, spaces=spaces[: len(sentence.tokens)])
    spans = [Span(doc, *entity) for entity in tags_to_entities(sentence.tags)]
    doc.set_ents(spans, default="outside")
    return doc


def to_docbin(sentences: Iterable[Sentence], *, lang: str = "") -> DocBin:
    """Collect sentences in a DocBin, one Doc each.

    sentences (Iterable[Sentence]): Tokens and IOB2 tags.
    lang (str): Language code, kept in `doc.user_data["lang"]`; a DocBin itself knows no language.
    RETURNS (DocBin): Stored with user data only where a language is given.
    """
    vocab = Vocab()
    docbin = DocBin(attrs=["ENT_IOB", "ENT_TYPE"], store_user_data=bool(lang))
    for sentence in sentences:
        doc = to_doc(sentence, vocab)
        if lang:
            doc.user_data["lang"] = lang
        docbin.add(doc)
    return docbin
