"""The backend behind a gRPC port."""

from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synckairos.gateway.backend import Request, Told
from synckairos.gateway.failures import CallFailed
from synckairos.gateway.metadata import Metadata
from synckairos.rpc.server import MAX_RECEIVE_BYTES, MAX_SEND_BYTES

STREAMS_EACH: Final = 900
"""Streams on one connection; gRPC's servers take 1 000 calls on each and hold back the rest."""
HEALTH_S: Final = 2.0
OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # else channels to one address share a connection
    ("grpc.max_receive_message_length", MAX_SEND_BYTES),
    ("grpc.max_send_message_length", MAX_RECEIVE_BYTES),
    ("grpc.enable_retries", 0),  # callers retry: only they know what may be sent twice
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


class ChannelBackend:
    """Passes calls on to `host:port`; unary calls by one connection, streams by as many as they need."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._calls = self._open()
        self._streams: list[_Lane] = []

    async def unary(self, request: Request, told: Told) -> bytes:
        """Return the reply; raises CallFailed."""
        multi: Any = self._calls.unary_unary(request.path)
        call = multi(request.message, timeout=_shortened(request.timeout_s), metadata=request.metadata)
        try:
            reply: bytes = await call
            told.headers = _pairs(await call.initial_metadata())
            told.trailers = _pairs(await call.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            told.headers = _pairs(error.initial_metadata())
            raise _failed(error) from error
        return reply

    def stream(self, request: Request, told: Told) -> "ChannelStream":
        """Begin a server stream."""
        lane = next((lane for lane in self._streams if lane.under_way < STREAMS_EACH), None)
        if lane is None:
            lane = _Lane(self._open())
            self._streams.append(lane)
        return ChannelStream(lane, request, told)

    async def is_serving(self) -> bool:
        """Whether the backend says that it is serving."""
        try:
            reply = await health_pb2_grpc.HealthStub(self._calls).Check(
                health_pb2.HealthCheckRequest(), timeout=HEALTH_S
            )
        except grpc.aio.AioRpcError:
            return False
        return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)

    async def close(self) -> None:
        """Close all connections; what is under way ends with CANCELLED."""
        for channel in (self._calls, *(lane.channel for lane in self._streams)):
            await channel.close()

    def _open(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(self._address, options=OPTIONS)


class _Lane:
    """A connection for streams."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.under_way = 0


class ChannelStream:
    """A server stream of the backend.

    It is called as if the request were a stream, too: grpc.aio then waits for the headers before it sends the request,
    where it otherwise loses those of a stream that ends at once. On the wire there is no difference.
    """

    def __init__(self, lane: _Lane, request: Request, told: Told) -> None:
        self._lane = lane
        self._told = told
        self._ending: CallFailed | None = None
        multi: Any = lane.channel.stream_stream(request.path)
        self._call = multi(_once(request.message), timeout=_shortened(request.timeout_s), metadata=request.metadata)
        lane.under_way += 1
        self._call.add_done_callback(self._left)

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield each message; raises CallFailed."""
        call, told = self._call, self._told
        try:
            told.headers = _pairs(await call.initial_metadata())
            async for message in call:
                yield message
            told.trailers = _pairs(await call.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            raise _failed(error) from error
        except BaseException:
            if self._ending is not None:
                raise self._ending from None
            raise
        finally:
            call.cancel()

    def end(self, why: CallFailed) -> None:
        """Let `messages` raise this error now."""
        self._ending = why
        self._call.cancel()

    def _left(self, _call: object) -> None:
        self._lane.under_way -= 1


async def _once(message: bytes) -> AsyncIterator[bytes]:
    yield message


def _pairs(metadata: grpc.aio.Metadata | None) -> Metadata:
    return tuple(metadata or ())


def _failed(error: grpc.aio.AioRpcError) -> CallFailed:
    return CallFailed(error.code(), error.details() or "", _pairs(error.trailing_metadata()))


def _shortened(timeout_s: float | None) -> float | None:
    """Return a timeout that stays within the caller's after gRPC has rounded it up to three digits."""
    return None if timeout_s is None else max(timeout_s * 0.99 - 0.001, 0.0)
