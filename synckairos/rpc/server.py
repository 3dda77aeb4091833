"""The gRPC server: services, options, health and reflection, assembled."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from synckairos.rpc.admission.scopes import require_scopes
from synckairos.rpc.interceptor import CallInterceptor, Handler, reader
from synckairos.rpc.lean import Entry, lean_server
from synckairos.v1 import audit_service_pb2, session_service_pb2, time_control_service_pb2, time_service_pb2

MAX_RECEIVE_BYTES: Final = 1 << 20
MAX_SEND_BYTES: Final = 16 << 20
MAX_METADATA_BYTES: Final = 16 << 10
MAX_CONNECTIONS: Final = 2**31 - 2
"""The most connections that gRPC's core can be told; one more aborts the process."""
MAX_STREAMS: Final = 1_000
"""Calls under way on one connection; a client's library holds others back, and what comes all the same is refused."""
PENDING: Final = 20_000
"""Calls that have arrived and that no handler has taken yet: twice a crowd of 10 000 that comes back at once."""
HANDSHAKE_S: Final = 15
"""From a connection until TLS is agreed on and the first settings of HTTP/2 are here."""
ENDING_S: Final = 2.0
"""The most that is waited for streams of commands to end, before gRPC turns away new calls."""
IDLE_LOOK_S: Final = 0.1
IDLE_LOOKS: Final = 5
"""Looks in a row that must find no call under way before the rest is cut off; calls on their way to a handler get
that long to arrive."""

SESSION_SERVICE: Final[ServiceDescriptor] = session_service_pb2.DESCRIPTOR.services_by_name["SessionService"]
TIME_SERVICE: Final[ServiceDescriptor] = time_service_pb2.DESCRIPTOR.services_by_name["TimeService"]
TIME_CONTROL_SERVICE: Final[ServiceDescriptor] = time_control_service_pb2.DESCRIPTOR.services_by_name[
    "TimeControlService"
]
DISK: Final = "synckairos.store.disk"
"""The health entry of the disk that Redis' log is on."""
AUDIT_SERVICE: Final[ServiceDescriptor] = audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"]


def server_options(*, reuse_port: bool, most_connections: int = MAX_CONNECTIONS) -> Sequence[tuple[str, int]]:
    """Return the channel options of every server; times in ms, sizes in bytes."""
    return (
        ("grpc.max_allowed_incoming_connections", most_connections),  # what comes beyond is closed at once
        ("grpc.server_handshake_timeout_ms", 1_000 * HANDSHAKE_S),
        ("grpc.so_reuseport", int(reuse_port)),  # two servers must not share a port unless told to
        ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
        ("grpc.max_send_message_length", MAX_SEND_BYTES),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # The one that counts in grpcio 1.85: without it an unanswered ping is waited for for a minute.
        ("grpc.http2.ping_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Clients in browsers and phones ping once a second; what is quicker than this is sent away.
        ("grpc.http2.min_ping_interval_without_data_ms", 500),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.max_connection_idle_ms", 900_000),
        ("grpc.max_connection_age_ms", 1_800_000),
        ("grpc.max_connection_age_grace_ms", 60_000),
        ("grpc.max_concurrent_streams", MAX_STREAMS),
        # Beyond the defaults (1 000 and 3 000) a burst of new streams is answered CANCELLED at random.
        ("grpc.server.max_pending_requests", PENDING),
        ("grpc.server.max_pending_requests_hard_limit", PENDING),
    )


def method_handlers(service: ServiceDescriptor, servicers: Sequence[object]) -> dict[str, Any]:
    """Return the handlers of every method of a service, each found on one of the servicers.

    Unreadable requests reach the interceptor; streams, and calls with long replies, answer with encoded bytes.
    """
    handlers: dict[str, Any] = {}
    for method in service.methods:
        behaviour = next(found for servicer in servicers if (found := getattr(servicer, method.name, None)))
        deserialize = reader(GetMessageClass(method.input_type))
        if method.client_streaming:
            handlers[method.name] = grpc.stream_stream_rpc_method_handler(behaviour, request_deserializer=deserialize)
        elif method.server_streaming:
            handlers[method.name] = grpc.unary_stream_rpc_method_handler(behaviour, request_deserializer=deserialize)
        else:
            handlers[method.name] = grpc.unary_unary_rpc_method_handler(
                behaviour,
                request_deserializer=deserialize,
                response_serializer=_encoded,
            )
    return handlers


def answering_handlers(
    services: Mapping[ServiceDescriptor, Sequence[object]], calls: CallInterceptor
) -> dict[str, Handler]:
    """Return the wrapped handlers of all methods by their full names, to be called without the interceptor."""
    return {
        (path := f"/{service.full_name}/{name}"): calls.behind_turnstile(path, handler)
        for service, servicers in services.items()
        for name, handler in method_handlers(service, servicers).items()
    }


def _encoded(reply: Message | bytes) -> bytes:
    return reply if isinstance(reply, bytes) else reply.SerializeToString()


class Health:
    """grpc.health.v1 for the server as a whole and for each service.

    Readiness depends on the store. The audit trail has an entry of its own, so that its loss takes no server out.
    """

    def __init__(self, on_change: Callable[[bool], None] = lambda _: None) -> None:
        """`on_change` hears whether sessions are served, whenever that changes."""
        self._servicer = health.aio.HealthServicer()
        self._on_change = on_change
        self.is_serving = False
        """What was last said of sessions; False from `drain` on."""
        self._is_draining = False

    def add_to(self, server: grpc.aio.Server) -> None:
        """Add this service to a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set(self, *, is_ready: bool) -> None:
        """Report whether sessions are served; time controls always are."""
        self._say(is_ready and not self._is_draining)
        for name in ("", SESSION_SERVICE.full_name, TIME_SERVICE.full_name):
            await self._servicer.set(name, _status(is_ready=is_ready))
        await self._servicer.set(TIME_CONTROL_SERVICE.full_name, _status(is_ready=True))

    async def set_audit(self, *, is_ready: bool) -> None:
        """Report whether the audit trail can be read."""
        await self._servicer.set(AUDIT_SERVICE.full_name, _status(is_ready=is_ready))

    async def set_disk(self, *, is_ready: bool) -> None:
        """Report whether the store's log keeps up; that takes no server out either: all share the store."""
        await self._servicer.set(DISK, _status(is_ready=is_ready))

    async def drain(self) -> None:
        """Report NOT_SERVING from now on; later reports are ignored."""
        self._is_draining = True
        self._say(False)
        await self._servicer.enter_graceful_shutdown()

    def _say(self, is_serving: bool) -> None:
        if is_serving != self.is_serving:
            self.is_serving = is_serving
            self._on_change(is_serving)


def _status(*, is_ready: bool) -> health_pb2.HealthCheckResponse.ServingStatus:
    return health_pb2.HealthCheckResponse.SERVING if is_ready else health_pb2.HealthCheckResponse.NOT_SERVING


def build_server(
    services: Mapping[ServiceDescriptor, Sequence[object]],
    calls: CallInterceptor,
    health_service: Health,
    *,
    reuse_port: bool = False,
    most_connections: int = MAX_CONNECTIONS,
    may_be_lean: bool = True,
    has_reflection: bool = True,
) -> grpc.aio.Server:
    """Return a server with these services, health and reflection; it is not started.

    It is a LeanServer if it may be and this grpcio allows it. Raises ScopeUndecidedError.
    """
    require_scopes(services)
    options = server_options(reuse_port=reuse_port, most_connections=most_connections)
    handlers = {service.full_name: method_handlers(service, servicers) for service, servicers in services.items()}
    unary = {
        (name := f"/{service}/{method}"): calls.behind_turnstile(name, handler)
        for service, methods in handlers.items()
        for method, handler in methods.items()
        if handler.unary_unary is not None
    }
    entry = None if calls.turnstile is None else Entry(calls.turnstile, calls.told)
    server = lean_server(unary, [calls], options, entry) if may_be_lean else None
    if server is None:
        server = grpc.aio.server(interceptors=[calls], options=options)
    for name, methods in handlers.items():
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
    health_service.add_to(server)
    if not has_reflection:
        return server
    names = [service.full_name for service in services]
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    return server


async def stop_server(
    server: grpc.aio.Server,
    under_way: Callable[[], int],
    grace_s: float,
    streams_ended: Awaitable[object] | None = None,
) -> None:
    """Accept no more calls, let those under way finish within the grace (seconds), and cut off the rest.

    It first waits for `streams_ended`, no longer than calls can spare of the grace. `under_way` counts the calls begun
    whose answers are not sent yet. While it closes, gRPC sometimes accepts a call that no handler ever gets, and would
    wait for it until the client's deadline, as it would for streams that watch health. These end (UNAVAILABLE) half a
    second after the last counted call.
    """
    until = time.monotonic() + grace_s
    if streams_ended is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(ENDING_S, grace_s / 2)):
                await streams_ended
    stopping = asyncio.ensure_future(server.stop(max(0.0, until - time.monotonic())))
    idle = 0
    while not stopping.done():
        await asyncio.wait([stopping], timeout=IDLE_LOOK_S)
        idle = 0 if under_way() else idle + 1
        if idle == IDLE_LOOKS:
            await server.stop(None)
    await stopping
