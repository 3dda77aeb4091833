"""`synckairos worker`: hands over to Dramatiq's own supervisor, which starts the processes and stops them in order."""

import os
import sys
import tempfile
from typing import Final, NoReturn

from synckairos.settings import Settings
from synckairos.telemetry import SHARED_FOLDER

SET_UP: Final = "synckairos.composition.worker:set_up"
SHUTDOWN_MS: Final = 10_000
"""Time for batches in progress when the worker stops; a batch that is cut off is written again, harmlessly."""

BOOT_MS: Final = 5_000
"""How long the supervisor takes no notice of a process that dies while it starts."""

PACE: Final[dict[str, str]] = {"dramatiq_worker_timeout": "250", "dramatiq_restart_delay": "1000"}
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
        f"--worker-fork-timeout={BOOT_MS}",
        "--skip-logging",
        "--path",  # nothing: by default the folder one stands in would be imported from
    ]


def variables(settings: Settings) -> dict[str, str]:
    """Return the variables that the worker processes get, for one start of them."""
    if not settings.worker_metrics_listen or settings.worker_processes == 1:
        return PACE
    return {**PACE, SHARED_FOLDER: tempfile.mkdtemp(prefix="synckairos-metrics-")}


def become_worker(settings: Settings) -> NoReturn:
    """Become the supervisor of the worker processes: it forks, so gRPC, which forks badly, must not be loaded."""
    command = supervisor(settings)
    os.execve(command[0], command, {**os.environ, **variables(settings)})  # noqa: S606 - our own interpreter, no shell
