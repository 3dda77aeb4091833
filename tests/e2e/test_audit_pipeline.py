"""From a call to a row: whole processes, and every change that was answered OK is in the trail once, whatever breaks.

Faults that make calls fail need a judge of what callers were told: tests/robustness has it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest
from redis.asyncio import Redis

from synckairos.adapters.redis.keys import PARTITIONS
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, new_id, two_players
from testing.harness.processes.databases import own_database
from testing.harness.processes.deployment import Deployment, fresh_deployment, seconds_until

CALLERS = 4
PAUSE_S = 0.02
"""Between the changes of one caller: what is changed while a worker starts has to be written and compared, too."""
CHANGES = 200
"""How many are answered between two faults."""
DRAIN_S = 90.0
EVENTS = 'SELECT *, session_id::text AS "session" FROM sync_events WHERE session_id = $1::text::uuid ORDER BY version'


class Version(NamedTuple):
    """The identity of a row for a caller."""

    session_id: str
    epoch: int
    version: int
    request_id: str


class Changes:
    """Callers that change sessions again and again; `answered` holds what each answer named."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses
        self._news = asyncio.Condition()
        self.answered: list[Version] = []
        self.is_over = False

    async def more(self, count: int = CHANGES) -> None:
        """Wait until this many more changes have been answered."""
        wanted = len(self.answered) + count
        async with self._news, asyncio.timeout(60):
            await self._news.wait_for(lambda: len(self.answered) >= wanted)

    async def call(self, place: int) -> None:
        """Start sessions and switch them, until all is over; no call may fail."""
        async with connect(self._addresses[place % len(self._addresses)]) as stub:
            while not self.is_over:
                session_id = new_id()
                await self._change(stub.CreateSession, two_players(session_id, request_id=new_id()))
                await self._change(stub.StartSession, pb.StartSessionRequest(session_id=session_id))
                for _ in range(10):
                    await self._change(stub.SwitchCycle, pb.SwitchCycleRequest(session_id=session_id))
                await self._change(stub.CompleteSession, pb.CompleteSessionRequest(session_id=session_id))

    async def _change(self, method: Any, request: Any) -> None:
        request.request_id = new_id()
        session = (await method(request)).session
        self.answered.append(Version(session.session_id, session.epoch, session.version, request.request_id))
        async with self._news:
            self._news.notify_all()
        await asyncio.sleep(PAUSE_S)


@asynccontextmanager
async def calling(deployment: Deployment) -> AsyncIterator[Changes]:
    """Make changes while the body runs."""
    changes = Changes(deployment.addresses)
    async with asyncio.TaskGroup() as callers:
        for place in range(CALLERS):
            callers.create_task(changes.call(place))
        yield changes
        changes.is_over = True


@asynccontextmanager
async def changing(deployment: Deployment) -> AsyncIterator[Changes]:
    """Make changes while the body runs, and check the trail afterwards."""
    async with calling(deployment) as changes:
        yield changes
    await assert_arrived(deployment, changes)


async def assert_arrived(deployment: Deployment, changes: Changes) -> None:
    """Check that the trail has every change that was answered, once, and nothing else."""
    await drained(deployment)
    rows = await deployment.query("SELECT session_id::text, epoch, version, request_id FROM sync_events")
    assert sorted(Version(*row.values()) for row in rows) == sorted(changes.answered)


async def drained(deployment: Deployment) -> None:
    """Wait until every event is in PostgreSQL."""
    try:
        await seconds_until(deployment.is_drained, DRAIN_S, "the outbox is empty")
    except AssertionError as error:
        raise AssertionError(deployment.workers[0].tail()) from error


async def queued(deployment: Deployment) -> int:
    """Return how many messages Dramatiq knows, those it has given up left out."""
    async with Redis.from_url(deployment.broker_url) as broker:
        return int(await broker.hlen("dramatiq:sk-audit.msgs")) + int(await broker.hlen("dramatiq:sk-audit.DQ.msgs"))


def start(deployment: Deployment) -> Deployment:
    """Start two servers and a worker."""
    servers = [deployment.spawn_server() for _ in range(2)]
    deployment.start_worker(log_level="info")
    for server in servers:
        server.await_answer("SERVING")
    return deployment


@pytest.fixture
async def deployment(
    own_redis: RedisServer, postgres_server: PostgresServer, server_directory: Path
) -> AsyncIterator[Deployment]:
    """Two servers and a worker, with a Redis and a database of their own."""
    async with own_database(postgres_server) as url:
        deployment = Deployment(server_directory, own_redis, postgres_server, url)
        await deployment.migrate()
        try:
            yield start(deployment)
        finally:
            await deployment.stop()


@pytest.fixture
async def stub(deployment: Deployment) -> AsyncIterator[Stub]:
    """A client of the first server."""
    async with connect(deployment.addresses[0]) as stub:
        yield stub


async def test_a_life_arrives_exactly(deployment: Deployment, stub: Stub) -> None:
    """Every event in order, with its kind, its author and the fields it changed; 0 is 0, not nothing."""
    ask = two_players(bank_ms=60_000, request_id="0b7e8f7e-0000-4000-8000-000000000001")
    session_id = ask.session_id
    await stub.CreateSession(ask, metadata=(("synckairos-actor", "ann"),))
    await stub.StartSession(pb.StartSessionRequest(session_id=session_id))
    async with connect(deployment.addresses[1]) as other:
        await other.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id))
    last = (await stub.CompleteSession(pb.CompleteSessionRequest(session_id=session_id))).session

    await drained(deployment)

    events = await deployment.query(EVENTS, session_id)
    assert [(row["version"], row["event_type"]) for row in events] == [
        (1, "session_created"),
        (2, "session_started"),
        (3, "cycle_switched"),
        (4, "session_completed"),
    ]
    assert {row["epoch"] for row in events} == {last.epoch}
    assert events[0]["request_id"] == ask.request_id
    assert all(row["peer"].startswith("ipv4:127.0.0.1") for row in events)
    assert list(events[0]["changed_fields"]) == []
    assert "status" in events[1]["changed_fields"]
    assert "participants" in events[2]["changed_fields"]
    assert events[2]["time_remaining_ms"] is not None
    (summary,) = await deployment.query("SELECT * FROM sync_sessions WHERE session_id = $1::text::uuid", session_id)
    assert (summary["version"], summary["total_participants"]) == (4, 2)


async def test_a_clock_that_ran_out_has_zero_left(deployment: Deployment, stub: Stub) -> None:
    """An expiry is in the trail with the instants at which it was due and a server acted; remaining is 0."""
    ask = two_players(bank_ms=1_000)
    await stub.CreateSession(ask)
    await stub.StartSession(pb.StartSessionRequest(session_id=ask.session_id))

    async def expiries() -> list[asyncpg.Record]:
        return [row for row in await deployment.query(EVENTS, ask.session_id) if row["fired_at"] is not None]

    async def has_expired() -> bool:
        return bool(await expiries())

    await seconds_until(has_expired, 30, "an expiry is in the trail")

    (row,) = await expiries()
    assert row["time_remaining_ms"] == 0
    assert row["cause"] == "deadline"
    assert row["fired_at"] >= row["timestamp"]
    assert row["lateness_ms"] == (row["fired_at"] - row["timestamp"]).total_seconds() * 1_000


async def test_the_worker_dies_with_work_in_hand(deployment: Deployment) -> None:
    """SIGKILL three times: what it had is done again, by itself after the next start."""
    (worker,) = deployment.workers

    async with changing(deployment) as changes:
        for _ in range(3):
            await changes.more()
            worker.kill()
            await asyncio.to_thread(worker.start)
        await changes.more()


async def test_postgres_is_away_for_a_while() -> None:
    """No call fails, health stays SERVING, few messages wait, and all drains without a restart of anything."""
    async with fresh_deployment() as deployment, changing(start(deployment)) as changes:
        await changes.more()
        await asyncio.to_thread(deployment.postgres.stop)
        await changes.more(3 * CHANGES)
        health = {server.health() for server in deployment.servers}
        messages, waiting = await queued(deployment), await deployment.outbox_length()
        await asyncio.to_thread(deployment.postgres.start)

    assert health == {"SERVING"}
    assert 0 < messages <= PARTITIONS
    assert waiting > 0


async def test_dramatiq_loses_everything(deployment: Deployment) -> None:
    """Its database is flushed again and again: messages and guards are gone, events are not."""
    async with changing(deployment) as changes, Redis.from_url(deployment.broker_url) as broker:
        for _ in range(4):
            await changes.more()
            await broker.flushdb()
        await changes.more()


async def test_a_worker_that_is_told_to_stop_ends_cleanly_under_load(deployment: Deployment) -> None:
    """SIGTERM: the exit code is 0, and the next worker goes on at once."""
    (worker,) = deployment.workers

    async with changing(deployment) as changes:
        await changes.more()
        exit_code = await asyncio.to_thread(worker.stop)
        await asyncio.to_thread(worker.start)
        await changes.more()

    assert exit_code == 0


async def test_a_worker_alone_takes_what_servers_left_behind(deployment: Deployment) -> None:
    """Events of servers that are gone, unknown to the broker, are found by the worker itself."""
    (worker,) = deployment.workers
    await asyncio.to_thread(worker.stop)
    async with calling(deployment) as changes:
        await changes.more()
    for server in deployment.servers:
        await asyncio.to_thread(server.stop)
    async with Redis.from_url(deployment.broker_url) as broker:
        await broker.flushdb()
    waiting = await deployment.outbox_length()

    await asyncio.to_thread(worker.start)

    assert waiting == len(changes.answered)
    await assert_arrived(deployment, changes)
