"""A little of several development sets: what is watched while a model of many languages trains."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from spacy.vocab import Vocab

from ..shards import read_docs, write_docs


def write_development(sources: Iterable[Path], output: Path, *, each: int = 50) -> None:
    """Join the first documents of several development sets.

    sources (Iterable[Path]): .spacy files.
    output (Path): A .spacy file; its folder is made if needed.
    each (int): Documents of each.
    RAISES (XnerError): See `shards.read_docs`.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    write_docs(output, [doc for path in sources for doc in islice(read_docs(path, Vocab()), each)])
