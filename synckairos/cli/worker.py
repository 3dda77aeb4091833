"""`synckairos worker`: hands over to Dramatiq's own supervisor, which starts the processes and stops them in order."""

import os
import sys
from typing import Final, NoReturn

from synckairos.settings import Settings

SET_UP: Final = "synckairos.worker:set_up"
SHUTDOWN_MS: Final = 60_000
"""For the batches being written when the worker is told to stop; what is cut off is done again, harmlessly."""


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
    """Become the supervisor of the worker processes: it forks, so it must not have loaded what forks badly (gRPC)."""
    command = supervisor(settings)
    os.execv(command[0], command)  # noqa: S606 - our own interpreter, no shell
