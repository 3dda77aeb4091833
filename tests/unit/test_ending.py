"""Processes that would outlive their own end: they end in bounded time, and say what kept them."""

import subprocess
import sys

import pytest

STUCK = """
import signal, threading
from synckairos.composition.ending import {name}
{arm}
threading.Thread(target=threading.Event().wait).start()
signal.raise_signal(signal.SIGTERM)
"""
ARMS = {
    "end_within": "end_within(0.2); signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "bound_end_after": "signal.signal(signal.SIGTERM, lambda *_: None); bound_end_after((signal.SIGTERM,), 0.2)",
}


@pytest.mark.parametrize("name", ARMS)
def test_a_process_that_a_thread_keeps_is_ended_and_says_where_it_stood(name: str) -> None:
    """The main thread has returned, and the interpreter waits for a thread that never ends."""
    script = STUCK.format(name=name, arm=ARMS[name])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 1
    assert "Timeout (0:00:00.2" in done.stderr
    assert "threading.py" in done.stderr


SIGNALLED = """
import signal, synckairos.composition.ending as ending
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append("former"))
ending.bound_end_after((signal.SIGTERM,), 60)
now = [100.0]
ending.time.monotonic = lambda: now[0]
for after in (0.0, 0.5, 2.0):
    now[0] = 100.0 + after
    signal.raise_signal(signal.SIGTERM)
print(len(heard))
"""


def test_signals_of_one_moment_are_one() -> None:
    """A service manager signals a whole group, and the supervisor passes on what it got: that is no second request."""
    done = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout.strip() == "2"


def test_what_ended_in_time_lives_on() -> None:
    """`synckairos dev` stops its stores after the server: the bound of the one does not cut the other off."""
    script = (
        "import time; from synckairos.composition.ending import *; "
        "end_within(0.1); ended_in_time(); time.sleep(0.3); print('alive')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout.strip() == "alive"
