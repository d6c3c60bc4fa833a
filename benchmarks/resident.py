"""Resident memory of this process. Needs nothing that is not in Python."""

from pathlib import Path

MB = 1e6


def resident() -> dict[str, float]:
    """Resident memory of this process in MB: "VmRSS" now and "VmHWM" at its peak, as Linux says.

    Not `getrusage`: its peak takes in that of the parent process.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf8").splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return {name: int(found[name].split()[0]) * 1024 / MB for name in ("VmRSS", "VmHWM")}
