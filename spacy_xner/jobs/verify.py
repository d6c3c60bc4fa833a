"""Check a folder of shards against its manifest."""

from pathlib import Path

from .manifest import entry_problems, in_order, is_ours, read_manifest, shard_files


def verify_shards(path: Path) -> list[str]:
    """Compare shards and dead letters with their recorded checksums.

    A damaged shard is done again, and it alone, when the run that wrote it is started again.

    path (Path): Folder with a manifest.jsonl.
    RETURNS (List[str]): What is wrong, a sentence a file; empty where all is as it was written.
    """
    manifest = read_manifest(path)
    if manifest is None:
        return [f"{path}: the manifest is damaged or of another version"]
    entries = in_order(manifest)
    problems = [problem for entry in entries for problem in entry_problems(path, entry)]
    known = {entry["file"] for entry in entries}
    for file in shard_files(path):
        if file.name not in known:
            what = "an unfinished run left it" if is_ours(file) else "it is no shard of this run"
            problems.append(f"{file}: not in the manifest ({what})")
    if not manifest.finished:
        problems.append(f"{path}: the run is not finished, start it again")
    return problems
