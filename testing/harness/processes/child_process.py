"""A SyncKairos process of its own, as a user would run it: started, killed, paused and stopped by tests."""

import contextlib
import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

from testing.harness.processes.warm_commands import WarmCommand

HEALTHY: Final = ("synckairos",)
"""The module of a process without a seeded bug."""


class ChildProcess(ABC):
    """A process in a group of its own, with all its children; its output goes to `log`.

    Python runs `module`, with arguments before the command's own: `synckairos`, or a seeded bug of it.
    """

    stops_within_s: ClassVar[float]
    is_warm: ClassVar[bool] = False
    """Whether it is forked from a process that has loaded the program: tests have no need to load it each time."""

    def __init__(self, redis_url: str, log: Path, *, module: Sequence[str] = HEALTHY, **settings: str) -> None:
        self._environment = environment_with(redis_url, settings)
        self._module = module
        self.log = log
        self._process: subprocess.Popen[bytes] | WarmCommand | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._process is not None:
            self.kill()

    @property
    def environment(self) -> dict[str, str]:
        """The environment it is started with."""
        return dict(self._environment)

    @property
    def running(self) -> bool:
        """Whether its first process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of its first process, once it has been started."""
        assert self._process is not None
        return self._process.pid

    @property
    @abstractmethod
    def arguments(self) -> Sequence[str]:
        """The command and its arguments."""

    def spawn(self) -> None:
        """Start the process without waiting for it."""
        module, *arguments = *self._module, *self.arguments
        with self.log.open("ab") as log:
            if self.is_warm:
                self._process = WarmCommand(arguments, str(Path.cwd()), self._environment, log, log, module)
                return
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @abstractmethod
    def start(self) -> None:
        """Start the process and wait until it works."""

    def stop(self, seconds: float | None = None) -> int:
        """Ask it to stop, wait, and return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds or self.stops_within_s)

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

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


PATIENT: Final = {"queue_target_ms": "10000"}
"""Servers under test take on all calls, however slow the machine is; overload has tests of its own."""


def environment_with(redis_url: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process on a Redis, with these settings; it logs as JSON from info on."""
    given = {"redis_url": redis_url, "log_level": "info", "log_format": "json", **PATIENT, **settings}
    return {**os.environ, **{f"SYNCKAIROS_{name.upper()}": value for name, value in given.items()}}
