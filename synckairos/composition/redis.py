"""Redis as the settings describe it: the one place where connections and the store are put together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from synckairos.adapters.ids import new_change_id
from synckairos.adapters.redis.clock import EstimatedClock
from synckairos.adapters.redis.cluster.clock import ClusterClock
from synckairos.adapters.redis.cluster.connections import ClusterConnections
from synckairos.adapters.redis.cluster.feed import ClusterFeed
from synckairos.adapters.redis.cluster.identity import ClusterIdentityGuard
from synckairos.adapters.redis.cluster.recovery_identity import ClusterRecoveryGuard
from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.feed import RedisFeed
from synckairos.adapters.redis.identity import StoreIdentityGuard
from synckairos.adapters.redis.indexes import RedisSessionIndex
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.recovery_identity import RecoveryGuard
from synckairos.adapters.redis.store import RedisSessionStore
from synckairos.adapters.redis.store.durability import DurabilityRules
from synckairos.adapters.redis.store.writes import CommitWriter
from synckairos.application.observers import StoreObserver
from synckairos.application.tracing import Tracing
from synckairos.redis_urls import cluster_url
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
    url = settings.redis_url.get_secret_value()
    kind = RedisConnections if cluster_url(url) is None else ClusterConnections
    connections = kind(
        url,
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


def store_guard(redis: Redis) -> StoreIdentityGuard:
    """Return the guard of the store's name."""
    if isinstance(redis.connections, ClusterConnections):
        return ClusterIdentityGuard(redis.connections, redis.keys, new_change_id)
    return StoreIdentityGuard(*redis, new_change_id)


def recovery_guard(redis: Redis) -> RecoveryGuard | ClusterRecoveryGuard:
    """Return the guard of a process that recovers what the store has lost."""
    if isinstance(redis.connections, ClusterConnections):
        return ClusterRecoveryGuard(redis.connections, redis.keys, new_change_id)
    return RecoveryGuard(*redis, new_change_id)


def store_clock(redis: Redis, on_step_back: Callable[[], None] = lambda: None) -> EstimatedClock:
    """Return the estimate of the store's clock."""
    if isinstance(redis.connections, ClusterConnections):
        return ClusterClock(redis.connections, on_step_back=on_step_back)
    return EstimatedClock(on_step_back=on_step_back)


def on_return(redis: Redis, guard: StoreIdentityGuard, listener: Callable[[], None]) -> None:
    """Call the listener whenever the store, or a part of it, can probably be used again."""
    guard.on_change(lambda is_ready: listener() if is_ready else None)
    if isinstance(redis.connections, ClusterConnections):
        redis.connections.topology.on_change(listener)


def session_feed(settings: Settings, redis: Redis) -> RedisFeed | ClusterFeed:
    """Return the feed of hints."""
    timeout_s = settings.redis_timeout_s
    if isinstance(redis.connections, ClusterConnections):
        return ClusterFeed(redis.connections, redis.keys, connect_timeout_s=timeout_s)
    return RedisFeed(settings.redis_url.get_secret_value(), *redis, connect_timeout_s=timeout_s)


def session_index(redis: Redis, guard: StoreIdentityGuard) -> RedisSessionIndex:
    """Return the index of sessions, whose pages are confirmed by the guard."""
    if isinstance(guard, ClusterIdentityGuard):
        return RedisSessionIndex(*redis, guard.confirm_all, is_cluster=True)
    return RedisSessionIndex(*redis, guard.confirm)


def session_store(
    settings: Settings,
    redis: Redis,
    guard: StoreIdentityGuard,
    clock: EstimatedClock,
    observer: StoreObserver,
    tracing: Tracing | None = None,
) -> RedisSessionStore:
    """Put the store of sessions together."""
    writer = CommitWriter(
        settings.lifetimes,
        event_window=settings.event_window,
        request_ttl_ms=settings.request_ttl_s * 1_000,
        is_cluster=isinstance(redis.connections, ClusterConnections),
    )
    durability = DurabilityRules(settings.least_durability, settings.durability_timeout_ms)
    return RedisSessionStore(redis.connections, redis.keys, guard, writer, clock, observer, tracing, durability)
