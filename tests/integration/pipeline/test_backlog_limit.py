"""A Redis with little memory, getting full: callers are refused with a reason, and it is over by itself."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from synckairos.adapters.redis.condition import RedisCondition
from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.composition.server import Server
from synckairos.devstack import RedisServer
from synckairos.settings import load_settings
from synckairos.telemetry import Metrics
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, refused, running_session, two_players
from testing.harness.waiting import eventually

MEGABYTE = 1 << 20
MEMORY = 40 * MEGABYTE
FILLER = "filler"
PIECE = 65_536
"""A size that allocators have; one large string would be rounded up by megabytes."""


@pytest.fixture
def small_redis(server_directory: Path) -> Iterator[RedisServer]:
    """A Redis that may use 40 MB."""
    with RedisServer(server_directory / "redis", extra_args=("--maxmemory", str(MEMORY))) as redis:
        yield redis


@pytest.fixture
async def client(small_redis: RedisServer) -> AsyncIterator[Redis]:
    """A way to fill it."""
    async with Redis.from_url(small_redis.url) as client:
        yield client


@pytest.fixture
def metrics() -> Metrics:
    """The server's metrics."""
    return Metrics()


@pytest.fixture
async def stub(small_redis: RedisServer, metrics: Metrics) -> AsyncIterator[Stub]:
    """A server on it."""
    settings = load_settings(redis_url=small_redis.url, redis_timeout_s=5, listen="127.0.0.1:0", drain_delay_s=0)
    server = Server(settings, metrics)
    await server.start()
    try:
        async with connect(server.address) as stub:
            yield stub
    finally:
        await server.stop()


async def fill(client: Redis, share: float) -> None:
    """Let about this share of the memory be used."""
    async for key in client.scan_iter(f"{FILLER}:*"):
        await client.delete(key)
    used = int((await client.info("memory"))["used_memory"])
    pieces = max(0, int(share * MEMORY) - used) // PIECE
    async with client.pipeline() as pipeline:
        for number in range(pieces):
            pipeline.setrange(f"{FILLER}:{number}", PIECE - 100, b"x")  # Redis makes the rest: nothing large is sent
        await pipeline.execute()


def shown(metrics: Metrics) -> float:
    """Return the share that the metrics show."""
    return metrics.registry.get_sample_value("synckairos_store_memory_share") or 0.0


async def test_a_full_store_refuses_changes_until_it_is_emptier(stub: Stub, client: Redis, metrics: Metrics) -> None:
    """RESOURCE_EXHAUSTED with a pause for every change, while reads go on and due changes are settled."""
    session = await running_session(stub, two_players(bank_ms=8_000))
    of = {"session_id": session.session_id}
    await fill(client, 0.7)
    await eventually(lambda: _is_shown(metrics, 0.6), seconds=15, pause_s=0.05)
    half_full = await stub.SwitchCycle(pb.SwitchCycleRequest(**of))

    await fill(client, 0.93)
    await eventually(lambda: _is_shown(metrics, 0.9), seconds=15, pause_s=0.05)
    problems = [
        await refused(call)
        for call in (
            stub.SwitchCycle(pb.SwitchCycleRequest(**of)),
            stub.CreateSession(two_players()),
            stub.DeleteSession(pb.DeleteSessionRequest(**of)),
        )
    ]
    read = await stub.GetSession(pb.GetSessionRequest(**of))

    async def has_expired() -> bool:
        found = await client.xlen(await _outbox(client))
        return int(found) >= 4

    await eventually(has_expired, seconds=15, pause_s=0.05)
    expired = await stub.GetSession(pb.GetSessionRequest(**of))
    await fill(client, 0.3)
    await eventually(lambda: _is_answered(stub), seconds=15, pause_s=0.05)

    assert half_full.session.version == 3
    assert {problem.code.name for problem in problems} == {"RESOURCE_EXHAUSTED"}
    assert {problem.reason for problem in problems} == {"AUDIT_BACKLOG"}
    assert all(problem.retry_after_s for problem in problems)
    assert read.session.version == 3
    assert expired.session.status == session_pb2.STATUS_EXPIRED


async def _is_shown(metrics: Metrics, share: float) -> bool:
    return shown(metrics) >= share


async def _outbox(client: Redis) -> bytes:
    (key,) = [bytes(key) async for key in client.scan_iter("sk:*:outbox")]
    return key


async def _is_answered(stub: Stub) -> bool:
    try:
        await stub.CreateSession(two_players())
    except Exception:
        return False
    return True


async def share_of(url: str) -> float | None:
    """Return the share that Redis reports."""
    connections = RedisConnections(url)
    share = await RedisCondition(connections).memory_share()
    await connections.close()
    return share


async def test_the_share_is_that_of_maxmemory(small_redis: RedisServer, client: Redis) -> None:
    """The used memory, over the memory that may be used."""
    await fill(client, 0.5)

    assert await share_of(small_redis.url) == pytest.approx(0.5, abs=0.1)


async def test_a_store_without_a_bound_is_never_full(redis_server: RedisServer) -> None:
    """The default of Redis: there is no maxmemory."""
    assert await share_of(redis_server.url) is None


async def test_a_store_that_may_not_be_asked_is_taken_as_unbounded(small_redis: RedisServer, client: Redis) -> None:
    """An account without INFO must not take the server out."""
    await client.execute_command("ACL", "SETUSER", "blind", "on", ">secret", "~*", "+@all", "-info")

    assert await share_of(small_redis.url.replace("redis://", "redis://blind:secret@")) is None
