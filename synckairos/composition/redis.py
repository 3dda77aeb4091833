"""Redis as the settings describe it: the one place where connections and the store are put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from synckairos.adapters.redis.clock import EstimatedClock
from synckairos.adapters.redis.connections import RedisConnections
from synckairos.adapters.redis.identity import StoreIdentityGuard
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.store import RedisSessionStore
from synckairos.adapters.redis.store.writes import CommitWriter
from synckairos.application.observers import StoreObserver
from synckairos.settings import Settings

CLIENT_NAME: Final = "synckairos-cli"
"""How a command of the operator's shows in CLIENT LIST."""


class Redis(NamedTuple):
    """Connections, and the keys they are used for."""

    connections: RedisConnections
    keys: Keys


@asynccontextmanager
async def opened_redis(
    settings: Settings, name: str, *, limit: int | None = None, patience_s: float = 0.0
) -> AsyncIterator[Redis]:
    """Open Redis while the body runs; nothing is connected before it is used.

    `name` is shown in CLIENT LIST; `limit` bounds the connections, by default as the settings do; an exchange, and the
    wait for a free connection, may take `patience_s` where that is more than the settings allow.
    """
    wait_s = max(settings.redis_timeout_s, patience_s)
    connections = RedisConnections(
        settings.redis_url.get_secret_value(),
        limit=limit or settings.redis_max_connections,
        wait_s=wait_s,
        connect_timeout_s=settings.redis_timeout_s,
        exchange_timeout_s=wait_s,
        name=name,
    )
    try:
        yield Redis(connections, Keys(settings.redis_prefix))
    finally:
        await connections.close()


def session_store(
    settings: Settings, redis: Redis, guard: StoreIdentityGuard, clock: EstimatedClock, observer: StoreObserver
) -> RedisSessionStore:
    """Put the store of sessions together."""
    writer = CommitWriter(
        settings.lifetimes, event_window=settings.event_window, request_ttl_ms=settings.request_ttl_s * 1_000
    )
    return RedisSessionStore(redis.connections, redis.keys, guard, writer, clock, observer)
