"""The backend in this very process: the handlers of the gRPC port, called without a connection in between."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final, NoReturn

import grpc

from synckairos.gateway.backend import Request, Told
from synckairos.gateway.failures import CallFailed
from synckairos.gateway.metadata import Metadata
from synckairos.rpc.interceptor import Handler

_NO_TRAILERS: Final[Metadata] = ()


class Aborted(CallFailed, grpc.aio.AbortError):
    """What a handler ends its call with: to the code around it gRPC's own error, to the gateway the call's."""


class LocalContext:
    """What SyncKairos' handlers use of gRPC's ServicerContext."""

    def __init__(self, request: Request, told: Told) -> None:
        self._request = request
        self._told = told
        self._until = None if request.timeout_s is None else time.monotonic() + request.timeout_s

    def invocation_metadata(self) -> Metadata:
        """Return the caller's metadata."""
        return self._request.metadata

    def time_remaining(self) -> float | None:
        """Return what is left of the deadline (seconds), None without one."""
        return None if self._until is None else self._until - time.monotonic()

    def peer(self) -> str:
        """Return where the caller is, as gRPC says it."""
        return self._request.peer

    def auth_context(self) -> dict[str, list[bytes]]:
        """Return what the connection has proved, under gRPC's names."""
        shown = self._request.certificate
        return {"x509_pem_cert": [shown]} if shown else {}

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """Keep the headers; they leave with the first message."""
        self._told.headers = tuple(metadata)

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        """Keep the trailers."""
        self._told.trailers = tuple(metadata)

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = _NO_TRAILERS
    ) -> NoReturn:
        """End the call with an error."""
        raise Aborted(code, details, tuple(trailing_metadata))


class StreamContext(LocalContext):
    """Of a server stream: hands its messages to a reader, one at a time."""

    def __init__(self, request: Request, told: Told) -> None:
        super().__init__(request, told)
        self._message: bytes | None = None
        self._turn: asyncio.Future[None] | None = None
        """What the one who has to wait waits for: the reader for a message, else the writer for its being taken."""
        self._has_ended = False

    async def write(self, message: bytes) -> None:
        """Pass a message on; returns when the reader has taken the one before."""
        while self._message is not None:
            await self._wait()
        self._message = message
        self._wake()

    async def read(self) -> bytes | None:
        """Return the next message, None after the last."""
        while self._message is None:
            if self._has_ended:
                return None
            await self._wait()
        message, self._message = self._message, None
        self._wake()
        return message

    def close(self) -> None:
        """Let the reader take what is left, and then find the end."""
        self._has_ended = True
        self._wake()

    async def _wait(self) -> None:
        self._turn = asyncio.get_running_loop().create_future()
        await self._turn

    def _wake(self) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)


class LocalStream:
    """A server stream of a handler."""

    def __init__(self, handler: Handler, request: Request, told: Told) -> None:
        self._handler = handler
        self._request = request
        self._context = StreamContext(request, told)
        self._work: asyncio.Task[None] | None = None
        self._ending: CallFailed | None = None

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """Yield each message; raises CallFailed."""
        context = self._context
        self._work = work = asyncio.get_running_loop().create_task(self._run())
        work.add_done_callback(self._over)
        if self._ending is not None:
            work.cancel()
        try:
            while (message := await context.read()) is not None:
                yield message
        finally:
            work.cancel()
        if self._ending is not None:
            raise self._ending
        work.result()

    def end(self, why: CallFailed) -> None:
        """Let `messages` raise this error now."""
        self._ending = why
        if self._work is not None:
            self._work.cancel()

    async def _run(self) -> None:
        handler: Any = self._handler
        await handler.unary_stream(handler.request_deserializer(self._request.message), self._context)

    def _over(self, work: asyncio.Task[None]) -> None:
        if not work.cancelled():
            work.exception()  # looked at here, for the case that nobody reads to the end
        self._context.close()


class LocalBackend:
    """Calls handlers by their full names; `is_ready` says whether calls can be answered now."""

    def __init__(self, handlers: Mapping[str, Handler], is_ready: Callable[[], bool]) -> None:
        self._handlers = handlers
        self._is_ready = is_ready

    async def unary(self, request: Request, told: Told) -> bytes:
        """Return the reply; raises CallFailed."""
        handler: Any = self._handlers[request.path]
        reply = await handler.unary_unary(handler.request_deserializer(request.message), LocalContext(request, told))
        encoded: bytes = handler.response_serializer(reply)
        return encoded

    def stream(self, request: Request, told: Told) -> LocalStream:
        """Begin a server stream."""
        return LocalStream(self._handlers[request.path], request, told)

    async def is_serving(self) -> bool:
        """Whether calls can be answered now."""
        return self._is_ready()
