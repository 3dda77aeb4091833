"""Whatever bytes stand in an entry of an outbox: it alone is set aside, and its neighbours reach the trail."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import msgspec.msgpack
import pytest
from redis import Redis

from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.trail.reader import PostgresAuditReader
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail
from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.counters import RedisDrainCounters
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.outbox import RedisDeadEntries, RedisOutbox
from synckairos.adapters.redis.values.codec import HEAD_BYTES
from synckairos.application.pipeline.draining import Drain
from synckairos.application.trail.audit import EventQuery
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.rpc.audit.mapping import audited_event
from testing.harness.audit_histories import recorded
from testing.harness.builders import Game, per_group
from testing.harness.fakes.outbox_fields import fields_of
from testing.harness.processes.audit_databases import audit_database, emptied
from tests.contract.decisions import new_id

PARTITION = 3
ALL = 1_000
DEEP = b"\x91" * 5_000 + b"\xc0"
"""A msgpack list in a list in a list, further down than Python goes."""
STRANGE: tuple[Any, ...] = (2**64 - 1, 2**63, -1, 1.5, True, None, "x", b"x", [], [[]], {"a": 1})


class Pipeline:
    """A drain between an outbox and a trail of its own, with its counters and dead entries."""

    def __init__(self, connections: RedisConnections, redis: Redis, database: Database) -> None:
        self._redis = redis
        self.keys = Keys(f"u{new_id()[:12]}")
        self.reader = PostgresAuditReader(database)
        self.outbox = RedisOutbox(connections, self.keys)
        self.dead = RedisDeadEntries(connections, self.keys)
        self.counters = RedisDrainCounters(connections, self.keys)
        self.drain = Drain(self.outbox, PostgresAuditTrail(database), self.counters, batch=50)

    def add(self, fields: dict[bytes, bytes]) -> None:
        """Put an entry into the outbox."""
        self._redis.xadd(self.keys.partitioned(PARTITION, "outbox"), fields)  # type: ignore[arg-type] # bytes are fine

    async def run(self) -> list[int]:
        """Drain; return what may hold more."""
        return await self.drain.run([PARTITION], time.monotonic() + 60)

    async def reasons(self) -> list[str]:
        """Return why entries were set aside."""
        return [one.reason for one in await self.dead.page(PARTITION, "", ALL)]


@pytest.fixture
async def pipeline(redis_server: RedisServer, postgres_server: PostgresServer) -> AsyncIterator[Pipeline]:
    """An empty pipeline."""
    connections = RedisConnections(redis_server.url)
    with Redis.from_url(redis_server.url) as redis:
        async with audit_database(postgres_server) as url, emptied(url) as database:
            yield Pipeline(connections, redis, database)
    await connections.close()


def entry() -> dict[bytes, bytes]:
    """Return the entry of the creation of a session that nothing else is about."""
    (record,) = recorded(Game(per_group()).events[:1], str(uuid4()), "")
    return dict(fields_of(record.event))


def parts_of(fields: dict[bytes, bytes]) -> tuple[bytes, bytes, bytes]:
    """Return the row of an entry's event, and the head and the body of its session."""
    size = int.from_bytes(fields[b"e"][:2], "big")
    session = fields[b"e"][2 + size :]
    return fields[b"e"][2 : 2 + size], session[:HEAD_BYTES], session[HEAD_BYTES:]


def with_parts(fields: dict[bytes, bytes], event: bytes, head: bytes, body: bytes) -> dict[bytes, bytes]:
    """Return the entry with these parts."""
    return fields | {b"e": len(event).to_bytes(2, "big") + event + head + body}


def distorted(value: Any) -> Iterator[Any]:
    """Yield a msgpack value with one of its parts, at any depth, replaced by each of the strange values."""
    yield from STRANGE
    if isinstance(value, list):
        for place, part in enumerate(value):
            for other in distorted(part):
                yield [*value[:place], other, *value[place + 1 :]]


def strange_entries() -> Iterator[dict[bytes, bytes]]:
    """Yield entries of which one value is not what it should be, and two of deeply nested values."""
    event, head, body = parts_of(entry())
    for other in distorted(msgspec.msgpack.decode(body)):
        yield with_parts(entry(), event, head, msgspec.msgpack.encode(other))
    for other in distorted(msgspec.msgpack.decode(event)):
        yield with_parts(entry(), msgspec.msgpack.encode(other), head, body)
    yield with_parts(entry(), event, head, DEEP)
    yield with_parts(entry(), DEEP, head, body)
    yield entry() | {b"c": b"9" * 10_000}


async def test_whatever_bytes_an_entry_holds_its_neighbours_are_written(pipeline: Pipeline) -> None:
    """Every strange entry is written or set aside, none stops the drain, and what is written can be shown."""
    strange = list(strange_entries())
    good = [entry() for _ in strange]
    for one, other in zip(good, strange, strict=True):
        pipeline.add(one)
        pipeline.add(other)

    left = await pipeline.run()

    backlog = await pipeline.outbox.backlog()
    totals = await pipeline.counters.totals()
    assert (left, backlog.length) == ([], 0)
    assert totals.written + backlog.dead == len(good) + len(strange)
    assert backlog.dead > len(strange) // 2
    for fields in (*good, *strange):
        found = await pipeline.reader.events(EventQuery(fields[b"s"].decode(), None, ALL))
        assert len(found) == 1 or fields in strange
        for one in found:
            assert audited_event(one).session.session_id == fields[b"s"].decode()


@pytest.mark.parametrize("part", ["event", "session"])
async def test_deeply_nested_values_are_set_aside(pipeline: Pipeline, part: str) -> None:
    """Some of them raise RecursionError, which is no ValueError."""
    event, head, body = parts_of(entry())
    pipeline.add(with_parts(entry(), DEEP if part == "event" else event, head, DEEP if part == "session" else body))

    assert await pipeline.run() == []
    assert len(await pipeline.reasons()) == 1


async def test_garbage_among_the_counters_stops_no_drain(pipeline: Pipeline, redis_server: RedisServer) -> None:
    """They cannot be counted up, nor read, and everything is written all the same."""
    with Redis.from_url(redis_server.url) as redis:
        garbage = dict.fromkeys(("batches", "written", "completed", "buried", "last_error", "oldest"), b"\xff")
        redis.hset(f"{pipeline.keys.prefix}:audit", mapping=garbage)
        for _ in range(120):
            pipeline.add(entry())
        pipeline.add({b"s": b"nobody"})

        left = await pipeline.run()
        totals = await pipeline.counters.totals()
        redis.set(f"{pipeline.keys.prefix}:audit", b"no hash")
        pipeline.add(entry())
        left += await pipeline.run()
        without = await pipeline.counters.totals()

    backlog = await pipeline.outbox.backlog()
    assert (left, backlog.length, backlog.dead) == ([], 0, 1)
    assert (totals.written, totals.completed) == (0, 0)
    assert without.last_error
