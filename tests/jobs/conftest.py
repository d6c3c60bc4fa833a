"""A job as a user has it: a saved ensemble, text, and what an undisturbed run makes of it."""

import pytest
from handmade import call, save_teachers
from job_commands import SHARD, TEXTS, annotate_arguments, parts


@pytest.fixture(scope="session")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    save_teachers(folder, {"Ana": "PER", "Lagos": "LOC"})
    lines = [f"Ana met {i} friends in Lagos and word{i * 7919 % TEXTS}\n" for i in range(TEXTS)]
    (folder / "raw.txt").write_text("".join(lines))
    teachers = ["-t", f"tagger={folder / 'tagger'}", "--span-teacher", f"names={folder / 'names'}"]
    for arguments in (
        ["ensemble", folder / "ensemble.cfg", folder / "ensemble", *teachers],
        annotate_arguments(folder, folder / "silver"),
    ):
        code, output = call(*arguments)
        assert code == 0, output
    return folder


@pytest.fixture(scope="session")
def undisturbed(job) -> dict[str, bytes]:
    found = parts(job / "silver")
    assert len(found) == TEXTS // SHARD
    return found
