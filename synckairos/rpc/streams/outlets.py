"""Writing what subscriptions queue: without waking a task for each, and without keeping calls waiting."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from itertools import repeat
from math import inf
from typing import Final

from synckairos.application.streams.frames import FrameKind
from synckairos.application.streams.subscriptions import Subscription
from synckairos.rpc.stepping import advance
from synckairos.rpc.streams.envelopes import encoded
from synckairos.rpc.streams.writing import StreamWriter, in_batches
from synckairos.rpc.token_signatures import UNSIGNED, Signatures
from synckairos.v1 import session_service_pb2 as pb

LEAST: Final = 4
"""The streams that begin to write, if so many wait, before the event loop looks after calls again."""
LONGEST_S: Final = 0.002
"""For so long they may at most, even where everything else takes longer."""

_FRAMES: Final = pb.WatchSessionsResponse.FRAMES_FIELD_NUMBER


class Outlets:
    """The streams of a process that have something to write, in turn: a slice of them at a time.

    A slice is small while nothing else is to be done, so that a call that comes waits for few streams each time it goes
    on. Where everything else takes longer, streams get as much of the event loop as that, and none starves.
    """

    def __init__(self, signatures: Signatures = UNSIGNED, now: Callable[[], float] = time.monotonic) -> None:
        """`now` in seconds."""
        self.signatures = signatures
        self._now = now
        self._waiting: deque[Outlet] = deque()
        self._is_serving = False
        self._served_at = inf

    def add(self, outlet: "Outlet") -> None:
        """Let an outlet write when it is its turn."""
        self._waiting.append(outlet)
        if not self._is_serving:
            # The first slice is small: what was done before was to queue all this.
            self._is_serving, self._served_at = True, inf
            asyncio.get_running_loop().call_soon(self._serve)

    def _serve(self) -> None:
        began = self._now()
        until = began + min(began - self._served_at, LONGEST_S)
        written = 0
        while self._waiting and (written < LEAST or self._now() < until):
            self._waiting.popleft().write()
            written += 1
        self._served_at = self._now()
        self._is_serving = bool(self._waiting)
        if self._is_serving:
            asyncio.get_running_loop().call_soon(self._serve)


class Outlet:
    """Writes what a subscription queues to one stream, until each of its sessions has ended."""

    def __init__(self, subscription: Subscription, outlets: Outlets, open_ends: int, *, batches: bool) -> None:
        """`open_ends` counts the sessions; `batches` says that several frames may be one message."""
        self._subscription = subscription
        self._outlets = outlets
        self._open_ends = open_ends
        self._batches = batches
        self._loop = asyncio.get_running_loop()
        self._is_busy = False

    async def run(self, writer: StreamWriter) -> None:
        """Return once everything is written; raises what a write raises."""
        self._writer = writer
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._subscription.on_ready = self._wake
        self._wake()
        await self._ended

    def write(self) -> None:
        """Begin to write what waits."""
        advance(self._write_all(), self._loop)

    def _wake(self) -> None:
        if not self._is_busy:
            self._is_busy = True
            self._outlets.add(self)

    async def _write_all(self) -> None:
        try:
            while not self._ended.done() and (frames := self._subscription.take()):
                messages = map(encoded, frames, repeat(self._outlets.signatures))
                for message in in_batches(_FRAMES, messages) if self._batches else messages:
                    await self._writer.write(message)
                self._open_ends -= sum([frame.kind is FrameKind.END for frame in frames])
                if not self._open_ends:
                    self._end()
        except Exception as error:
            self._end(error)
        self._is_busy = False

    def _end(self, error: Exception | None = None) -> None:
        if self._ended.done():
            return
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)
