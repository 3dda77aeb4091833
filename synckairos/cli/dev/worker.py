"""The worker beside the server of `synckairos dev`: started again when it dies, replaced when it was left behind."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Self

import typer

from synckairos.cli.worker import supervisor, variables
from synckairos.devstack import DirectoryInUseError, Ward
from synckairos.devstack.file_lock import FileLock
from synckairos.devstack.orphans import end_family
from synckairos.settings import Settings

STOP_S: Final = 30.0
BACKOFF_S: Final = (1.0, 30.0)
"""Pause before a worker that died is started again: the first, and the longest it doubles up to."""
STEADY_S: Final = 60.0
"""A worker that has lived for so long is started again after the first pause."""


class DevWorker:
    """A worker as a child process while the body runs; a thread waits for its end.

    `urls` are the settings that the environment does not have; `guard` is told of every process that is started.
    """

    def __init__(
        self, settings: Settings, urls: Mapping[str, str], directory: Path, guard: Callable[[Ward], None]
    ) -> None:
        self._command = supervisor(settings)
        given = {f"SYNCKAIROS_{name.upper()}": url for name, url in urls.items()}
        self._settings = settings
        self._environment = {**os.environ, **given}
        self._lock = FileLock(directory.resolve() / "worker.lock")
        self._guard = guard
        self._is_stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="dev-worker", daemon=True)

    def __enter__(self) -> Self:
        self._process = self._start()
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_stopping.set()
        self._process.terminate()
        self._keeper.join(STOP_S)
        if self._keeper.is_alive():
            os.killpg(self._process.pid, signal.SIGKILL)
            self._keeper.join()

    def _start(self) -> subprocess.Popen[bytes]:
        """Start a worker, after what an earlier one has left behind; raises DirectoryInUseError if that stays."""
        if not end_family(self._lock, signal.SIGTERM, STOP_S):
            raise DirectoryInUseError(
                f"a worker of an earlier run cannot be ended: end it yourself (process id: {self._lock.noted_pid()})"
            )
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            self._command,
            env={**self._environment, **variables(self._settings)},
            pass_fds=(self._lock.fileno(),),
            start_new_session=True,  # Ctrl-C is for the parent, which stops it in its turn
        )
        self._lock.note_pid(process.pid)
        self._lock.hand_over()
        self._guard(Ward(self._lock.path, signal.SIGTERM, process.pid))
        return process

    def _keep(self) -> None:
        pause, longest = BACKOFF_S
        while True:
            started = time.monotonic()
            code = self._process.wait()
            if self._is_stopping.is_set():
                return
            if time.monotonic() - started > STEADY_S:
                pause = BACKOFF_S[0]
            typer.echo(f"the worker ended with {code}; it is started again in {pause:g} s")
            if self._is_stopping.wait(pause):
                return
            pause = min(2 * pause, longest)
            try:
                self._process = self._start()
            except (DirectoryInUseError, OSError) as error:
                typer.echo(str(error))
            if self._is_stopping.is_set():
                self._process.terminate()
