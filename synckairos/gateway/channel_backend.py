"""The backend behind a gRPC port."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synckairos.gateway.backend import Request, Told
from synckairos.gateway.failures import CallFailed
from synckairos.gateway.metadata import Metadata
from synckairos.rpc.admission.access import FORWARDED_FOR
from synckairos.rpc.server import MAX_RECEIVE_BYTES, MAX_SEND_BYTES

STREAMS_EACH: Final = 900
"""Streams on one connection; gRPC's servers take 1 000 calls on each and hold back the rest."""
HEALTH_S: Final = 2.0
HASTE: Final = 0.99
"""The share of a caller's timeout that the backend is given."""
RESET_S: Final = 0.02
RETIRED_S: Final = 1_900.0
"""For the calls of a connection whose credentials are no longer used; servers end a connection before that."""
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

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None = None) -> None:
        """Speak TLS with credentials, else in the clear."""
        self._address = address
        self._credentials = credentials
        self._calls = self._open()
        self._streams: list[Lane] = []
        self._retired: dict[asyncio.Task[None], grpc.aio.Channel] = {}

    async def unary(self, request: Request, told: Told) -> bytes:
        """Return the reply; raises CallFailed."""
        until = _until(request)
        multi: Any = self._calls.unary_unary(request.path)
        call = multi(request.message, timeout=_shortened(request.timeout_s), metadata=_metadata(request))
        try:
            reply: bytes = await call
            told.headers = _pairs(await call.initial_metadata())
            told.trailers = _pairs(await call.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            told.headers = _pairs(error.initial_metadata())
            raise _failed(error, until) from error
        return reply

    def stream(self, request: Request, told: Told) -> "ChannelStream":
        """Begin a server stream."""
        return ChannelStream(self.lane(), request, told, _once(request.message))

    def lane(self) -> "Lane":
        """Return a connection with room for one more stream."""
        lane = next((lane for lane in self._streams if lane.under_way < STREAMS_EACH), None)
        if lane is None:
            lane = Lane(self._open())
            self._streams.append(lane)
        return lane

    async def is_serving(self) -> bool:
        """Whether the backend says that it is serving."""
        try:
            reply = await health_pb2_grpc.HealthStub(self._calls).Check(
                health_pb2.HealthCheckRequest(), timeout=HEALTH_S
            )
        except grpc.aio.AioRpcError:
            return False
        return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)

    def renew(self, credentials: grpc.ChannelCredentials | None) -> None:
        """Use other credentials from now on; calls under way end on the connections that they have."""
        self._credentials = credentials
        retired = [self._calls, *(lane.channel for lane in self._streams)]
        self._calls, self._streams = self._open(), []
        for channel in retired:
            closing = asyncio.ensure_future(channel.close(RETIRED_S))
            self._retired[closing] = channel
            closing.add_done_callback(self._retired.pop)

    async def close(self) -> None:
        """Close all connections; what is under way ends with CANCELLED."""
        retired = dict(self._retired)
        for closing in retired:
            closing.cancel()
        for channel in (self._calls, *(lane.channel for lane in self._streams), *retired.values()):
            await channel.close()

    def _open(self) -> grpc.aio.Channel:
        if self._credentials is None:
            return grpc.aio.insecure_channel(self._address, options=OPTIONS)
        return grpc.aio.secure_channel(self._address, self._credentials, options=OPTIONS)


class Lane:
    """A connection for streams."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.under_way = 0


class ChannelStream:
    """A server stream of the backend.

    The request, too, is a stream to grpc.aio, which then waits for the headers from the start; of a
    stream that ends at once it would lose them otherwise. On the wire there is no difference.
    """

    def __init__(self, lane: Lane, request: Request, told: Told, messages: AsyncIterator[bytes]) -> None:
        self._lane = lane
        self._told = told
        self._ending: CallFailed | None = None
        self._until = _until(request)
        multi: Any = lane.channel.stream_stream(request.path)
        self._call = multi(messages, timeout=_shortened(request.timeout_s), metadata=_metadata(request))
        lane.under_way += 1
        self._call.add_done_callback(self._left)

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """Yield each message; raises CallFailed."""
        call, told = self._call, self._told
        try:
            told.headers = _pairs(await call.initial_metadata())
            async for message in call:
                yield message
            told.trailers = _pairs(await call.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            raise _failed(error, self._until) from error
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


def _metadata(request: Request) -> Metadata:
    """Return the caller's metadata, and where the caller is: servers believe it of certificates that may forward."""
    kind, _, address = request.peer.partition(":")
    return (*request.metadata, (FORWARDED_FOR, address)) if kind in {"ipv4", "ipv6"} else request.metadata


def _pairs(metadata: grpc.aio.Metadata | None) -> Metadata:
    return tuple(metadata or ())


def _failed(error: grpc.aio.AioRpcError, until: float) -> CallFailed:
    code, message = error.code(), error.details() or ""
    if code is grpc.StatusCode.CANCELLED and time.monotonic() >= until:
        # Nobody here cancelled: the backend was first to see that the time is up, and reset the call.
        code, message = grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"
    return CallFailed(code, message, _pairs(error.trailing_metadata()))


def _until(request: Request) -> float:
    """Return from when on a call that is reset can have run out of time (monotonic seconds)."""
    return math.inf if request.timeout_s is None else time.monotonic() + request.timeout_s * HASTE - RESET_S


def _shortened(timeout_s: float | None) -> float | None:
    """Return a timeout that stays within the caller's after gRPC has rounded it up to three digits."""
    return None if timeout_s is None else max(timeout_s * HASTE - 0.001, 0.0)
