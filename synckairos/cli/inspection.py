"""Looking at a server and at the store from outside."""

import json
from collections.abc import Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synckairos.adapters.redis.cluster.identity import ClusterIdentityGuard
from synckairos.adapters.redis.identity import Origin, StoreIdentity
from synckairos.adapters.redis.values import codec
from synckairos.composition.redis import CLIENT_NAME, opened_redis, store_guard
from synckairos.domain.events import Event
from synckairos.settings import Settings


class InspectionError(Exception):
    """What was asked about is not there, or cannot be read."""


async def health(address: str, service: str, timeout_s: float, credentials: grpc.ChannelCredentials | None) -> str:
    """Return the health status of a server or of one of its services, UNREACHABLE if it does not answer."""
    encrypted = grpc.aio.secure_channel(address, credentials) if credentials is not None else None
    async with encrypted or grpc.aio.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            reply = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return "SERVICE_UNKNOWN"
            return "UNREACHABLE"
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))


async def inspect(settings: Settings, session_id: str) -> str:
    """Return what the store holds of a session, by its qualified id, as indented JSON; raises InspectionError."""
    async with opened_redis(settings, CLIENT_NAME, limit=1) as redis:
        keys = redis.keys.of(session_id)
        encoded, ttl, entries, score = await redis.connections.run(
            [
                ("GET", keys.session),
                ("PTTL", keys.session),
                ("XRANGE", keys.events, "-", "+"),
                ("ZSCORE", keys.deadlines, session_id),
            ]
        )
    if encoded is None:
        raise InspectionError(f"there is no session {session_id} in the store")
    session = codec.decode_session(session_id, encoded)
    events = [codec.decode_event(session.session_id, fields[1]) for _, fields in entries]
    found = {
        "key": keys.session,
        "bytes": len(encoded),
        "expires_in_ms": ttl,
        "next_boundary": None if score is None else int(float(score)),
        "session": plain(session),
        "events": [_plain_event(event) for event in events],
    }
    return json.dumps(found, indent=2)


def _plain_event(event: Event) -> dict[str, str | int | None]:
    session = event.session
    return {
        "version": session.version,
        "type": event.type.name,
        "cause": event.cause.name,
        "actor": event.author.actor,
        "on_behalf_of": event.author.on_behalf_of,
        "reason": event.author.reason,
        "change_id": session.change_id,
        "occurred_at": session.updated_at,
        "fired_at": event.fired_at,
    }


def plain(value: Any) -> Any:  # noqa: ANN401 - any part of a session
    """Turn nested values into what JSON has; enums by name, bytes as hexadecimal digits."""
    if hasattr(value, "_asdict"):
        return {name: plain(part) for name, part in value._asdict().items()}
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    if isinstance(value, bytes):
        return value.hex()
    return getattr(value, "name", value)


async def init_store(settings: Settings, partitions: Sequence[int] = ()) -> StoreIdentity:
    """Give the store a new name on the operator's word, or partitions of a cluster that they have lost.

    Raises InspectionError, StoreUnavailable.
    """
    async with opened_redis(settings, CLIENT_NAME, limit=1) as redis:
        guard = store_guard(redis)
        if not partitions:
            return await guard.init(Origin.INIT)
        if not isinstance(guard, ClusterIdentityGuard):
            raise InspectionError("only a cluster loses single partitions: leave out --partition")
        return await guard.init_parts(partitions)


async def store_identity(settings: Settings) -> StoreIdentity | None:
    """Return the store's name, None if it has none."""
    async with opened_redis(settings, CLIENT_NAME, limit=1) as redis:
        return await store_guard(redis).identity()
