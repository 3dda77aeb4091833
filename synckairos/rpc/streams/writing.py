"""The headers, the writes and the batches of a server stream."""

import asyncio
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Final, Self

from synckairos.application.errors import SlowConsumer
from synckairos.rpc.interceptor import Context

MAX_BATCH_BYTES: Final = 1 << 20
"""The most bytes of messages that are written as one: a client accepts 4 MiB by default. One message may have more."""

_LENGTH_DELIMITED: Final = 2
"""The wire type of a message within a message."""


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


def in_batches(field: int, messages: Iterable[bytes]) -> Iterator[bytes]:
    """Yield encoded messages; those that fit together as one message, in its repeated field of this number."""
    batch: list[bytes] = []
    size = 0
    for message in messages:
        if batch and size + len(message) > MAX_BATCH_BYTES:
            yield _batch(field, batch)
            batch, size = [], 0
        batch.append(message)
        size += len(message)
    if batch:
        yield _batch(field, batch)


def repeated(field: int, messages: Iterable[bytes]) -> bytes:
    """Return the bytes of a message that holds nothing but these encoded messages, in its field of this number."""
    tag = _varint(field << 3 | _LENGTH_DELIMITED)
    return b"".join([part for message in messages for part in (tag, _varint(len(message)), message)])


def _batch(field: int, messages: list[bytes]) -> bytes:
    return messages[0] if len(messages) == 1 else repeated(field, messages)


def _varint(number: int) -> bytes:
    """Return a number as Protobuf's wire format has it: seven bits a byte, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
