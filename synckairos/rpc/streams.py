"""The headers and the writes of a server stream."""

import asyncio
from types import TracebackType
from typing import Self

from synckairos.application.errors import SlowConsumer
from synckairos.rpc.interceptor import Context


async def open_stream(context: Context) -> None:
    """Send a stream's headers; without them gRPC cannot end a stream that has written nothing, whatever the error.

    They also release a client that waits for headers before it sends anything.
    """
    await context.send_initial_metadata(())


class StreamWriter:
    """Writes a stream's messages, and ends the stream when its reader takes nothing for too long.

    Enter it around all writes of the stream; one write is under way at a time. A single timer serves many writes: it
    looks whether the current one has taken too long.
    """

    def __init__(self, context: Context, stall_s: float) -> None:
        self._context = context
        self._stall_s = stall_s
        self._loop = asyncio.get_running_loop()
        self._limit = asyncio.timeout(None)
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._limit.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._limit.__aexit__(kind, error, traceback)
        except TimeoutError as late:
            raise SlowConsumer(f"nothing was read for {self._stall_s:g} s", stall_s=self._stall_s) from late

    async def write(self, message: bytes) -> None:
        """Write one message; if it is not taken in time, leaving the context raises SlowConsumer."""
        self._since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._stall_s, self._look)
        try:
            await self._context.write(message)
        finally:
            self._since = None

    def _look(self) -> None:
        self._timer = None
        if self._since is None:
            return
        left = self._since + self._stall_s - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._limit.reschedule(self._loop.time())
