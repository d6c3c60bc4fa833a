"""Tasks in processes: what is done, what fails, what dies."""

import os
import sys
import time
from pathlib import Path

import pytest

from spacy_xner.errors import Errors, XnerError
from spacy_xner.study.tasks import Runner, Task


def write(path, text):
    print("written")
    Path(path).write_text(text)


def complain():
    raise XnerError(Errors.X601.format(path="nowhere"))


def stumble():
    raise KeyError("a word")


def leave():
    sys.exit(3)


def die():
    os._exit(9)


def die_once(path):
    if not Path(path).exists():
        Path(path).write_text("died")
        os._exit(9)


def threads(path):
    import torch

    Path(path).write_text(f"{torch.get_num_threads()} {os.environ['OMP_NUM_THREADS']}")


@pytest.fixture
def runner(tmp_path):
    told = []
    found = Runner(tmp_path / "logs", tell=told.append)
    found.told = told
    return found


def test_what_a_task_prints_goes_to_its_log(runner, tmp_path):
    runner.run([Task("one", write, (tmp_path / "out", "hello"))])
    assert (tmp_path / "out").read_text() == "hello"
    assert (tmp_path / "logs/one.log").read_text() == "written\n"
    assert (runner.done, runner.failed) == ({"one"}, {})


def test_what_fails_does_not_stop_the_rest(runner, tmp_path):
    names = {"complain": complain, "stumble": stumble, "leave": leave, "die": die}
    tasks = [Task(name, run, ()) for name, run in names.items()]
    runner.run([*tasks, Task("last", write, (tmp_path / "out", "x"))])
    assert runner.done == {"last"}
    assert "X601" in runner.failed["complain"]
    assert "stumble.log" in runner.failed["stumble"]
    assert "KeyError" in (tmp_path / "logs/stumble.log").read_text()
    assert "leave.log" in runner.failed["leave"]
    assert "died twice" in runner.failed["die"]


def test_a_task_whose_process_died_is_tried_again(runner, tmp_path):
    runner.run([Task("once", die_once, (tmp_path / "mark",))])
    assert (runner.done, runner.failed) == ({"once"}, {})


def test_a_task_waits_for_what_it_needs(runner, tmp_path):
    runner.run([Task("first", complain, ())])
    needy = Task("needy", write, (tmp_path / "a", "x"), frozenset({"first"}))
    early = Task("early", write, (tmp_path / "b", "x"), frozenset({"never"}))
    runner.run([needy, early])
    assert "it needs first" in runner.failed["needy"]
    assert runner.failed["early"] == "it needs never, which nobody makes"
    assert not runner.done
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def see(path, needed):
    Path(path).write_text(str(Path(needed).exists()))


def test_what_a_task_needs_is_done_before_it_whatever_the_order(tmp_path):
    """Meanwhile the other process goes on with what needs nothing."""
    first, last, other = (tmp_path / name for name in ("first", "last", "other"))
    runner = Runner(tmp_path / "logs", jobs=2)
    runner.run(
        [
            Task("last", see, (last, first), frozenset({"first"})),
            Task("other", write, (other, "x")),
            Task("first", write, (first, "x")),
        ]
    )
    assert last.read_text() == "True"
    assert runner.done == {"first", "last", "other"}


def test_what_needs_a_failed_task_fails_in_turn(runner):
    chain = [Task(f"{n}", leave, (), frozenset({f"{n - 1}"} if n else ())) for n in range(3)]
    runner.run(chain[::-1])
    assert [runner.failed[name] for name in "12"] == ["it needs 0", "it needs 1"]


def test_nothing_is_done_twice(runner, tmp_path):
    task = Task("one", write, (tmp_path / "out", "x"))
    runner.run([task])
    (tmp_path / "out").unlink()
    runner.run([task])
    assert not (tmp_path / "out").exists()


def test_nothing_is_begun_when_the_time_is_over(tmp_path):
    runner = Runner(tmp_path / "logs", end=time.monotonic() - 1)
    runner.run([Task("late", write, (tmp_path / "out", "x"))])
    assert (runner.done, runner.failed) == (set(), {})
    assert not (tmp_path / "out").exists()


def test_processes_share_the_threads(tmp_path):
    Runner(tmp_path / "logs", jobs=2).run([Task("count", threads, (tmp_path / "out",))])
    share = str(max(1, len(os.sched_getaffinity(0)) // 2))
    assert (tmp_path / "out").read_text().split() == [share, share]
