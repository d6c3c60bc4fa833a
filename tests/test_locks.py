import multiprocessing
import os
import signal

import pytest

from spacy_xner.errors import XnerError
from spacy_xner.locks import LOCK, lock_folder


def hold(path, ready, stop):
    with lock_folder(path):
        ready.set()
        stop.wait(30)


def test_one_writer_at_a_time(tmp_path):
    with (
        lock_folder(tmp_path / "new"),
        pytest.raises(XnerError, match=r"X701.*another process"),
        lock_folder(tmp_path / "new"),
    ):
        pass
    with lock_folder(tmp_path / "new"):
        pass


def test_an_error_frees_the_lock_and_is_not_hidden(tmp_path):
    with pytest.raises(RuntimeError, match="mine"), lock_folder(tmp_path):
        raise RuntimeError("mine")
    with lock_folder(tmp_path):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path, ready, stop))
    process.start()
    assert ready.wait(60)
    with pytest.raises(XnerError, match="X701"), lock_folder(tmp_path):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    assert (tmp_path / LOCK).exists()
    with lock_folder(tmp_path):
        pass
