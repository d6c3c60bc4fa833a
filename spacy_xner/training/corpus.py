"""A corpus reader that keeps label distributions."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from ..errors import Errors, XnerError, check_range
from ..shards import read_docs
from ..silver import Silver, has_silver, read_silver, slice_silver, write_silver
from ..spans import blank_copy
from .agreement import has_votes, sharpen

Reader = Callable[[Language], Iterator[Example]]


def make_silver_corpus(
    path: Path | None,
    folders: list[str] | None = None,
    max_length: int = 0,
    limit: int = 0,
    limit_each: int = 0,
    min_confidence: float = 0.0,
    weight_by_confidence: bool = False,
    agreement: float = 0.0,
) -> Reader:
    """Read silver (or gold) documents for training. Registered as `spacy-xner.SilverCorpus.v1`.

    `spacy.Corpus.v1` drops user data, and with it every distribution, as soon as it cuts a document
    or augments it; this reader keeps them.

    path (Path): A .spacy file or a folder of them; may be null until it is read.
    folders (List[str]): Read only these sub-folders or files in the path, e.g. one a language.
    max_length (int): Longer documents are cut into pieces of at most so many tokens, at a sentence
        end or outside entities if possible; 0 for no limit. Nothing is lost.
    limit (int): Read at most so many documents; 0 for all.
    limit_each (int): Read at most so many documents of each of the folders; 0 for all.
    min_confidence (float): Leave out silver documents of a lower confidence (mean over the tokens
        of the best tag's probability), in [0, 1].
    weight_by_confidence (bool): Multiply the weight of each silver document by its confidence.
    agreement (float): How much the tag counts on which all teachers agree, beside the distribution
        (`training/agreement.py`); 0 for not at all. Silver documents must have kept their votes.
    RETURNS (Callable[[Language], Iterator[Example]]): The reader.
    RAISES (XnerError): X308 for a setting out of range; when read, X306 if no document is left,
        X316 for a silver document without votes where they are needed, and what `shards.read_docs`
        and `silver.read_silver` raise.
    """
    in_range = {
        "max_length": (max_length >= 0, "0 or more"),
        "limit": (limit >= 0, "0 or more"),
        "limit_each": (limit_each >= 0, "0 or more"),
        "min_confidence": (0.0 <= min_confidence <= 1.0, "0 to 1"),
        "agreement": (0.0 <= agreement < float("inf"), "a number of 0 or more"),
    }
    check_range(locals(), in_range)

    def read(nlp: Language) -> Iterator[Example]:
        if path is None:
            expected = "a .spacy file or a folder"
            raise XnerError(Errors.X308.format(key="path", value=path, expected=expected))
        count = dropped = 0
        limits = {"limit": limit, "limit_each": limit_each}
        for doc in read_corpus(path, nlp.vocab, folders=folders, **limits):
            count += 1
            if has_silver(doc):
                silver = read_silver(doc)
                score = confidence(silver)
                if score < min_confidence:
                    dropped += 1
                    continue
                if weight_by_confidence:
                    silver = silver._replace(doc_weight=silver.doc_weight * score)
                if agreement and silver.doc_weight > 0:  # where all abstain there are no votes
                    # Before the document is cut: a vote on a cut entity would be lost.
                    if not has_votes(doc):
                        details = {"number": count, "path": path, "value": agreement}
                        raise XnerError(Errors.X316.format(**details))
                    silver = sharpen(doc, silver, agreement)
                if weight_by_confidence or agreement:
                    write_silver(doc, silver)
            for piece in split_doc(doc, max_length) if max_length else [doc]:
                yield Example(blank_copy(piece, nlp.vocab), piece)
        if count == dropped:
            raise XnerError(
                Errors.X306.format(path=path, docs=count, dropped=dropped, minimum=min_confidence)
            )

    return read


def read_corpus(
    path: Path | str,
    vocab: Vocab,
    *,
    folders: Sequence[str] | None = None,
    limit: int = 0,
    limit_each: int = 0,
) -> Iterator[Doc]:
    """The documents that a reader starts from; the settings are those of `make_silver_corpus`.

    vocab (Vocab): Of the documents.
    """
    parts = (
        islice(read_docs(part, vocab), limit_each or None) for part in corpus_paths(path, folders)
    )
    return islice(chain.from_iterable(parts), limit or None)


def corpus_paths(path: Path | str, folders: Sequence[str] | None) -> list[Path]:
    """What a reader reads: the path itself, or the named folders and files in it."""
    return [Path(path) / folder for folder in folders or [""]]


def confidence(silver: Silver) -> float:
    """Mean over the tokens of the probability of the best tag; 1 for a document without tokens."""
    if not len(silver.distribution):
        return 1.0
    return float(silver.distribution.max(axis=1).mean())


def split_doc(doc: Doc, max_length: int) -> Iterator[Doc]:
    """Cut a document into pieces of at most max_length tokens, with entities and silver.

    A cut goes before a sentence start if one lies in the second half of the window, else to the
    last place there outside an entity, else where the window ends.

    doc (Doc): Left as it is.
    max_length (int): 1 or more.
    YIELDS (Doc): Pieces that cover the document.
    """
    if len(doc) <= max_length:
        yield doc
        return
    silver = read_silver(doc) if has_silver(doc) else None
    start = 0
    while start < len(doc):
        end = _cut(doc, start, max_length)
        piece = doc[start:end].as_doc(copy_user_data=True)
        if silver is not None:
            write_silver(piece, slice_silver(silver, start, end))
        yield piece
        start = end


def _cut(doc: Doc, start: int, max_length: int) -> int:
    end = start + max_length
    if end >= len(doc):
        return len(doc)
    places = np.arange(end, start + max_length // 2, -1)
    for is_good in (lambda t: bool(t.is_sent_start), lambda t: t.ent_iob_ != "I"):
        for place in places:
            if is_good(doc[int(place)]):
                return int(place)
    return end
