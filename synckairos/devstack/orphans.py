"""Processes that outlived the one that ran them: found by the lock they inherited, and ended.

The lock is free exactly when the last process of the family is gone; the id noted in it is the first one's. So nothing
is ended that has got the id of a process long gone.
"""

import signal
import time
from collections.abc import Callable

from synckairos.devstack import processes
from synckairos.devstack.file_lock import FileLock

ORPHAN_SECONDS = 10.0
LOOK_SECONDS = 0.02


def end_family(lock: FileLock, stop_signal: signal.Signals, seconds: float, pid: int | None = None) -> bool:
    """Take the lock, after ending the family that holds it; say whether that was possible.

    The family is asked to end, given `seconds` to do so, and killed. With a `pid`, no other family is touched.
    """
    for number in (stop_signal, signal.SIGKILL):
        if lock.try_acquire():
            return True
        noted = lock.noted_pid()
        if pid is not None and noted != pid:
            return False
        if noted is not None:
            _tell(noted, number)
        if wait_until(lock.try_acquire, seconds):
            return True
    return False


def _tell(first: int, number: signal.Signals) -> None:
    """Send a signal to a family, paused or not; where its first process is gone, to those left in its group."""
    if not processes.exists(first):
        processes.send_signal_to_group(first, signal.SIGCONT)
        processes.send_signal_to_group(first, number)
    elif number is signal.SIGKILL:
        processes.send_signal_to_family(first, number)
    else:
        processes.send_signal_to_family(first, signal.SIGCONT)
        processes.send_signal(first, number)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition, and say whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True
