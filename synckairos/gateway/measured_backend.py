"""A backend whose calls are measured, for a gateway in a process of its own."""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Protocol

from synckairos.gateway.backend import Backend, Request, Stream, Told
from synckairos.gateway.failures import CallFailed


class GatewayObserver(Protocol):
    """Hears of the calls that pass through a gateway."""

    def gateway_call(self, method: str, code: str, seconds: float) -> None:
        """A call has ended."""


class MeasuredBackend:
    """Passes calls on to another backend, and tells an observer how each ended."""

    def __init__(self, backend: Backend, observer: GatewayObserver) -> None:
        self._backend = backend
        self._observer = observer
        self.under_way = 0

    async def unary(self, request: Request, told: Told) -> bytes:
        """Return the reply; raises CallFailed."""
        with self.measured(request.path):
            return await self._backend.unary(request, told)

    def stream(self, request: Request, told: Told) -> Stream:
        """Begin a server stream."""
        return _MeasuredStream(self, request.path, self._backend.stream(request, told))

    async def is_serving(self) -> bool:
        """Whether calls can be answered now."""
        return await self._backend.is_serving()

    @contextmanager
    def measured(self, method: str) -> Iterator[None]:
        """Count and time a call while the body runs; one that its reader has left was cancelled."""
        self.under_way += 1
        code = "CANCELLED"
        started = time.perf_counter()
        try:
            yield
            code = "OK"
        except CallFailed as error:
            code = error.code.name
            raise
        finally:
            self.under_way -= 1
            self._observer.gateway_call(method, code, time.perf_counter() - started)


class _MeasuredStream:
    """A stream that is measured while its messages are read."""

    def __init__(self, owner: MeasuredBackend, method: str, stream: Stream) -> None:
        self._owner = owner
        self._method = method
        self._stream = stream

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """Yield each message; raises CallFailed."""
        with self._owner.measured(self._method):
            async with aclosing(self._stream.messages()) as messages:
                async for message in messages:
                    yield message

    def end(self, why: CallFailed) -> None:
        """Let `messages` raise this error now."""
        self._stream.end(why)
