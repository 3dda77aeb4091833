"""CPU time and memory of processes, read from outside."""

import os
import subprocess
import time
from pathlib import Path
from typing import Final

CLOCK_OF_PROCESS: Final = 2
"""The kind of clock, in the low bits of a clock id, that counts all threads of one process, ended ones included."""
IS_LINUX: Final = Path("/proc/self/statm").exists()


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has used so far, to the nanosecond on Linux, else to ten milliseconds."""
    if IS_LINUX:
        return time.clock_gettime((~pid << 3) | CLOCK_OF_PROCESS)
    clock = _ps("time", pid).replace("-", ":").split(":")
    return sum(float(part) * unit for part, unit in zip(reversed(clock), (1, 60, 3_600, 86_400), strict=False))


def resident_bytes(pid: int) -> int:
    """Return the memory that a process holds."""
    if IS_LINUX:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return int(_ps("rss", pid)) * 1_024


def children(pid: int) -> list[int]:
    """Return the processes directly below one, the oldest first."""
    listed = subprocess.run(["/usr/bin/pgrep", "-P", str(pid)], capture_output=True, text=True, check=True)  # noqa: S603 - no shell
    return [int(one) for one in listed.stdout.split()]


def _ps(column: str, pid: int) -> str:
    command = ["/bin/ps", "-o", f"{column}=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - no shell
