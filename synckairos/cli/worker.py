"""`synckairos worker`: hands over to Dramatiq's own supervisor, which starts the processes and stops them in order."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NoReturn

from synckairos.settings import Settings

SET_UP: Final = "synckairos.composition.worker:set_up"
SHUTDOWN_MS: Final = 10_000
"""Time for batches in progress when the worker stops; a batch that is cut off is written again, harmlessly."""

STOP_S: Final = 30.0
PACE: Final = {"dramatiq_worker_timeout": "250", "dramatiq_restart_delay": "1000"}
"""Variables of Dramatiq: ms between looks of an idle worker for messages, and until a lost broker is tried again."""


def supervisor(settings: Settings) -> list[str]:
    """Return the command that runs the worker processes."""
    return [
        sys.executable,
        "-m",
        "dramatiq",
        SET_UP,
        f"--processes={settings.worker_processes}",
        f"--threads={settings.worker_threads}",
        f"--worker-shutdown-timeout={SHUTDOWN_MS}",
        "--skip-logging",
        "--path",  # nothing: by default the folder one stands in would be imported from
    ]


def become_worker(settings: Settings) -> NoReturn:
    """Become the supervisor of the worker processes: it forks, so gRPC, which forks badly, must not be loaded."""
    command = supervisor(settings)
    os.execve(command[0], command, {**os.environ, **PACE})  # noqa: S606 - our own interpreter, no shell


@contextmanager
def worker_beside(settings: Settings, urls: Mapping[str, str]) -> Iterator[None]:
    """Run a worker as a child while the body runs; `urls` are the settings that the environment does not have."""
    process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
        supervisor(settings),
        env={**os.environ, **PACE, **{f"SYNCKAIROS_{name.upper()}": url for name, url in urls.items()}},
        start_new_session=True,  # Ctrl-C is for the parent, which stops it in its turn
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
