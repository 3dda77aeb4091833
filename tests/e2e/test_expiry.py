"""Three servers, a thousand running clocks, and servers that die meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from statistics import quantiles
from typing import NamedTuple

import pytest
from redis.asyncio import Redis

from synckairos.adapters.redis.keys import PARTITIONS, Keys
from synckairos.adapters.redis.values import codec
from synckairos.devstack import RedisServer
from synckairos.domain.events import Event, EventType
from synckairos.domain.timing import deadline_at
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, refused, running_session, two_players
from tests.e2e.conftest import StartServers

SESSIONS = 1_000
NEVER = 2**63


@pytest.fixture
async def redis(own_redis: RedisServer) -> AsyncIterator[Redis]:
    """A client of the test's own Redis."""
    async with Redis.from_url(own_redis.url) as client:
        yield client


class Committed(NamedTuple):
    """An event, and when (ms) Redis itself says it stored it."""

    event: Event
    stored_at: int


async def outbox(redis: Redis) -> dict[str, list[Committed]]:
    """Return every event ever committed, by session, in the order of the store."""
    events: dict[str, list[Committed]] = {}
    for partition in range(PARTITIONS):
        for entry_id, fields in await redis.xrange(Keys().partitioned(partition, "outbox")):
            session_id = fields[b"s"].decode()
            event = codec.decode_event(session_id, fields[b"e"])
            events.setdefault(session_id, []).append(Committed(event, int(entry_id.split(b"-")[0])))
    return events


async def create_running(stubs: list[Stub], count: int) -> dict[str, int]:
    """Start sessions whose first banks run out from 1 to 7 seconds after their start; return their last writers."""
    places = asyncio.Semaphore(64)

    async def one(place: int) -> tuple[str, int]:
        writer = place % len(stubs)
        async with places:
            session = await running_session(stubs[writer], two_players(bank_ms=1_000 + 6 * place))
        return session.session_id, writer

    return dict(await asyncio.gather(*map(one, range(count))))


async def redis_ms(redis: Redis) -> int:
    """Return Redis' time in ms since 1970."""
    seconds, microseconds = await redis.time()
    return int(seconds) * 1_000 + int(microseconds) // 1_000


async def until_all_expired(redis: Redis, seconds: float) -> dict[str, list[Committed]]:
    """Wait until every session's third event is there."""
    async with asyncio.timeout(seconds):
        while True:
            events = await outbox(redis)
            if len(events) == SESSIONS and all(len(history) >= 3 for history in events.values()):
                return events
            await asyncio.sleep(0.1)  # the wait on a condition with a deadline


async def test_every_deadline_fires_exactly_once_and_never_early(
    own_redis: RedisServer, redis: Redis, start_servers: StartServers, measured: Callable[[str], None]
) -> None:
    """Two of three servers are killed while 1 000 banks run out: each expires once, at its due instant."""
    servers = start_servers(own_redis.url, 3)
    async with AsyncExitStack() as stack:
        stubs = [await stack.enter_async_context(connect(server.address)) for server in servers]
        writers = await create_running(stubs, SESSIONS)
        servers[0].kill()
        killed_at = {0: await redis_ms(redis)}
        halfway = asyncio.get_running_loop().time() + 1.0
        while asyncio.get_running_loop().time() < halfway:
            await stubs[2].ListSessions(pb.ListSessionsRequest(page_size=10))
        servers[1].kill()
        killed_at[1] = await redis_ms(redis)

        events = await until_all_expired(redis, 30)

    lateness, orphaned = [], []
    for session_id, history in events.items():
        assert [one.event.session.version for one in history] == [1, 2, 3]
        started, (expired, stored_at) = history[1].event, history[2]
        assert expired.type is EventType.SESSION_EXPIRED
        assert expired.session.updated_at == deadline_at(started.session)
        assert expired.fired_at is not None
        # When Redis stored it bears witness: what the servers write could be early and say otherwise.
        assert stored_at >= expired.session.updated_at
        lateness.append(expired.fired_at - expired.session.updated_at)
        if expired.session.updated_at >= killed_at.get(writers[session_id], NEVER):
            orphaned.append(lateness[-1])
    assert orphaned
    for what, times in (("expiries", lateness), ("those whose last writer had been killed", orphaned)):
        cuts = quantiles(times, n=100)
        measured(
            f"lateness of {len(times)} {what}, two of three servers killed meanwhile: p50 {cuts[49]:.0f} ms, "
            f"p90 {cuts[89]:.0f} ms, p99 {cuts[98]:.0f} ms, max {max(times)} ms"
        )


async def test_what_fell_due_while_everything_was_down_is_stamped_with_its_due_instants(
    own_redis: RedisServer, start_servers: StartServers
) -> None:
    """Advances of an unattended turn timer keep their schedule: the chain has no drift."""
    (server,) = start_servers(own_redis.url, 1)
    async with connect(server.address) as stub:
        request = pb.CreateSessionRequest(mode=2, time_per_cycle_ms=1_000)
        session = await running_session(stub, request)
        server.kill()
        until = asyncio.get_running_loop().time() + 2.5
        async with Redis.from_url(own_redis.url) as redis:
            while asyncio.get_running_loop().time() < until:
                await redis.ping()
        server.start()
    async with connect(server.address) as stub:
        reply = await stub.GetSession(pb.GetSessionRequest(session_id=session.session_id))

    after = reply.session
    assert after.cycle_number >= 3
    started = session.started_at.ToMilliseconds()
    assert after.cycle_started_at.ToMilliseconds() == started + (after.cycle_number - 1) * 1_000
    assert after.version == session.version + after.cycle_number - 1


async def test_a_result_of_an_outage_can_be_read(own_redis: RedisServer, start_servers: StartServers) -> None:
    """Noticed later than an ended session is kept: it is readable from then on, and a late switch is told the truth."""
    (server,) = start_servers(own_redis.url, 1, session_ttl_s="3")
    async with connect(server.address) as stub:
        session = await running_session(stub, two_players(bank_ms=1_000))
        server.kill()
        until = asyncio.get_running_loop().time() + 4.5
        async with Redis.from_url(own_redis.url) as redis:
            while asyncio.get_running_loop().time() < until:
                await redis.ping()
        server.start()
    async with connect(server.address) as stub:
        reply = await stub.GetSession(pb.GetSessionRequest(session_id=session.session_id))
        problem = await refused(stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session.session_id)))

    assert reply.session.status == session_pb2.STATUS_EXPIRED
    assert reply.session.completed_at.ToMilliseconds() == session.deadline_at.ToMilliseconds()
    assert problem.reason == "PARTICIPANT_EXPIRED"
