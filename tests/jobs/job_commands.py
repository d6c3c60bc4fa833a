"""Run `xner` as a user does, in a process of its own."""

import subprocess
import sys
import time

from spacy_xner.jobs.manifest import MANIFEST

TEXTS = 960
SHARD = 32


def start(*arguments):
    """Start the real command as a process of its own."""
    command = [sys.executable, "-m", "spacy", "xner", *map(str, arguments)]
    # A group of its own, which a signal to all of its processes can go to.
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def wait_for_shards(folder, count, process):
    """Wait until a run has recorded some shards; it must not be over by then."""
    manifest = folder / MANIFEST
    end = time.monotonic() + 300
    while not manifest.is_file() or manifest.read_bytes().count(b"\n") <= count:
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.005)
    assert b"finished" not in manifest.read_bytes()


def parts(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.spacy"))}


def annotate_arguments(job, output, *more):
    return ["annotate", job / "ensemble", job / "raw.txt", output, "--shard-size", SHARD, *more]
