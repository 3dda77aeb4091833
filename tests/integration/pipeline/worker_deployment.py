"""A real Dramatiq worker of the test's own process on real outboxes; the trail is a double that fails as told."""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import dramatiq
from redis import Redis

from synckairos.adapters.dramatiq.actor import declare_actor, middleware
from synckairos.adapters.dramatiq.bell import DramatiqBell, Marks
from synckairos.adapters.dramatiq.broker import DoorbellQueue, open_broker
from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.counters import RedisDrainCounters
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.outbox import RedisOutbox
from synckairos.application.pipeline.drain_work import DrainWork
from synckairos.application.pipeline.draining import Drain
from synckairos.application.trail.audit import AuditRecord, Written
from synckairos.devstack import RedisServer
from synckairos.domain.events import Event
from testing.harness.fakes.fake_audit_trail import FakeAuditTrail
from testing.harness.fakes.outbox_fields import fields_of
from tests.contract.decisions import new_id

DATABASE = 14
PARTITION = 7


class HookedTrail(FakeAuditTrail):
    """Calls `before` ahead of every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], None] = lambda: None

    async def write(self, records: Sequence[AuditRecord]) -> Written:
        """Write as the fake does."""
        self.before()
        return await super().write(records)


class WorkerDeployment:
    """One worker, with keys of its own in the broker and the store."""

    def __init__(self, redis: RedisServer) -> None:
        self.prefix = f"a{new_id()[:8]}"
        self.keys = Keys(self.prefix)
        self.store_url = redis.url
        self.broker_url = redis.url.removesuffix("/0") + f"/{DATABASE}"
        self.store = Redis.from_url(redis.url)
        self.broker = open_broker(self.broker_url, timeout_s=1)
        self.queue = DoorbellQueue(self.broker, self.prefix)
        self.marks = Marks(self.broker, self.prefix)
        self.trail = HookedTrail()
        self.alerts: list[tuple[str, str]] = []
        self.open_error: Exception | None = None

    def commit(self, *events: Event) -> None:
        """Put events into the outbox."""
        for event in events:
            self.store.xadd(self.keys.partitioned(PARTITION, "outbox"), dict(fields_of(event)))

    def ring(self, *partitions: int) -> list[int]:
        """Ring as a server does; return the partitions a message left for."""
        taken = self.marks.ring(partitions or (PARTITION,))
        if taken:
            self.queue.send(taken)
        return taken

    def length(self) -> int:
        """Return how many entries wait."""
        return int(self.store.xlen(self.keys.partitioned(PARTITION, "outbox")))

    def mark_ms(self) -> int:
        """Return for how long the partition is not rung for again; -2 if it is not marked."""
        return int(self.broker.client.pttl(f"{self.prefix}:rung:{PARTITION}"))

    def totals(self) -> dict[str, str]:
        """Return what the counters say."""
        return {name.decode(): value.decode() for name, value in self.store.hgetall(f"{self.prefix}:audit").items()}

    @asynccontextmanager
    async def open_work(self) -> AsyncIterator[DrainWork]:
        """Compose the work of a worker."""
        if self.open_error is not None:
            raise self.open_error
        connections = RedisConnections(self.store_url)
        bell = DramatiqBell(open_broker(self.broker_url, timeout_s=1), self.prefix)
        counters = RedisDrainCounters(connections, self.keys)
        drain = Drain(RedisOutbox(connections, self.keys), self.trail, counters, batch=10)
        yield DrainWork(drain, counters, bell, limit_s=30)
        await bell.close()
        await connections.close()

    def worker(self) -> dramatiq.Worker:
        """Return a worker that is not started."""
        chain, loop = middleware(self.prefix, self.open_work, lambda what, why: self.alerts.append((what, why)))
        broker = open_broker(self.broker_url, chain, timeout_s=1)
        declare_actor(broker, self.prefix, loop)
        return dramatiq.Worker(broker, worker_threads=2, worker_timeout=50)

    @contextmanager
    def working(self) -> Iterator[dramatiq.Worker]:
        """Let a worker work."""
        worker = self.worker()
        worker.start()
        try:
            yield worker
        finally:
            worker.stop()
            worker.broker.client.close()  # type: ignore[attr-defined] # it is a RedisBroker


def until(condition: Callable[[], object], seconds: float = 15) -> None:
    """Wait until the condition holds."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "not in time"
        time.sleep(0.01)  # the wait on a condition with a deadline
