"""A `synckairos worker` of its own, as a user would run it: started, killed, paused and stopped by tests."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from testing.harness.server_process import environment_with


class WorkerProcess:
    """One worker with all its processes, in a process group of its own; it waits by itself for what it needs.

    `module` is what Python runs, as with a ServerProcess.
    """

    def __init__(self, redis_url: str, log: Path, *, module: Sequence[str] = ("synckairos",), **settings: str) -> None:
        self._environment = environment_with(redis_url, settings)
        self._module = module
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._process is not None:
            self.kill()  # to stop takes seconds, and who wants to see it stops it

    @property
    def running(self) -> bool:
        """Whether its first process lives."""
        return self._process is not None and self._process.poll() is None

    def spawn(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._module, "worker"],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self, seconds: float = 20.0) -> None:
        """Start it and wait until it works."""
        was = self._count("worker_ready")
        self.spawn()
        if self._environment["SYNCKAIROS_LOG_LEVEL"] in {"debug", "info"}:
            self.await_log("worker_ready", was + 1, seconds)

    def await_log(self, text: str, times: int = 1, seconds: float = 20.0) -> None:
        """Wait until its log says something so many times."""
        until = time.monotonic() + seconds
        while self._count(text) < times:
            assert time.monotonic() < until, f"not within {seconds} s: {text}\n{self.tail()}"
            assert self.running, f"the worker has ended:\n{self.tail()}"
            time.sleep(0.02)  # the wait on a condition with a deadline, from outside the process

    def stop(self, seconds: float = 30.0) -> int:
        """Ask it to stop, wait, and return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds)

    def kill(self) -> None:
        """End all its processes without warning."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(10)

    def pause(self) -> None:
        """Freeze all its processes."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let them run on."""
        self._signal(signal.SIGCONT)

    def tail(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-4_000:] if self.log.exists() else ""

    def _count(self, text: str) -> int:
        return self.log.read_text(errors="replace").count(text) if self.log.exists() else 0

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
