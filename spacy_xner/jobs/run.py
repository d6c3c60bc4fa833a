"""Run an annotation job: go on where an earlier run stopped, and record each shard."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from ..corpora.raw_text import Place
from ..errors import Errors, XnerError
from ..locks import lock_folder
from .blocks import Block, Item, cut_blocks
from .manifest import (
    Manifest,
    append_entry,
    entry_problems,
    in_order,
    is_ours,
    read_manifest,
    remove_others,
    shard_files,
    write_manifest,
)
from .shard import Entry, check_failures, read_letters

Engine = Callable[[Iterable[Block]], Iterator[Entry]]
"""Annotates blocks, which it takes as it has room for them, in any order."""


class Watcher(Protocol):
    """Is told how a run goes."""

    def shard(self, entry: Entry, *, fresh: bool) -> None:
        """A shard is whole: one of this run, or one that an earlier run left."""


def run_job(
    items: Iterable[tuple[Place, Item]],
    output: Path,
    engine: Engine,
    *,
    key: str,
    parts: Mapping[str, str] | None = None,
    shard_size: int = 2000,
    limit: int = 0,
    force: bool = False,
    mix: bool = False,
    max_failures: float = 0.01,
    watcher: Watcher | None = None,
) -> list[Entry]:
    """Annotate texts and write one shard for each `shard_size` of them.

    A shard appears under its name only when it is whole, and is recorded then. A run that was
    interrupted goes on with the shards that are missing or damaged.

    items (Iterable[Tuple[Place, Item]]): See `TextSource.items`.
    output (Path): Folder of the shards; one run at a time may write to it.
    engine (Engine): Who annotates the blocks.
    key (str): Of all that decides what the shards hold.
    parts (Mapping[str, str]): What the key was made of, to say what has changed.
    shard_size (int): Texts a shard.
    limit (int): Texts in all at most, 0 for all.
    force (bool): Replace the shards that another run has left.
    mix (bool): Keep them where their texts are the same, and annotate the rest.
    max_failures (float): The largest share of texts that may fail.
    watcher (Optional[Watcher]): Told of each shard.
    RETURNS (List[Entry]): One entry a shard, in order.
    RAISES (XnerError): X308 for a bad shard size, X411 if the folder holds shards of another run,
        X460 if too many texts fail, X461 if the input is not that of the earlier run, X701 if
        another process writes to the folder.
    """
    if shard_size < 1:
        found = {"key": "shard_size", "value": shard_size, "expected": "1 or more"}
        raise XnerError(Errors.X308.format(**found))
    parts = {**(parts or {}), "shard_size": str(shard_size)}
    with lock_folder(output):
        kept = resume(output, key, parts, force=force, mix=mix)
        # Before the first shard: a run that stops there can be told from another one.
        write_manifest(output, Manifest(key, parts, kept))
        entries: dict[int, Entry] = {}
        failed = texts = 0

        def record(entry: Entry, *, fresh: bool) -> None:
            nonlocal failed, texts
            entries[entry["index"]] = entry
            failed, texts = failed + entry["failed"], texts + entry["texts"]
            if watcher:
                watcher.shard(entry, fresh=fresh)

        def pending() -> Iterator[Block]:
            for block in cut_blocks(items, shard_size, limit=limit):
                known = kept.get(block.number)
                if known is None or known["input"] != block.sha256:
                    if known is not None and not mix:
                        raise XnerError(Errors.X461.format(path=output, file=known["file"]))
                    yield block
                else:
                    record(known, fresh=False)

        for entry in engine(pending()):
            append_entry(output, entry)
            record(entry, fresh=True)
            check_failures(failed, texts, max_failures, read_letters(output, [entry]))
        done = Manifest(key, parts, entries, finished=True)
        write_manifest(output, done)
        remove_others(output, in_order(done))
        check_failures(failed, texts, max_failures, read_letters(output, in_order(done)), least=0)
    return in_order(done)


def resume(
    output: Path, key: str, parts: Mapping[str, str], *, force: bool = False, mix: bool = False
) -> dict[int, Entry]:
    """The whole shards that an earlier run left; what else it left is removed.

    output (Path): Folder of the shards.
    key (str): Of this run.
    parts (Mapping[str, str]): What it was made of.
    force (bool): Remove shards of another run.
    mix (bool): Keep them.
    RETURNS (Dict[int, Entry]): By position.
    RAISES (XnerError): X411 if the folder holds shards of another run, or foreign ones.
    """
    found = shard_files(output)
    manifest = read_manifest(output)
    kept: dict[int, Entry] = {}
    if manifest is not None:
        changed = [x for x in parts if manifest.parts.get(x) != parts[x]]
        # Shards of another size hold other texts under the same number.
        if manifest.key == key or (mix and "shard_size" not in changed):
            kept = {i: x for i, x in manifest.entries.items() if not entry_problems(output, x)}
        elif found and not force:
            details = {"path": output, "count": len(found), "changed": ", ".join(changed) or "?"}
            raise XnerError(Errors.X411.format(**details))
    foreign = [file for file in found if not is_ours(file)]
    if foreign or (found and manifest is None and not force):
        details = {"path": output, "count": len(found), "changed": "no manifest names them"}
        raise XnerError(Errors.X411.format(**details))
    remove_others(output, kept.values())
    return kept
