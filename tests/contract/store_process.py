"""What one server process has of the store: its own connections, queue, guard and clock, on shared data."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Self

from synckairos.adapters.ids import new_change_id, new_session_id
from synckairos.adapters.redis.cluster.connections import ClusterConnections
from synckairos.adapters.redis.cluster.feed import ClusterFeed
from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.feed import RedisFeed
from synckairos.adapters.redis.indexes import RedisDeadlineIndex, RedisSessionIndex
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.store import RedisSessionStore
from synckairos.adapters.redis.store.durability import DurabilityRules
from synckairos.adapters.redis.store.writes import CommitWriter
from synckairos.application.expiry import Sweep
from synckairos.application.sessions import Sessions
from synckairos.composition.redis import Redis, store_clock, store_guard
from synckairos.domain.timing import Lifetimes
from synckairos.redis_urls import cluster_url


@dataclass
class Observed:
    """Counts what the store and the sweep report."""

    conflicts: int = 0
    unknown: int = 0
    unmet: int = 0
    broken: int = 0
    steps_back: int = 0
    failures: int = 0
    repairs: int = 0
    lateness_ms: list[int] = field(default_factory=list)

    def conflict(self) -> None:
        """Another process won a race."""
        self.conflicts += 1

    def committed(self, calls: int) -> None:
        """Batches are not counted here."""

    def unknown_exec(self) -> None:
        """A connection broke during a commit."""
        self.unknown += 1

    def durability_unmet(self) -> None:
        """Changes were not durable in time."""
        self.unmet += 1

    def broken_commit(self) -> None:
        """A transaction was applied in part."""
        self.broken += 1

    def clock_step_back(self) -> None:
        """The clock stepped back."""
        self.steps_back += 1

    def fired(self, lateness_ms: int) -> None:
        """A boundary was settled."""
        self.lateness_ms.append(lateness_ms)

    def sweep_failed(self) -> None:
        """A look or a settlement failed."""
        self.failures += 1

    def repaired(self, entries: int) -> None:
        """Index entries were put right."""
        self.repairs += entries


class StoreProcess:
    """One process' share of the store; the connections given are closed with it."""

    def __init__(
        self,
        url: str,
        prefix: str,
        connections: RedisConnections | None = None,
        *,
        lifetimes: Lifetimes | None = None,
        event_window: int = 16,
        request_ttl_ms: int = 3_600_000,
        durability: DurabilityRules | None = None,
    ) -> None:
        self.lifetimes = lifetimes or Lifetimes()
        self.keys = Keys(prefix)
        self.observed = Observed()
        kind = RedisConnections if cluster_url(url) is None else ClusterConnections
        self.connections = connections or kind(url)
        redis = Redis(self.connections, self.keys)
        self.clock = store_clock(redis, self.observed.clock_step_back)
        self.guard = store_guard(redis)
        self.writer = CommitWriter(
            self.lifetimes,
            event_window=event_window,
            request_ttl_ms=request_ttl_ms,
            is_cluster=isinstance(self.connections, ClusterConnections),
        )
        self.store = RedisSessionStore(
            self.connections, self.keys, self.guard, self.writer, self.clock, self.observed, None, durability
        )
        self.sessions = Sessions(self.store, self.lifetimes, new_change_id, new_session_id)
        self.index = RedisSessionIndex(self.connections, self.keys)
        self.deadlines = RedisDeadlineIndex(self.connections, self.keys, self.lifetimes)
        self.feed = (
            ClusterFeed(self.connections, self.keys)
            if isinstance(self.connections, ClusterConnections)
            else RedisFeed(url, *redis)
        )

    async def __aenter__(self) -> Self:
        await self.guard.open(may_init=True)
        await self.store.now_us()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connections.close()


@contextlib.asynccontextmanager
async def sweeping(process: StoreProcess) -> AsyncIterator[Sweep]:
    """Let a process settle what falls due, as a server does."""
    sweep = Sweep(process.store, process.deadlines, process.clock, process.lifetimes, new_change_id, process.observed)
    process.store.on_commit(sweep.note_commit)
    task = asyncio.create_task(sweep.run())
    try:
        yield sweep
    finally:
        assert not task.done(), "the sweep has ended by itself"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await sweep.stop()
