"""A front before a server that spoils a few calls, always the same ones, for a client to outlive unseen."""

from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final, Self

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from synckairos.v1 import session_service_pb2 as pb

SESSIONS: Final = "/synckairos.v1.SessionService"
SPOILT: Final = f"{SESSIONS}/SwitchCycle"
WATCHED: Final = f"{SESSIONS}/WatchSession"
STREAMS: Final = (WATCHED, f"{SESSIONS}/WatchSessions", "/grpc.health.v1.Health/Watch")
REFUSED_CALL: Final = 2
"""The switch, counted from 1, that never reaches the server."""
LOST_CALL: Final = 7
"""The switch whose answer is lost after the server has applied it."""
CUT_VERSION: Final = 14
"""The version, that of a switch, at which the stream breaks instead of telling it."""
PUSHBACK_MS: Final = 50


class UnreliableFront(grpc.GenericRpcHandler):
    """Passes all calls of one client on, but for a refused one, an answer that is lost and a stream that is cut off."""

    def __init__(self, backend: str) -> None:
        self.address = ""
        self._backend = backend
        self._calls: Counter[str] = Counter()
        self._to_repeat: dict[str, bytes] = {}
        self._repeated: set[str] = set()
        self._is_cut = False

    async def __aenter__(self) -> Self:
        self._channel = grpc.aio.insecure_channel(self._backend, options=[("grpc.enable_retries", 0)])
        self._server = grpc.aio.server(handlers=[self])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._server.stop(0)
        await self._channel.close()

    @property
    def missing(self) -> list[str]:
        """What the client should have outlived and has not: nothing, once all that was spoilt came again."""
        return sorted({"refused call", "lost answer", "cut stream"} - self._repeated)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Return what passes the calls of a method on, as the bytes they are."""
        method = handler_call_details.method
        if method in STREAMS:
            return grpc.unary_stream_rpc_method_handler(partial(self._stream, method))
        return grpc.unary_unary_rpc_method_handler(partial(self._unary, method))

    async def _unary(self, method: str, request: bytes, context: Any) -> bytes:
        self._calls[method] += 1
        self._repeated.update(kind for kind, spoilt in self._to_repeat.items() if spoilt == request)
        place = self._calls[method] if method == SPOILT else 0
        if place == REFUSED_CALL:
            self._to_repeat["refused call"] = request
            await _refuse(context)
        passed_on: Any = self._channel.unary_unary(method)
        reply = await _answer(passed_on(request, timeout=context.time_remaining()), context)
        if place == LOST_CALL:
            self._to_repeat["lost answer"] = request
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")
        return reply

    async def _stream(self, method: str, request: bytes, context: Any) -> AsyncIterator[bytes]:
        if method == WATCHED and self._is_cut and pb.WatchSessionRequest.FromString(request).resume_token:
            self._repeated.add("cut stream")
        try:
            passed_on: Any = self._channel.unary_stream(method)
            async for message in passed_on(request):
                if method == WATCHED and not self._is_cut and _is_where_to_cut(message):
                    self._is_cut = True
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")
                yield message
        except grpc.aio.AioRpcError as error:
            await _pass_on(error, context)


async def _answer(call: Any, context: Any) -> bytes:
    try:
        reply: bytes = await call
    except grpc.aio.AioRpcError as error:
        await _pass_on(error, context)
        raise
    return reply


async def _pass_on(error: grpc.aio.AioRpcError, context: Any) -> None:
    context.set_trailing_metadata(error.trailing_metadata())
    await context.abort(error.code(), error.details() or "")


def _is_where_to_cut(message: bytes) -> bool:
    update = pb.WatchSessionResponse.FromString(message)
    return update.HasField("event") and update.version == CUT_VERSION


async def _refuse(context: Any) -> None:
    """End a call as a server does whose Redis is away for a moment."""
    details = [any_pb2.Any(), any_pb2.Any()]
    details[0].Pack(error_details_pb2.ErrorInfo(reason="STORE_UNAVAILABLE", domain="synckairos.dev"))
    delay = duration_pb2.Duration(nanos=PUSHBACK_MS * 1_000_000)
    details[1].Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    code = grpc.StatusCode.UNAVAILABLE
    status = status_pb2.Status(code=code.value[0], message="the store cannot be reached", details=details)
    context.set_trailing_metadata(
        (("grpc-status-details-bin", status.SerializeToString()), ("grpc-retry-pushback-ms", str(PUSHBACK_MS)))
    )
    await context.abort(code, status.message)
