"""What serves sessions from Redis: the store, the use cases, the sweep and the streams, not running yet."""

from typing import NamedTuple

from synckairos.adapters.ids import new_change_id, new_session_id
from synckairos.adapters.redis.clock import EstimatedClock
from synckairos.adapters.redis.cluster.feed import ClusterFeed
from synckairos.adapters.redis.durability import RedisDurability
from synckairos.adapters.redis.feed import RedisFeed
from synckairos.adapters.redis.identity import StoreIdentityGuard
from synckairos.adapters.redis.indexes import RedisDeadlineIndex
from synckairos.adapters.redis.store import RedisSessionStore
from synckairos.application.admission.allowances import Allowances
from synckairos.application.background import Background
from synckairos.application.expiry import Sweep
from synckairos.application.listing import Listing
from synckairos.application.pipeline.backlog import BacklogLimit
from synckairos.application.sessions import Sessions
from synckairos.application.streams.watching import Watching
from synckairos.application.tracing import Tracing
from synckairos.composition.redis import (
    Redis,
    on_return,
    session_feed,
    session_index,
    session_store,
    store_clock,
    store_guard,
)
from synckairos.settings import Settings
from synckairos.telemetry import Metrics


class SessionParts(NamedTuple):
    """The parts; nothing is connected yet, and the owner stops the sweep and the watching."""

    redis: Redis
    clock: EstimatedClock
    guard: StoreIdentityGuard
    durability: RedisDurability
    store: RedisSessionStore
    feed: RedisFeed | ClusterFeed
    limit: BacklogLimit
    sessions: Sessions
    listing: Listing
    watching: Watching
    sweep: Sweep


def session_parts(
    settings: Settings,
    redis: Redis,
    allowances: Allowances | None,
    background: Background,
    metrics: Metrics,
    tracing: Tracing | None,
) -> SessionParts:
    """Put the parts together."""
    clock = store_clock(redis, metrics.clock_step_back)
    guard, durability = store_guard(redis), RedisDurability(*redis)
    store = session_store(settings, redis, guard, clock, metrics, tracing)
    limit, lifetimes = BacklogLimit(metrics), settings.lifetimes
    sessions = Sessions(store, lifetimes, new_change_id, new_session_id, limit.require, allowances, durability.lacks)
    sweep = Sweep(store, RedisDeadlineIndex(*redis, lifetimes), clock, lifetimes, new_change_id, metrics)
    feed = session_feed(settings, redis)
    store.on_commit(sweep.note_commit)
    on_return(redis, guard, sweep.wake)
    return SessionParts(
        redis=redis,
        clock=clock,
        guard=guard,
        durability=durability,
        store=store,
        feed=feed,
        limit=limit,
        sessions=sessions,
        listing=Listing(sessions, session_index(redis, guard)),
        watching=Watching(sessions, feed, clock, metrics, guard.require, background),
        sweep=sweep,
    )
