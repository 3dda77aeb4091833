"""The sweep ends and removes sessions in time, repairs the indexes, and survives outages of Redis."""

from itertools import islice
from typing import Any

import pytest
import structlog

from synckairos.adapters.redis.keys import PARTITIONS, partition_of
from synckairos.application.expiry import MAX_PER_PARTITION
from synckairos.application.ports import Request
from synckairos.devstack import RedisServer
from synckairos.domain.commands import AdjustTime, Complete, Switch
from synckairos.domain.model import DAY_MS, Session, Status
from synckairos.domain.timing import Lifetimes
from testing.harness.waiting import eventually
from tests.contract.backends import RedisBackend
from tests.contract.decisions import (
    ask,
    create,
    creating,
    deleted,
    new_id,
    running,
    stored,
    until,
)
from tests.contract.lines import Line, broken_line, probing
from tests.contract.store_process import StoreProcess, sweeping

NOBODY = Request()


@pytest.fixture
async def process(backend: RedisBackend) -> StoreProcess:
    """A process."""
    return await backend.process()


async def passes(backend: RedisBackend, process: StoreProcess, ms: int) -> None:
    """Let time pass, and the process notice."""
    backend.clock.advance(ms)
    await process.store.now_us()


def keys_of(backend: RedisBackend, session_id: str) -> list[str]:
    """Return the kinds of the keys that are a session's own."""
    found = (key.decode() for key in backend.redis.scan_iter(f"{backend.prefix}:*{session_id}*", count=10_000))
    return sorted(key.split(":")[2] for key in found)


def indexed(backend: RedisBackend, process: StoreProcess, session_id: str) -> tuple[Any, int]:
    """Return a session's boundary in the index, None if there is none, and how many sessions its partition lists."""
    keys = process.keys.of(session_id)
    listed: Any = backend.redis.zcard(keys.live)
    return backend.redis.zscore(keys.deadlines, session_id), int(listed)


def ids_in(partition: int, count: int) -> list[str]:
    """Return ids of sessions that live in a partition."""
    return list(islice((one for one in (new_id() for _ in iter(int, 1)) if partition_of(one) == partition), count))


async def created_where_looks_begin(process: StoreProcess) -> Session:
    """Create a session in the partition that is re-checked first: the others would take their time."""
    (session_id,) = ids_in(0, 1)
    decision = creating(session_id)
    await process.store.transact(session_id, NOBODY, decision, until())
    return decision.session


async def test_an_ended_session_is_removed_after_its_time(backend: RedisBackend, process: StoreProcess) -> None:
    """Readable for an hour, then gone with events and index entries; what it answered is remembered as long as told."""
    session = await running(process.store)
    request = Request(new_id(), bytes(16))
    ended = await ask(process.store, session.session_id, Complete(), request)
    async with sweeping(process):
        await passes(backend, process, 3_599_000)
        still_there = await process.sessions.get(session.session_id)
        await passes(backend, process, 1_000)
        await eventually(lambda: keys_of(backend, session.session_id) == ["request"])

    assert still_there.session == ended
    assert await stored(process.store, session.session_id) is None
    assert indexed(backend, process, session.session_id) == (None, 0)
    assert len(backend.outgoing(session.session_id)) == ended.version
    assert process.observed.lateness_ms == []


async def test_a_session_that_expires_unattended_is_removed_in_the_end(
    backend: RedisBackend, process: StoreProcess
) -> None:
    """No call from its deadline to its removal: one event, then nothing is left."""
    session = await running(process.store)
    async with sweeping(process):
        await passes(backend, process, 600_000)
        await eventually(lambda: len(backend.outgoing(session.session_id)) == session.version + 1)
        await passes(backend, process, 3_600_000)
        await eventually(lambda: keys_of(backend, session.session_id) == [])

    assert backend.outgoing(session.session_id)[-1][0].session.status is Status.EXPIRED


async def test_the_keys_of_a_deleted_session_expire(backend: RedisBackend, process: StoreProcess) -> None:
    """Tombstone, events and requests each have their time; the indexes do not know the session any more."""
    session = await running(process.store)
    request = Request(new_id(), bytes(16))
    await ask(process.store, session.session_id, Switch(), request)
    await deleted(process.store, session.session_id)

    assert keys_of(backend, session.session_id) == ["events", "request", "session"]
    lives = [
        backend.lives_ms(kind, session.session_id, request.request_id) for kind in ("session", "events", "request")
    ]
    assert [0 < one <= limit for one, limit in zip(lives, (DAY_MS, 600_000, 3_600_000), strict=True)] == [True] * 3
    assert indexed(backend, process, session.session_id) == (None, 0)


async def test_a_session_that_nobody_looked_at_for_a_day_is_settled(
    backend: RedisBackend, process: StoreProcess
) -> None:
    """All servers were down for 26 hours: it ends as it would have, with its event, and nothing has vanished."""
    session = await running(process.store)
    await passes(backend, process, 26 * 3_600_000)
    async with sweeping(process):
        await eventually(lambda: len(backend.outgoing(session.session_id)) == session.version + 1)

    after = backend.outgoing(session.session_id)[-1][0].session
    assert (after.status, after.completed_at) == (Status.EXPIRED, session.updated_at + 600_000)
    assert backend.lives_ms("session", session.session_id) > 0


async def test_members_without_a_session_are_dropped(backend: RedisBackend, process: StoreProcess) -> None:
    """An entry whose session is gone would be due for ever: it is taken out, and others are not harmed."""
    session = await running(process.store)
    (missing,) = ids_in(63, 1)  # where the looks that re-check the index come last
    backend.redis.zadd(process.keys.of(missing).deadlines, {missing: backend.clock.ms - 5})
    async with sweeping(process):
        await eventually(lambda: indexed(backend, process, missing)[0] is None)

    assert indexed(backend, process, session.session_id)[0] == session.updated_at + 600_000
    assert process.observed.failures == 0


async def test_a_lost_entry_is_restored_and_fires(backend: RedisBackend, process: StoreProcess) -> None:
    """A session that is missing from the deadlines is found by the looks at the index, and settled after all."""
    session = await created_where_looks_begin(process)
    backend.redis.zrem(process.keys.of(session.session_id).deadlines, session.session_id)
    await passes(backend, process, 7 * DAY_MS)
    async with sweeping(process):
        await eventually(lambda: len(backend.outgoing(session.session_id)) == 2)

    assert process.observed.repairs == 1
    assert backend.outgoing(session.session_id)[-1][0].session.status is Status.CANCELLED


async def test_an_entry_that_is_too_early_is_put_right(backend: RedisBackend, process: StoreProcess) -> None:
    """The session is looked at, nothing is due, and the index gets its boundary right; no event comes of it."""
    session = await created_where_looks_begin(process)
    backend.damage(session, deadline=backend.clock.ms - 5, is_live=True)
    async with sweeping(process):
        await eventually(lambda: process.observed.repairs == 1)

    assert indexed(backend, process, session.session_id)[0] == session.updated_at + 7 * DAY_MS
    assert len(backend.outgoing(session.session_id)) == session.version


async def test_a_crowded_partition_is_served_to_its_end(backend: RedisBackend, process: StoreProcess) -> None:
    """More sessions due in one partition than one look takes: the next look goes on."""
    ids = ids_in(3, MAX_PER_PARTITION + 40)
    for session_id in ids:
        await process.store.transact(session_id, NOBODY, creating(session_id), until())
    await passes(backend, process, 7 * DAY_MS)
    async with sweeping(process):
        await eventually(lambda: len(process.observed.lateness_ms) == len(ids), seconds=30)

    assert {backend.outgoing(one)[-1][0].session.status for one in ids[:3] + ids[-3:]} == {Status.CANCELLED}


async def test_an_unreadable_session_does_not_stop_the_others(backend: RedisBackend, process: StoreProcess) -> None:
    """Its failure is counted at every attempt; other due sessions are settled, and other entries repaired."""
    foreign, fine = await running(process.store), await running(process.store)
    backend.redis.set(process.keys.of(foreign.session_id).session, b"\x09 of a newer layout")
    await passes(backend, process, 600_000)
    async with sweeping(process):
        await eventually(lambda: len(backend.outgoing(fine.session_id)) == fine.version + 1)
        await eventually(lambda: process.observed.failures >= 3)

    assert backend.redis.get(process.keys.of(foreign.session_id).session) == b"\x09 of a newer layout"
    assert indexed(backend, process, foreign.session_id)[0] == foreign.updated_at + 600_000


async def test_unreadable_sessions_are_told_of_once(backend: RedisBackend, process: StoreProcess) -> None:
    """More of them than one look takes: no session behind them waits, and a look tries none of them again at once."""
    foreign = ids_in(3, MAX_PER_PARTITION + 20)
    keys = [process.keys.of(one) for one in foreign]
    for one in keys:
        backend.redis.set(one.session, b"\x09 of a newer layout")
        backend.redis.zadd(one.deadlines, {one.session.rsplit(":", 1)[1]: 1_000})
    (fine,) = ids_in(3, 1)
    await process.store.transact(fine, NOBODY, creating(fine), until())
    await passes(backend, process, 7 * DAY_MS)
    with structlog.testing.capture_logs() as logs:
        async with sweeping(process):
            await eventually(lambda: len(backend.outgoing(fine)) == 2, seconds=30)
            tried = process.observed.failures
            await eventually(lambda: process.observed.failures > tried + len(foreign), seconds=30)

    told = [line["session_id"] for line in logs if line["event"] == "session_unreadable"]
    assert sorted(told) == sorted(foreign)
    assert [line for line in logs if line["log_level"] == "error"] == []


async def test_bytes_that_are_no_entry_do_not_stop_the_sweep(backend: RedisBackend, process: StoreProcess) -> None:
    """Members that name no session, due at no time: passed over."""
    session = await running(process.store)
    deadlines = process.keys.of(session.session_id).deadlines
    backend.redis.zadd(deadlines, {b"\xff\xfe": 1, "neither": float("-inf"), b"\x80": float("inf")})
    await passes(backend, process, 600_000)
    async with sweeping(process):
        await eventually(lambda: len(backend.outgoing(session.session_id)) == session.version + 1)

    assert process.observed.failures == 0


async def test_sessions_of_a_newer_layout_alone_are_no_trouble(backend: RedisBackend, process: StoreProcess) -> None:
    """Their entries are the newer version's business, and to ask Redis for nothing is no trouble."""
    foreign = await running(process.store)
    backend.redis.set(process.keys.of(foreign.session_id).session, b"\x09 of a newer layout")

    repaired = [await process.deadlines.repair() for _ in range(2 * PARTITIONS)]

    assert sum(repaired) == 0
    process.guard.require()


async def test_an_index_of_the_wrong_type_does_not_end_the_sweep(backend: RedisBackend, process: StoreProcess) -> None:
    """A look that fails is counted, and the next one comes: once the index is right again, it goes on."""
    session = await running(process.store)
    index, aside = process.keys.of(session.session_id).deadlines, f"{backend.prefix}:aside"
    backend.redis.rename(index, aside)
    backend.redis.set(index, "no index")
    await passes(backend, process, 600_000)
    async with sweeping(process):
        await eventually(lambda: process.observed.failures >= 2)
        backend.redis.rename(aside, index)
        await eventually(lambda: len(backend.outgoing(session.session_id)) == session.version + 1)

    assert process.observed.lateness_ms == [0]


@pytest.mark.parametrize("fault", ["refuse", "blackhole"])
async def test_an_outage_does_not_end_the_sweep(redis_server: RedisServer, fault: str) -> None:
    """What falls due while Redis is away is settled as soon as it is back, stamped with its due instant."""
    async with (
        broken_line(redis_server, lifetimes=Lifetimes(idle_ms=300)) as line,
        probing(line.process),
        sweeping(line.process),
    ):
        session = await create(line.process.store)
        setattr(line.proxy, fault, True)
        line.proxy.cut()
        due = session.updated_at + 300
        await eventually(lambda: not line.process.guard.is_ready)
        await eventually(lambda: redis_ms(line) > due + 100)
        during = line.sent(session.session_id)
        setattr(line.proxy, fault, False)
        line.proxy.cut()
        await eventually(lambda: len(line.sent(session.session_id)) == 2)

    assert len(during) == 1
    event = line.sent(session.session_id)[-1]
    assert event.session.updated_at == due
    assert event.fired_at is not None
    assert event.fired_at > due + 100
    assert line.process.observed.lateness_ms == [event.fired_at - due]
    assert line.process.observed.failures == 0, "an outage is no failure of the sweep"


def redis_ms(line: Line) -> int:
    """Return Redis' time in ms."""
    now: Any = line.redis.time()
    return int(now[0]) * 1_000 + int(now[1]) // 1_000


async def test_a_server_that_cannot_reach_redis_does_not_keep_the_others_from_it(redis_server: RedisServer) -> None:
    """The writer is cut off: the other server settles on time, and the writer finds it settled when it is back."""
    async with (
        broken_line(redis_server) as line,
        probing(line.process),
        sweeping(line.process),
        sweeping(line.other),
    ):
        session: Session = await running(line.process.store)
        active = session.active_participant
        assert active is not None
        session = await ask(line.process.store, session.session_id, AdjustTime(active.participant_id, set_ms=400))
        line.proxy.refuse = True
        line.proxy.cut()
        await eventually(lambda: len(line.sent(session.session_id)) == session.version + 1)
        line.proxy.refuse = False
        await eventually(lambda: line.process.guard.is_ready)
        view = await line.process.sessions.get(session.session_id)

    assert view.session.status is Status.EXPIRED
    assert len(line.other.observed.lateness_ms) == 1
    assert line.other.observed.lateness_ms[0] < 200
    assert line.process.observed.lateness_ms == []
