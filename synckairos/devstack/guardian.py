"""A process that ends what another one started, once that one is gone, even by SIGKILL.

It reads what to guard from its standard input, and acts when that ends: the kernel closes the other end of the pipe
with the process that held it.
"""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple, Self

from synckairos.devstack.file_lock import FileLock
from synckairos.devstack.orphans import ORPHAN_SECONDS, end_family

PROGRAM: Final = "from synckairos.devstack.guardian import main; main()"
"""Not `-m`: the package imports this module itself, which Python warns of."""


class Ward(NamedTuple):
    """A family of processes: the lock that it holds, how it is asked to end, and the id of its first process."""

    lock: Path
    stop_signal: signal.Signals
    pid: int


class Guardian:
    """The guardian as seen by the process whose end it waits for."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def guard(self, ward: Ward) -> None:
        """End a family when this process is gone; the latest one that holds a lock counts."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        self._process.stdin.write(f"{ward.stop_signal.value} {ward.pid} {ward.lock}\n".encode())
        self._process.stdin.flush()


def main() -> None:
    """Read wards until the input ends, then end those that are still there, the latest first."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wards: dict[Path, Ward] = {}
    for line in sys.stdin:
        stop_signal, pid, path = line.rstrip("\n").split(" ", 2)
        wards[Path(path)] = Ward(Path(path), signal.Signals(int(stop_signal)), int(pid))
    for ward in reversed(wards.values()):
        if ward.lock.exists():
            end_family(FileLock(ward.lock), ward.stop_signal, ORPHAN_SECONDS, ward.pid)
