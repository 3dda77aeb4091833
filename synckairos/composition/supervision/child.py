"""One server process, as its supervisor sees it."""

import asyncio
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from synckairos.composition.supervision.sd_notify import (
    METRICS_PORT,
    NOTIFY_SOCKET,
    READY,
    SERVING,
    STATUS,
    Notice,
    Notices,
)


class Child:
    """A process from its start to its end, which says by notices how it is."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], ear: Path) -> None:
        """`ear` is where its notices are heard: a path that nothing else has."""
        self._command = command
        self._environment = environment
        self._ear = ear
        self._process: asyncio.subprocess.Process | None = None
        self._notices: asyncio.BaseTransport | None = None
        self._ready = asyncio.Event()
        self.metrics_port = 0
        """Where it shows its metrics, at 127.0.0.1; 0 for nowhere."""
        self.is_serving = False

    @property
    def pid(self) -> int:
        """Its process id, once it was started."""
        return 0 if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start it in a session of its own, so that a terminal's signals reach its supervisor alone."""
        loop = asyncio.get_running_loop()
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ear.setblocking(False)
        ear.bind(str(self._ear))
        self._notices, _ = await loop.create_datagram_endpoint(lambda: Notices(self._take), sock=ear)
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            env={**os.environ, **self._environment, NOTIFY_SOCKET: str(self._ear)},
            start_new_session=True,
        )

    async def ready(self) -> bool:
        """Wait until it serves; return whether it does, and has not ended instead."""
        ended = asyncio.ensure_future(self.ended())
        served = asyncio.ensure_future(self._ready.wait())
        try:
            await asyncio.wait((ended, served), return_when=asyncio.FIRST_COMPLETED)
            return not ended.done()
        finally:
            ended.cancel()
            served.cancel()

    async def ended(self) -> int:
        """Wait for its end and return its exit code, negative for a signal."""
        assert self._process is not None  # noqa: S101 - it was started
        code = await self._process.wait()
        self.is_serving, self.metrics_port = False, 0
        if self._notices is not None:
            self._notices.close()
        self._ear.unlink(missing_ok=True)
        return code

    def stop(self) -> None:
        """Ask it to finish its calls and to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            if self._process is not None:
                self._process.send_signal(number)

    def _take(self, notice: Notice) -> None:
        self.metrics_port = int(notice.get(METRICS_PORT, self.metrics_port))
        if STATUS in notice:
            self.is_serving = notice[STATUS] == SERVING
        if READY in notice:
            self._ready.set()
