"""A `synckairos worker`, with all its processes; it waits by itself for what it needs."""

import time
from collections.abc import Sequence

from testing.harness.processes.child_process import ChildProcess

START_S = 60.0


class WorkerProcess(ChildProcess):
    """One worker; leaving the context kills it, because a stop takes seconds."""

    stops_within_s = 30.0

    @property
    def arguments(self) -> Sequence[str]:
        """The command."""
        return ("worker",)

    def start(self) -> None:
        """Start it and wait until it works, if it logs that."""
        was = self._count("worker_ready")
        self.spawn()
        if self._environment["SYNCKAIROS_LOG_LEVEL"] in {"debug", "info"}:
            self.await_log("worker_ready", was + 1)

    def await_log(self, text: str, times: int = 1, seconds: float = START_S) -> None:
        """Wait until its log has said something this many times."""
        until = time.monotonic() + seconds
        while self._count(text) < times:
            assert time.monotonic() < until, f"not within {seconds} s: {text}\n{self.tail()}"
            assert self.running, f"the worker has ended:\n{self.tail()}"
            time.sleep(0.02)  # the wait on a condition with a deadline, from outside the process

    def _count(self, text: str) -> int:
        return self.log.read_text(errors="replace").count(text) if self.log.exists() else 0
