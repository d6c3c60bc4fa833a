"""Cut a stream of texts into blocks: what one shard holds."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from typing import NamedTuple

from ..corpora.raw_text import BadText, Place, RawText, TextSource

Item = RawText | BadText


class Block(NamedTuple):
    """Texts that are annotated together, by their position in the input.

    number: from 0. place: where the block begins in the source. sha256: of the items.
    """

    number: int
    place: Place
    items: Sequence[Item]
    sha256: str


def cut_blocks(
    items: Iterable[tuple[Place, Item]], size: int, *, limit: int = 0
) -> Iterator[Block]:
    """Cut a stream into blocks of equal length; the last one may be shorter.

    items (Iterable[Tuple[Place, Item]]): See `TextSource.items`.
    size (int): Items a block.
    limit (int): Items in all at most, 0 for all.
    YIELDS (Block): In order.
    """
    stream = islice(items, limit or None)
    for number in count():
        part = list(islice(stream, size))
        if not part:
            return
        found = [item for _, item in part]
        yield Block(number, part[0][0], found, hash_items(found))


def read_block(source: TextSource, number: int, place: Place, length: int) -> Block:
    """Read a block again, from where it begins.

    source (TextSource): What the block was cut from.
    number (int): Of the block.
    place (Place): Where it begins.
    length (int): Its items.
    RETURNS (Block): Equal to the other one if the files are.
    """
    items = [item for _, item in islice(source.items(place), length)]
    return Block(number, place, items, hash_items(items))


def plain_source(items: Iterable[Item]) -> Iterator[tuple[Place, Item]]:
    """Texts that come from no file, such as those of a list, with their numbers as places."""
    return ((Place(0, 0, number), item) for number, item in enumerate(items))


def hash_items(items: Sequence[Item]) -> str:
    """SHA-256 over texts, words, ids and metadata, hexadecimal."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(json.dumps(item, sort_keys=True, default=str).encode() + b"\n")
    return digest.hexdigest()
