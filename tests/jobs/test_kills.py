"""Processes that are killed, and told to stop: what was done stays, and a rerun does the rest."""

import json
import os
import random
import signal
import time

import psutil
import pytest
from handmade import call
from job_commands import SHARD, annotate_arguments, parts, start, wait_for_shards

from spacy_xner.annotate import run_key, run_parts
from spacy_xner.corpora.raw_text import TextSource
from spacy_xner.jobs.annotator import load_annotator
from spacy_xner.jobs.local import in_process
from spacy_xner.jobs.manifest import read_manifest
from spacy_xner.jobs.run import run_job
from spacy_xner.jobs.verify import verify_shards
from spacy_xner.locks import lock_folder


def check_what_is_left(folder, undisturbed):
    """Whole shards alone, all of them with the right contents."""
    left = read_manifest(folder)
    for entry in left.entries.values():
        assert (folder / entry["file"]).read_bytes() == undisturbed[entry["file"]]
    assert not [problem for problem in verify_shards(folder) if "sha256" in problem]
    return len(left.entries)


def test_killed_at_random_points(job, undisturbed, tmp_path):
    """Twenty times, wherever the kill may fall; each time a second run makes it whole."""
    nlp = load_annotator(str(job / "ensemble"), threads=1)
    source = TextSource(job / "raw.txt")
    key = run_key(run_parts(nlp, job / "raw.txt"))

    def run(folder):
        engine = in_process(nlp, folder, key=key)
        return run_job(source.items(), folder, engine, key=key, shard_size=SHARD)

    begin = time.monotonic()
    run(tmp_path / "timed")
    duration = time.monotonic() - begin
    assert parts(tmp_path / "timed") == undisturbed
    left = []
    for seed in range(20):
        folder = tmp_path / str(seed)
        child = os.fork()
        if child == 0:
            try:
                run(folder)
            finally:
                os._exit(0)
        time.sleep(random.Random(seed).uniform(0.0, duration))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        left.append(check_what_is_left(folder, undisturbed) if folder.exists() else 0)
        run(folder)
        assert (parts(folder), verify_shards(folder)) == (undisturbed, [])
    # The kills fell into the runs.
    assert len(set(left)) > 3
    assert any(0 < n < len(undisturbed) for n in left)


@pytest.mark.parametrize("engine", [(), ("--workers", 2)], ids=["alone", "workers"])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_command_is_stopped(job, undisturbed, tmp_path, signum, engine):
    out = tmp_path / "silver"
    arguments = annotate_arguments(job, out, *engine)
    process = start(*arguments)
    wait_for_shards(out, 3, process)
    children = psutil.Process(process.pid).children(recursive=True)
    # Ctrl-C goes to all processes of the terminal.
    (os.killpg if signum == signal.SIGINT else os.kill)(process.pid, signum)
    output, _ = process.communicate(timeout=60)
    if signum == signal.SIGKILL:
        assert process.returncode == -signum
    else:
        assert process.returncode == 128 + signum, output
        assert signum.name in output
        assert "Traceback" not in output
        events = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        assert [events[0]["event"], events[-1]["event"]] == ["start", "stop"]
    # No worker outlives its parent, however that ended.
    gone, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert check_what_is_left(out, undisturbed) < len(undisturbed)
    with lock_folder(out):
        pass
    code, output = call(*arguments)
    assert (code, parts(out), verify_shards(out)) == (0, undisturbed, []), output


def test_killed_workers_are_replaced(job, undisturbed, tmp_path):
    out = tmp_path / "silver"
    process = start(*annotate_arguments(job, out, "--workers", 2))
    for count in (2, 8):
        wait_for_shards(out, count, process)
        workers = [
            child
            for child in psutil.Process(process.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]
        workers[0].kill()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert (parts(out), verify_shards(out)) == (undisturbed, [])


def test_a_block_that_kills_its_worker(job, tmp_path, monkeypatch):
    """Such as one that takes all memory: the run ends with a message, and what was done stays."""
    (job / "deadly.txt").write_text("Ana\n" * 3 + "Lagos\n" * 3)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if any('spawn_main' in x for x in sys.orig_argv):\n"
        "    import spacy_xner.jobs.texts as texts\n"
        "    real = texts.to_doc\n"
        "    texts.to_doc = lambda nlp, x: os._exit(9) if x.text == 'Lagos' else real(nlp, x)\n"
    )
    arguments = ["annotate", job / "ensemble", job / "deadly.txt", tmp_path / "out"]
    process = start(*arguments, "--shard-size", 3, "--workers", 2)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1, output
    assert "[X463]" in output
    assert "shard 1 (3 texts)" in " ".join(output.split())
    assert list(read_manifest(tmp_path / "out").entries) == [0]


def test_workers_give_what_one_process_gives(job, undisturbed, tmp_path):
    code, output = call(*annotate_arguments(job, tmp_path / "silver", "--workers", 2))
    assert (code, parts(tmp_path / "silver")) == (0, undisturbed), output
    # And one process goes on from there, since it makes no difference.
    removed = sorted((tmp_path / "silver").glob("*.spacy"))[3]
    removed.unlink()
    assert call(*annotate_arguments(job, tmp_path / "silver"))[0] == 0
    assert parts(tmp_path / "silver") == undisturbed
