"""Annotation with Ray Data, on this machine and on a cluster of nodes that can be killed."""

import json
import signal
import sys

import psutil
import pytest
from handmade import call
from job_commands import annotate_arguments, parts, start, wait_for_shards

from spacy_xner.jobs.manifest import read_manifest
from spacy_xner.jobs.verify import verify_shards

ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")


def processes(parent, name):
    """Those below a process whose command line has a name in it."""
    found = []
    for child in psutil.Process(parent.pid).children(recursive=True):
        try:
            if name in " ".join(child.cmdline()):
                found.append(child)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def test_a_killed_actor_is_replaced_and_its_block_done_again(job, undisturbed, tmp_path):
    out = tmp_path / "silver"
    process = start(*annotate_arguments(job, out, "--engine", "ray", "--workers", 2))
    wait_for_shards(out, 2, process)
    workers = processes(process, "ray::MapWorker")
    assert workers, [child.cmdline() for child in psutil.Process(process.pid).children(True)]
    workers[0].send_signal(signal.SIGKILL)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    # No shard twice, none missing, all as one process writes them.
    assert (parts(out), verify_shards(out)) == (undisturbed, [])
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    indices = [row["index"] for row in rows if "index" in row]
    assert indices == list(range(len(undisturbed)))
    # What Ray did is no other run: one process has nothing left to do.
    code, output = call(*annotate_arguments(job, out))
    assert (code, parts(out)) == (0, undisturbed), output


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_the_node_is_killed_or_the_run_is_stopped(job, undisturbed, tmp_path, signum):
    """SIGKILL to Ray's own process, SIGTERM to ours; one process goes on where Ray stopped."""
    out = tmp_path / "silver"
    process = start(*annotate_arguments(job, out, "--engine", "ray", "--workers", 1))
    wait_for_shards(out, 1, process)
    below = psutil.Process(process.pid).children(recursive=True)
    if signum == signal.SIGKILL:
        (raylet,) = [x for x in processes(process, "raylet/raylet") if x.name() == "raylet"]
        raylet.kill()
    else:
        process.send_signal(signum)
    output, _ = process.communicate(timeout=300)
    if signum == signal.SIGKILL:
        assert process.returncode != 0, output
    else:
        assert process.returncode == 128 + signum, output
    _, alive = psutil.wait_procs(below, timeout=120)
    for child in alive:
        child.kill()
    assert not [problem for problem in verify_shards(out) if "sha256" in problem]
    assert 0 < len(read_manifest(out).entries) < len(undisturbed)
    code, output = call(*annotate_arguments(job, out))
    assert (code, parts(out), verify_shards(out)) == (0, undisturbed, []), output


def test_a_cluster_that_loses_a_node(job, undisturbed, tmp_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    try:
        node = cluster.add_node(num_cpus=1)
        out = tmp_path / "silver"
        options = ("--engine", "ray", "--workers", 2, "--address", cluster.address)
        process = start(*annotate_arguments(job, out, *options))
        wait_for_shards(out, 2, process)
        cluster.remove_node(node, allow_graceful=False)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        assert (parts(out), verify_shards(out)) == (undisturbed, [])
    finally:
        cluster.shutdown()


def test_input_that_changes_while_it_is_read(job, tmp_path):
    """The actors read the text again: they must not make shards of other text than was planned."""
    from spacy_xner.corpora.raw_text import TextSource
    from spacy_xner.jobs.blocks import cut_blocks
    from spacy_xner.jobs.ray_engine import Actor, block_row

    text = tmp_path / "a.txt"
    text.write_text("Ana left\nBob left\n")
    (block,) = cut_blocks(TextSource(text).items(), 10)
    settings = {"key": "key", "max_failures": 1.0}
    actor = Actor(str(job / "ensemble"), {"path": text}, str(tmp_path), settings)
    assert actor(block_row(block))["error"] == ""
    text.write_text("Ana left\nZuri left\n")
    assert "[X461]" in actor(block_row(block))["error"]


def test_ray_that_is_not_installed_or_not_there(job, tmp_path, monkeypatch):
    arguments = annotate_arguments(job, tmp_path / "out", "--engine", "ray")
    code, output = call(*arguments, "--address", "127.0.0.1:1")
    assert (code, "[X465]" in output) == (1, True), output
    monkeypatch.setitem(sys.modules, "ray", None)
    code, output = call(*arguments)
    assert (code, "[X464]" in output) == (1, True), output
