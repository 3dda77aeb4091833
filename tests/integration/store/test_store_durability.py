"""Changes that are answered once they are on the disk, or at replicas; and what their callers hear if they are not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.store.durability import DurabilityRules
from synckairos.adapters.redis.values import codec
from synckairos.application.errors import DurabilityUnmet, OutcomeUnknown
from synckairos.application.ports import Request
from synckairos.application.sessions import Answer, Settlements
from synckairos.application.unmet_settlements import UnmetSettlements
from synckairos.devstack import RedisServer
from synckairos.domain.commands import Create, Pause, Resume, Switch
from synckairos.domain.model import Durability, DurabilityLevel, Session, Status
from testing.harness.processes.replica_pair import ReplicaPair
from testing.harness.processes.synced_log import SYNCED
from testing.harness.waiting import eventually
from tests.contract.decisions import CALLER, new_id, running, two_players, until
from tests.contract.store_process import StoreProcess, sweeping

FSYNC = Durability(DurabilityLevel.FSYNC)
ONE_REPLICA = Durability(DurabilityLevel.REPLICAS, 1)
IN_MEMORY = Durability(DurabilityLevel.MEMORY)
PATIENT_MS = 8_000
SHORT_MS = 300


@pytest.fixture
def pair(server_directory: Path) -> Iterator[ReplicaPair]:
    """A primary with a replica."""
    with ReplicaPair(server_directory) as pair:
        yield pair


@pytest.fixture
def synced_redis(newest_redis: type[RedisServer], server_directory: Path) -> Iterator[RedisServer]:
    """A Redis that syncs its log with every write, and knows when it has."""
    with newest_redis(server_directory / "synced", extra_args=SYNCED) as server:
        yield server


@contextlib.asynccontextmanager
async def process_on(
    url: str, least: Durability = IN_MEMORY, timeout_ms: int = PATIENT_MS, limit: int = 64, prefix: str = ""
) -> AsyncIterator[StoreProcess]:
    """Run a process that holds all changes to this."""
    connections = RedisConnections(url, limit=limit)
    rules = DurabilityRules(least, timeout_ms)
    async with StoreProcess(url, prefix or f"d{new_id()[:8]}", connections, durability=rules) as process:
        yield process


async def create(process: StoreProcess, asked: Durability | None = None) -> Answer:
    """Create a session that asks for this."""
    spec = two_players(durability=asked)
    return await process.sessions.create(new_id(), Create(spec), CALLER, Request(), until())


async def started(process: StoreProcess, asked: Durability | None = None) -> Session:
    """Start a session that asks for this."""
    return await running(process.store, two_players(durability=asked))


async def switch(process: StoreProcess, session: Session, request: Request | None = None) -> Answer:
    """Switch, and return what is answered."""
    return await process.sessions.change(session.session_id, Switch(), CALLER, request or Request(), until())


def named() -> Request:
    """Return a request that can be made again."""
    return Request(new_id(), bytes(16))


async def test_the_memory_is_enough_unless_more_is_asked_for(redis_server: RedisServer) -> None:
    """What every change is told that waits for nothing."""
    async with process_on(redis_server.url) as process:
        session = await started(process)

        answer = await switch(process, session)

        assert answer.durability == IN_MEMORY
        assert process.connections.lent == 0


@pytest.mark.parametrize("asked", [None, FSYNC, IN_MEMORY], ids=["by the server", "by both", "less by the session"])
async def test_a_change_is_answered_once_it_is_on_the_disk(asked: Durability | None, synced_redis: RedisServer) -> None:
    """A session can ask for more than the server, never for less."""
    async with process_on(synced_redis.url, FSYNC) as process:
        answer = await create(process, asked)

        with redis.Redis.from_url(synced_redis.url) as client:
            assert client.execute_command("WAITAOF", 1, 0, 1)[0] == 1
        assert answer.durability == FSYNC


async def test_a_session_can_ask_for_more_than_the_server(synced_redis: RedisServer) -> None:
    """Every change of it waits, also by a process that has never seen it; those of others do not."""
    async with process_on(synced_redis.url) as process:
        created = await create(process, FSYNC)
        other = await started(process)
        assert created.session is not None

        async with StoreProcess(synced_redis.url, process.keys.prefix) as stranger:
            updated = await stranger.sessions.get(created.session.session_id)
            answers = [
                await switch(stranger, await started(stranger, FSYNC)),
                await switch(stranger, other),
            ]

        assert created.durability == FSYNC
        assert updated.session.rules.durability == FSYNC
        assert [answer.durability for answer in answers] == [FSYNC, IN_MEMORY]


async def test_changes_wait_side_by_side(synced_redis: RedisServer) -> None:
    """Two hundred changes are through within a few syncs, over half of the connections."""
    async with process_on(synced_redis.url, FSYNC, limit=8) as process:
        began = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(create(process) for _ in range(200)))
        seconds = asyncio.get_running_loop().time() - began

        assert {answer.durability for answer in answers} == {FSYNC}
        assert seconds < 8
        await eventually(lambda: process.connections.lent == 0)


async def test_those_that_wait_leave_room_for_the_others(pair: ReplicaPair) -> None:
    """While every place to wait is taken, sessions in memory are answered at once."""
    async with process_on(pair.primary.url, limit=4) as process:
        sessions = [await started(process, ONE_REPLICA) for _ in range(12)]
        plain = await started(process)
        pair.replica.pause()
        waiting = [asyncio.ensure_future(switch(process, session)) for session in sessions]
        await eventually(lambda: process.connections.lent == 2)

        async with asyncio.timeout(1):
            answers = [await switch(process, plain) for _ in range(10)]

        assert {answer.durability for answer in answers} == {IN_MEMORY}
        assert not any(one.done() for one in waiting)
        pair.replica.resume()
        assert {(await one).durability for one in waiting} == {ONE_REPLICA}


async def test_a_replica_has_what_is_answered(pair: ReplicaPair) -> None:
    """The reply says how many have it."""
    async with process_on(pair.primary.url, ONE_REPLICA) as process:
        answer = await create(process)

        with redis.Redis(port=pair.replica.port) as replica:
            assert answer.session is not None
            assert replica.exists(process.keys.of(answer.session.session_id).session)
        assert answer.durability == ONE_REPLICA


@pytest.mark.usefixtures("newest_redis")
async def test_disk_and_replica_are_both_waited_for(pair: ReplicaPair) -> None:
    """What the server and the session ask for is not weighed against each other."""
    async with process_on(pair.primary.url, FSYNC) as process:
        session = await started(process, ONE_REPLICA)
        reached = await switch(process, session)
        with redis.Redis.from_url(pair.primary.url) as client:
            client.config_set("appendonly", "no")

        with pytest.raises(DurabilityUnmet):
            await switch(process, session)

        assert reached.durability == ONE_REPLICA


async def test_a_frozen_replica_makes_the_outcome_unknown(pair: ReplicaPair) -> None:
    """So does every retry until the replica is back; then it is answered as a replay, with what was reached."""
    async with (
        process_on(pair.primary.url, ONE_REPLICA) as process,
        process_on(pair.primary.url, ONE_REPLICA, SHORT_MS, prefix=process.keys.prefix) as hasty,
    ):
        session = await started(process)
        request = named()
        pair.replica.pause()

        for _ in range(2):
            with pytest.raises(DurabilityUnmet):
                await switch(hasty, session, request)
        pair.replica.resume()
        answer = await switch(process, session, request)

        assert answer.replayed
        assert answer.durability == ONE_REPLICA
        assert answer.session is not None
        assert answer.session.version == session.version + 1
        assert hasty.observed.unmet == 2


async def test_a_retry_in_memory_writes_nothing(redis_server: RedisServer) -> None:
    """It has nothing to wait for."""
    async with process_on(redis_server.url) as process:
        session, request = await started(process), named()
        await switch(process, session, request)
        with redis.Redis.from_url(redis_server.url) as client:
            key = process.keys.of(session.session_id).request_prefix + request.request_id
            client.pexpire(key, 100_000)

            answer = await switch(process, session, request)

            assert answer.replayed
            assert answer.durability == IN_MEMORY
            assert client.pttl(key) <= 100_000


async def test_a_log_that_is_switched_off_makes_the_outcome_unknown(synced_redis: RedisServer) -> None:
    """Of those who need it alone."""
    async with process_on(synced_redis.url) as process:
        session, plain = await started(process, FSYNC), await started(process)
        with redis.Redis.from_url(synced_redis.url) as client:
            client.config_set("appendonly", "no")

        with pytest.raises(DurabilityUnmet):
            await switch(process, session)

        assert (await switch(process, plain)).durability == IN_MEMORY


async def test_a_refusal_waits_for_nothing(pair: ReplicaPair) -> None:
    """It has changed nothing."""
    async with process_on(pair.primary.url, ONE_REPLICA) as process:
        session = await started(process)
        pair.replica.pause()

        async with asyncio.timeout(2):
            with pytest.raises(Exception, match="resume"):
                await process.sessions.change(session.session_id, Resume(), CALLER, Request(), until())


async def test_the_calls_of_a_session_do_not_queue_behind_a_wait(pair: ReplicaPair) -> None:
    """The next one is applied while the one before waits, and both are answered once the replica has them."""
    async with process_on(pair.primary.url, ONE_REPLICA) as process:
        session = await started(process)
        pair.replica.pause()
        first = asyncio.ensure_future(switch(process, session))
        second = asyncio.ensure_future(process.sessions.change(session.session_id, Pause(), CALLER, Request(), until()))

        async def is_applied() -> bool:
            return (await process.sessions.get(session.session_id)).session.version == session.version + 2

        await eventually(is_applied)
        assert not first.done()
        assert not second.done()
        pair.replica.resume()

        assert [(await one).durability for one in (first, second)] == [ONE_REPLICA, ONE_REPLICA]


async def test_a_primary_that_dies_while_it_waits(pair: ReplicaPair) -> None:
    """What was written, but not confirmed, is unknown to its caller; a retry elsewhere tells."""
    async with process_on(pair.primary.url, ONE_REPLICA) as process:
        session = await started(process)
        pair.replica.pause()
        call = asyncio.ensure_future(switch(process, session))
        await eventually(lambda: process.connections.lent == 1 and not process.store._scheduler.queues)

        pair.primary.kill()

        with pytest.raises(OutcomeUnknown):
            await call


async def test_a_settlement_that_is_not_durable_is_tried_again(pair: ReplicaPair) -> None:
    """It is on time, and counted; once the replica is back it is durable, and nothing is left to be seen to."""
    async with (
        process_on(pair.primary.url, ONE_REPLICA) as patient,
        process_on(pair.primary.url, ONE_REPLICA, SHORT_MS, prefix=patient.keys.prefix) as process,
    ):
        unmet = UnmetSettlements(Settlements(process.store, process.lifetimes, new_id))
        process.store.on_unmet(unmet.note)
        session = await running(patient.store, two_players(1_000))
        pair.replica.pause()
        seeing = asyncio.ensure_future(unmet.run())
        async with sweeping(process):
            await eventually(lambda: process.observed.unmet >= 2)
        found = await process.sessions.get(session.session_id)
        pair.replica.resume()
        await eventually(lambda: unmet.count == 0 and process.connections.lent == 0)
        seeing.cancel()

        assert found.session.status is Status.EXPIRED
        assert process.observed.lateness_ms[0] < 500
        with redis.Redis(port=pair.replica.port) as replica:
            raw: Any = replica.get(process.keys.of(session.session_id).session)
        assert codec.decode_session(session.session_id, raw) == found.session


async def test_a_read_that_settles_waits_for_nothing(pair: ReplicaPair) -> None:
    """It carries no durability; what it has stored is seen to like a settlement of the sweep."""
    async with process_on(pair.primary.url, ONE_REPLICA) as process:
        session = await running(process.store, two_players(1_000))
        pair.replica.pause()

        async def has_expired() -> bool:
            async with asyncio.timeout(1):
                found = await process.sessions.get(session.session_id)
            return found.session.status is Status.EXPIRED

        await eventually(has_expired)
        pair.replica.resume()
