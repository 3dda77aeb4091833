"""The primary truth in Redis: one transaction per change, in two round trips, shared by calls that arrive together.

Callers of one process queue per session (it removes the livelock of many WATCHes on one key); WATCH guards against
other processes, and correctness rests on WATCH alone.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from synckairos.adapters.redis.clock import EstimatedClock
from synckairos.adapters.redis.cluster.clock import ClusterClock
from synckairos.adapters.redis.cluster.connections import ClusterConnections
from synckairos.adapters.redis.cluster.identity import ClusterIdentityGuard
from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.connections.replies import checked
from synckairos.adapters.redis.identity import StoreIdentityGuard
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.store.cluster_readings import ClusterReadings
from synckairos.adapters.redis.store.durability import DurabilityRules
from synckairos.adapters.redis.store.queues import Call
from synckairos.adapters.redis.store.readings import Readings, entry, read_event
from synckairos.adapters.redis.store.scheduler import Scheduler
from synckairos.adapters.redis.store.traced import traced
from synckairos.adapters.redis.store.transaction import CommitListener, Transactions
from synckairos.adapters.redis.store.writes import CommitWriter
from synckairos.application.observers import StoreObserver
from synckairos.application.ports import Decide, Reading, Receipt, Request, ResultT
from synckairos.application.tracing import Tracing
from synckairos.domain.events import Event


class RedisSessionStore:
    """Sessions in Redis, behind WATCH/MULTI."""

    def __init__(
        self,
        connections: RedisConnections,
        keys: Keys,
        guard: StoreIdentityGuard,
        writer: CommitWriter,
        clock: EstimatedClock,
        observer: StoreObserver,
        tracing: Tracing | None = None,
        durability: DurabilityRules | None = None,
    ) -> None:
        """Without `durability` changes are answered once they are in memory, but for sessions that ask for more."""
        rules = durability or DurabilityRules()
        self._connections = connections
        self._keys = keys
        self._guard = guard
        self._clock = clock
        is_cluster = isinstance(connections, ClusterConnections)
        if isinstance(connections, ClusterConnections) and isinstance(guard, ClusterIdentityGuard):
            self._readings: Readings = ClusterReadings(connections, guard, keys, clock, writer.decoded)
        else:
            self._readings = Readings(connections, guard, keys, clock, writer.decoded)
        self._transactions = Transactions(connections, guard, writer, clock, observer, rules)
        self._tracing = tracing
        run = self._transactions.run if tracing is None else traced(self._transactions.run, tracing)
        self._scheduler = Scheduler(keys, guard, run, observer, is_durable=bool(rules.least), is_cluster=is_cluster)

    def on_commit(self, listener: CommitListener) -> None:
        """Call the listener with (session id, next boundary in ms or None) after every commit of this process."""
        self._transactions.listeners.append(listener)

    def on_unmet(self, listener: Callable[[str], None]) -> None:
        """Call the listener with the id of a session whose settlement was not as durable as asked in time."""
        self._transactions.unmet_listeners.append(listener)

    async def read(self, session_ids: Sequence[str]) -> list[Reading]:
        """Return the sessions in the order asked; raises StoreUnavailable."""
        self._guard.require()
        found = await self._readings.of(session_ids)
        if any(reading.session is None and reading.problem is None for reading in found):
            await self._guard.confirm()
        return found

    async def now_us(self) -> int:
        """Return the authority's time in microseconds since 1970; raises StoreUnavailable."""
        self._guard.require()
        if isinstance(self._clock, ClusterClock):
            return await self._clock.look()
        async with self._connections.lease([("TIME",)]) as (lease, replies):
            pass
        return self._clock.read(checked(replies)[0], lease.lent_s)

    async def event_at(self, session_id: str, version: int) -> Event | None:
        """Return the event that led to a version, None if it has left the window; raises StoreUnavailable."""
        (reply,) = await self._connections.look([entry(self._keys.of(session_id), version)])
        return read_event(session_id, reply)

    def transact(
        self,
        session_id: str,
        request: Request,
        decide: Decide[ResultT],
        until: float,
        *,
        is_due: bool = False,
        receipt: Receipt | None = None,
    ) -> Coroutine[Any, Any, ResultT]:
        """Commit what `decide` wants stored, retrying on conflict until `until` (monotonic seconds); return its result.

        That is once it is as durable as asked; `receipt` is told what was reached. `is_due` says that it only settles
        what is due: that waits for no other call, nor until it is durable.
        Raises StoreUnavailable, OutcomeUnknown, Contention, whatever `decide` raises, and CommitBroken.
        """
        self._guard.require()
        if self._tracing is not None and not is_due and (trace := self._tracing.current()):
            request = request._replace(trace=trace)
        return self._scheduler.submit(session_id, Call(request, decide, until, is_due=is_due, receipt=receipt))
