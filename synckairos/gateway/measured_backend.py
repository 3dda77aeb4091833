"""A backend whose calls are measured, for a gateway in a process of its own."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
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
        with _Measured(self, request.path):
            return await self._backend.unary(request, told)

    def stream(self, request: Request, told: Told) -> Stream:
        """Begin a server stream."""
        return _MeasuredStream(self, request.path, self._backend.stream(request, told))

    async def is_serving(self) -> bool:
        """Whether calls can be answered now."""
        return await self._backend.is_serving()

    def ended(self, method: str, error: BaseException | None, seconds: float) -> None:
        """Tell of the end of a call; one that its reader has left was cancelled."""
        code = "OK" if error is None else error.code.name if isinstance(error, CallFailed) else "CANCELLED"
        self._observer.gateway_call(method, code, seconds)


class _Measured:
    """Counts and times a call while the body runs."""

    def __init__(self, owner: MeasuredBackend, method: str) -> None:
        self._owner = owner
        self._method = method

    def __enter__(self) -> None:
        self._owner.under_way += 1
        self._started = time.perf_counter()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._owner.under_way -= 1
        self._owner.ended(self._method, error, time.perf_counter() - self._started)


class _MeasuredStream:
    """A stream that is measured while its messages are read."""

    def __init__(self, owner: MeasuredBackend, method: str, stream: Stream) -> None:
        self._owner = owner
        self._method = method
        self._stream = stream

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """Yield each message; raises CallFailed."""
        with _Measured(self._owner, self._method):
            async with aclosing(self._stream.messages()) as messages:
                async for message in messages:
                    yield message

    def end(self, why: CallFailed) -> None:
        """Let `messages` raise this error now."""
        self._stream.end(why)
