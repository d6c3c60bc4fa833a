"""How many threads each of several processes should use."""

import os


def threads_each(processes: int) -> int:
    """An equal share of the cores that this process may use, and at least one.

    Threads that outnumber the cores are several times slower, and `taskset` or a container may
    allow a process fewer cores than there are.

    processes (int): How many run at a time.
    RETURNS (int): Threads of each.
    """
    allowed = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    cores = len(allowed(0)) if allowed else os.cpu_count() or 1
    return max(1, cores // processes)
