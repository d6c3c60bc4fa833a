import os
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from spacy_xner.jobs.threads import threads_each

COUNTS = st.integers(1, 256)


@given(cores=COUNTS, processes=COUNTS)
def test_the_cores_are_shared(cores, processes):
    with patch.object(os, "sched_getaffinity", lambda _: set(range(cores)), create=True):
        each = threads_each(processes)
    assert each >= 1
    assert each * processes <= max(cores, processes)
    assert (each + 1) * processes > cores


def test_only_the_cores_that_this_process_may_use_count():
    with (
        patch.object(os, "sched_getaffinity", lambda _: {3}, create=True),
        patch.object(os, "cpu_count", lambda: 8),
    ):
        assert threads_each(1) == 1


def test_where_nothing_is_known_of_affinity_all_cores_count():
    with patch.object(os, "sched_getaffinity", None, create=True):
        for cores, expected in ((8, 4), (None, 1)):
            with patch.object(os, "cpu_count", lambda cores=cores: cores):
                assert threads_each(2) == expected
