"""A `synckairos gateway` on a port of its own."""

import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from testing.harness.processes.child_process import ChildProcess
from testing.harness.processes.server_process import START_S, free_port


class GatewayProcess(ChildProcess):
    """One gateway before the gRPC port at `backend`."""

    stops_within_s = 20.0

    def __init__(self, backend: str, log: Path, **settings: str) -> None:
        super().__init__("redis://127.0.0.1:1/0", log, **settings)
        self.address = f"127.0.0.1:{free_port()}"
        self._backend = backend

    @property
    def arguments(self) -> Sequence[str]:
        """The command and its arguments."""
        return ("gateway", "--backend", self._backend, "--listen", self.address)

    def start(self) -> None:
        """Start the process and wait until its backend serves."""
        self.spawn()
        until = time.monotonic() + START_S
        while not is_healthy(self.address):
            assert self.running, f"the gateway has ended:\n{self.tail()}"
            assert time.monotonic() < until, f"the gateway is not healthy:\n{self.tail()}"
            time.sleep(0.02)  # the wait on a condition with a deadline, from outside the process


def is_healthy(address: str) -> bool:
    """Whether an HTTP port says that calls can be answered."""
    try:
        with urllib.request.urlopen(f"http://{address}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False
