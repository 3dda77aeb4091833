"""From a call to a row: whole processes, whatever dies or is away meanwhile; nothing is lost and nothing doubled."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from bench.audit_verdict import EVENTS, Verdict, judge
from bench.load import Load
from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer, RedisServer
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, two_players
from testing.harness.server_process import ServerProcess
from testing.harness.worker_process import WorkerProcess

MUTATIONS = 1_000
DRAIN_S = 90.0
CALLERS = 16
LOAD_S = 60.0
PASSING = {"UNAVAILABLE", "STORE_UNAVAILABLE", "OUTCOME_UNKNOWN", "DRAINING", "CONTENTION", "DEADLINE_EXCEEDED"}
"""What callers may be told while something is broken; anything else would be a wrong answer."""


@dataclass
class Deployment:
    """A Redis, a PostgreSQL, two servers and a worker of its own."""

    redis: RedisServer
    postgres: PostgresServer
    servers: list[ServerProcess]
    worker: WorkerProcess
    stubs: list[Stub] = field(default_factory=list)

    @property
    def broker_url(self) -> str:
        """Where Dramatiq keeps its messages, nobody having said otherwise."""
        return self.redis.url.removesuffix("0") + "1"

    async def waiting(self) -> int:
        """Return how many events are not in PostgreSQL."""
        async with Redis.from_url(self.redis.url) as redis, redis.pipeline(transaction=False) as pipe:
            for partition in range(PARTITIONS):
                pipe.xlen(Keys().partitioned(partition, "outbox"))
            return sum(await pipe.execute())

    async def drained(self) -> None:
        """Wait until every event is in PostgreSQL."""
        await until(self._is_drained, DRAIN_S, lambda: f"the outbox is not empty: {self.worker.tail()}")

    async def _is_drained(self) -> bool:
        return await self.waiting() == 0

    async def messages(self) -> int:
        """Return how many messages are known to Dramatiq but for those it has given up."""
        async with Redis.from_url(self.broker_url) as broker:
            return int(await broker.hlen("dramatiq:sk-audit.msgs")) + int(
                await broker.hlen("dramatiq:sk-audit.DQ.msgs")
            )

    async def rows(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Ask PostgreSQL."""
        connection = await asyncpg.connect(self.postgres.url)
        try:
            found: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return found
        finally:
            await connection.close()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float, what: Callable[[], str]) -> None:
    """Wait until the condition holds."""
    ends = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < ends, what()
        await asyncio.sleep(0.02)  # the wait on a condition with a deadline


@pytest.fixture(scope="module")
def own_postgres(session_directory: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL that only these tests use, so that it may be stopped."""
    server = PostgresServer(session_directory / "postgres-of-the-pipeline")
    server.start()
    yield server
    server.start() if not server.running else None
    server.stop()
    server.wipe()


@pytest.fixture
async def deployment(own_redis: RedisServer, own_postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Deployment]:
    """Everything running, the database migrated and empty."""
    await apply_migrations(own_postgres.url, migrations_folder())
    connection = await asyncpg.connect(own_postgres.url)
    await connection.execute("TRUNCATE sync_events, sync_sessions CASCADE")
    await connection.close()
    async with AsyncExitStack() as stack:
        url = own_postgres.url
        worker = stack.enter_context(WorkerProcess(own_redis.url, tmp_path / "worker.log", database_url=url))
        servers = [
            stack.enter_context(ServerProcess(own_redis.url, tmp_path / f"server{place}.log", database_url=url))
            for place in range(2)
        ]
        for server in servers:
            server.await_answer("SERVING")
        stubs = [await stack.enter_async_context(connect(server.address)) for server in servers]
        yield Deployment(own_redis, own_postgres, servers, worker, stubs)
        own_redis.resume()
        if not own_postgres.running:
            own_postgres.start()


async def play(deployment: Deployment, fault: Callable[[Load], Awaitable[None]]) -> Load:
    """Play a load with a fault in it, and wait until every event is in PostgreSQL."""
    load = loading(deployment, MUTATIONS)
    async with asyncio.timeout(LOAD_S), load.running():
        await fault(load)
    await deployment.drained()
    assert set(load.ledger.other) <= PASSING
    return load


def loading(deployment: Deployment, mutations: int) -> Load:
    """Return a load on all servers."""
    addresses = [server.address for server in deployment.servers]
    return Load(addresses, mutations, callers=CALLERS, on_progress=lambda _: None)


async def judged(deployment: Deployment, load: Load) -> Verdict:
    """Count the rows of the trail against what was told."""
    verdict, _ = judge(await deployment.rows(EVENTS), load.ledger)
    return verdict


async def assert_clean(deployment: Deployment, load: Load) -> None:
    """Check that the trail has exactly what was told, once."""
    verdict = await judged(deployment, load)
    assert verdict.is_clean, verdict
    assert verdict.untold == 0, verdict


async def test_a_life_arrives_exactly(deployment: Deployment) -> None:
    """Every event in order, with what it was, who asked and what it changed; 0 is 0, not nothing."""
    (stub, other), ask = (
        deployment.stubs,
        two_players(bank_ms=60_000, request_id="0b7e8f7e-0000-4000-8000-000000000001"),
    )
    session_id = ask.session_id
    await stub.CreateSession(ask, metadata=(("synckairos-actor", "ann"),))
    await stub.StartSession(pb.StartSessionRequest(session_id=session_id))
    await other.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id))
    last = (await stub.CompleteSession(pb.CompleteSessionRequest(session_id=session_id))).session

    await deployment.drained()

    events = await deployment.rows(
        "SELECT * FROM sync_events WHERE session_id = $1::text::uuid ORDER BY version", session_id
    )
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
    (summary,) = await deployment.rows("SELECT * FROM sync_sessions WHERE session_id = $1::text::uuid", session_id)
    assert (summary["version"], summary["total_participants"]) == (4, 2)


async def test_a_clock_that_ran_out_has_zero_left(deployment: Deployment) -> None:
    """What fell due is in the trail with the instant it was due at, and a server acted at; remaining is 0."""
    (stub, _), ask = deployment.stubs, two_players(bank_ms=1_000)
    await stub.CreateSession(ask)
    await stub.StartSession(pb.StartSessionRequest(session_id=ask.session_id))

    async def has_expired() -> bool:
        return bool(await expiries())

    async def expiries() -> list[asyncpg.Record]:
        return await deployment.rows(
            "SELECT * FROM sync_events WHERE session_id = $1::text::uuid AND fired_at IS NOT NULL", ask.session_id
        )

    await until(has_expired, 30, lambda: "no expiry in the trail")

    row = (await expiries())[0]
    assert row["time_remaining_ms"] == 0
    assert row["cause"] == "deadline"
    assert row["fired_at"] >= row["timestamp"]
    assert row["lateness_ms"] == (row["fired_at"] - row["timestamp"]).total_seconds() * 1_000


async def test_the_worker_dies_with_work_in_hand(deployment: Deployment) -> None:
    """SIGKILL three times: what it had is done again, by itself after the next start."""

    async def kill(load: Load) -> None:
        for part in (0.2, 0.5, 0.8):
            await load.reached(part)
            deployment.worker.kill()
            await asyncio.to_thread(deployment.worker.start)

    load = await play(deployment, kill)

    await assert_clean(deployment, load)
    assert not load.ledger.other


async def test_postgres_is_away_for_a_while(deployment: Deployment) -> None:
    """No call fails, health stays SERVING, few messages wait, and all drains without a restart of anything."""
    seen: dict[str, object] = {}

    async def stop(load: Load) -> None:
        await load.reached(0.3)
        await asyncio.to_thread(deployment.postgres.stop)
        await load.reached(1.0)
        seen["health"] = {server.health() for server in deployment.servers}
        seen["messages"] = await deployment.messages()
        seen["waiting"] = await deployment.waiting()
        await asyncio.to_thread(deployment.postgres.start)

    load = await play(deployment, stop)

    await assert_clean(deployment, load)
    assert not load.ledger.other
    assert seen["health"] == {"SERVING"}
    assert 0 < int(str(seen["messages"])) <= PARTITIONS
    assert int(str(seen["waiting"])) > 0


async def test_dramatiq_loses_everything(deployment: Deployment) -> None:
    """Its database is flushed again and again: messages and guards are gone, events are not."""

    async def flush(load: Load) -> None:
        async with Redis.from_url(deployment.broker_url) as broker:
            for part in (0.2, 0.4, 0.6, 0.8):
                await load.reached(part)
                await broker.flushdb()

    load = await play(deployment, flush)

    await assert_clean(deployment, load)
    assert not load.ledger.other


async def test_a_server_dies(deployment: Deployment) -> None:
    """SIGKILL under load: callers go on elsewhere with the same request id; what was committed arrives once."""

    async def kill(load: Load) -> None:
        await load.reached(0.4)
        deployment.servers[0].kill()
        deployment.servers[0].spawn()
        await asyncio.to_thread(deployment.servers[0].await_answer, "SERVING")

    load = await play(deployment, kill)

    verdict = await judged(deployment, load)
    assert (verdict.lost, verdict.doubled, verdict.forks) == (0, 0, 0)


async def test_a_worker_that_is_told_to_stop_ends_cleanly_under_load(deployment: Deployment) -> None:
    """SIGTERM: the exit code is 0, and the next worker goes on at once."""
    codes: list[int] = []

    async def stop(load: Load) -> None:
        await load.reached(0.5)
        codes.append(await asyncio.to_thread(deployment.worker.stop))
        await asyncio.to_thread(deployment.worker.start)

    load = await play(deployment, stop)

    assert codes == [0]
    await assert_clean(deployment, load)


async def test_a_worker_alone_takes_what_servers_left_behind(deployment: Deployment) -> None:
    """Events of servers that are gone, unknown to the broker, are found by the worker itself."""
    await asyncio.to_thread(deployment.worker.stop)
    load = loading(deployment, 100)
    async with asyncio.timeout(LOAD_S):
        await load.run()
    for server in deployment.servers:
        await asyncio.to_thread(server.stop)
    async with Redis.from_url(deployment.broker_url) as broker:
        await broker.flushdb()
    waiting = await deployment.waiting()

    await asyncio.to_thread(deployment.worker.start)
    await deployment.drained()

    assert waiting >= 100
    await assert_clean(deployment, load)
