"""Write what one block gave: a shard of documents, and the texts that failed beside it."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict

from spacy.language import Language
from spacy.tokens import Doc, DocBin

from ..corpora.raw_text import BadText
from ..errors import Errors, TooManyFailuresError
from ..shards import write_content
from .blocks import Block
from .texts import annotate_texts

SHARD = re.compile(r"part-\d{6,}-[0-9a-f]{12}\.spacy")
LETTERS = "dead-letters"
# A batch: enough that matrices are large, so few that a failing one is soon halved.
BATCH = 256


class Entry(TypedDict):
    """A shard's line in the manifest.

    index: number of the block. file: name of the shard. texts, docs, failed: counts; the first is
    the sum of the others. sha256: of the file. input: SHA-256 of the block's items. letters: file
    of the texts that failed, or "". letters_sha256: of that file. key: of the run.
    """

    index: int
    file: str
    texts: int
    docs: int
    failed: int
    sha256: str
    input: str
    letters: str
    letters_sha256: str
    key: str


def annotate_block(
    nlp: Language, block: Block, output: Path, *, key: str, max_failures: float = 0.01
) -> Entry:
    """Annotate a block and write its shard, named by position and content.

    The strings and documents of a block are freed after it (`Language.memory_zone`), so that memory
    stays bounded whatever the number of blocks.

    nlp (Language): Its teachers must be loaded already.
    block (Block): The texts.
    output (Path): Folder of the shards.
    key (str): Of the run.
    max_failures (float): See `check_failures`, here for the block alone.
    RETURNS (Entry): The line of the manifest.
    RAISES (TooManyFailuresError): X460.
    """
    with nlp.memory_zone():
        docs: list[Doc] = []
        failed: list[BadText] = []
        for found in annotate_texts(nlp, block.items, batch_size=BATCH):
            if isinstance(found, Doc):
                docs.append(found)
            else:
                failed.append(found)
                check_failures(len(failed), len(block.items), max_failures, failed)
        return write_shard(docs, failed, output, index=block.number, sha256=block.sha256, key=key)


def write_shard(
    docs: Sequence[Doc],
    failed: Sequence[BadText],
    output: Path,
    *,
    index: int,
    sha256: str,
    key: str,
) -> Entry:
    """Write documents, and the texts that failed; the same ones get the same names and bytes.

    docs (Sequence[Doc]): Annotated.
    failed (Sequence[BadText]): Written to the folder `dead-letters`, as JSONL that can be annotated
        again.
    output (Path): Folder of the shards.
    index (int): Position of the shard.
    sha256 (str): Of the input.
    key (str): Of the run.
    RETURNS (Entry): The line of the manifest.
    """
    letters = letters_sha256 = ""
    if failed:
        data = "".join(json.dumps(_letter(bad), ensure_ascii=False) + "\n" for bad in failed)
        (output / LETTERS).mkdir(exist_ok=True)
        name = f"{LETTERS}/part-{index:06d}-{{digest:.12}}.jsonl"
        letters, letters_sha256 = write_content(output, name, data.encode("utf8", "replace"))
    data_docs = DocBin(docs=docs, store_user_data=True).to_bytes()
    file, digest = write_content(output, f"part-{index:06d}-{{digest:.12}}.spacy", data_docs)
    return Entry(
        index=index,
        file=file,
        texts=len(docs) + len(failed),
        docs=len(docs),
        failed=len(failed),
        sha256=digest,
        input=sha256,
        letters=letters,
        letters_sha256=letters_sha256,
        key=key,
    )


def _letter(bad: BadText) -> dict[str, Any]:
    """Metadata stays where it was; the reason and the place are added."""
    known = {"text": bad.text, "tokens": bad.words}
    text = {key: value for key, value in known.items() if value is not None}
    return {**(bad.meta or {}), "id": bad.id, "reason": bad.reason, "where": bad.where, **text}


def read_letters(output: Path, entries: Iterable[Entry]) -> Iterator[BadText]:
    """The texts that failed, without their text.

    output (Path): Folder of the shards.
    entries (Iterable[Entry]): Of which shards.
    """
    for entry in entries:
        if entry["letters"]:
            for line in (output / entry["letters"]).read_text("utf8").splitlines():
                found = json.loads(line)
                yield BadText(found["id"], found["where"], found["reason"])


def check_failures(
    failed: int, texts: int, share: float, examples: Iterable[BadText] = (), *, least: int = 1000
) -> None:
    """Stop a run in which too many texts fail.

    failed (int): Texts that failed.
    texts (int): All texts so far.
    share (float): The largest share that may fail, from 0 to 1.
    examples (Iterable[BadText]): For the message.
    least (int): The share counts of so many texts at least: the first one that fails is no 100 %.
    RAISES (TooManyFailuresError): X460.
    """
    if failed > share * max(texts, least):
        reasons = "; ".join(f"{bad.where}: {bad.reason}" for bad in islice(examples, 3))
        details = {"failed": failed, "texts": texts, "share": share, "reasons": reasons or "-"}
        raise TooManyFailuresError(Errors.X460.format(**details))
