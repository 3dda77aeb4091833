"""Redis on a slow disk: it answers what its log has not written, and servers say so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis.asyncio import Redis

from synckairos.composition.server import Server
from synckairos.rpc.server import DISK
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, running_session
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.waiting import eventually
from testing.robustness.steppable_redis import SteppableRedis

HELD = 20_000
"""Bytes of several changes."""


class OnSlowDisk(NamedTuple):
    """A server, a client of it, and the Redis whose disk can be slowed down."""

    redis: SteppableRedis
    server: Server
    stub: Stub

    def shown(self, name: str) -> float:
        """Return a figure of the metrics."""
        return self.server._metrics.registry.get_sample_value(f"synckairos_store_log_{name}") or 0.0

    async def health(self, service: str) -> str:
        """Return the health of a service; nothing is known of the disk before the first look at it."""
        async with grpc.aio.insecure_channel(self.server.address) as channel:
            check = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
            if await check.code() is grpc.StatusCode.NOT_FOUND:
                return "NOT_FOUND"
            reply = await check
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))

    async def serves(self, service: str) -> None:
        """Wait until a service is healthy."""
        await self.has_health(service, "SERVING")

    async def has_health(self, service: str, wanted: str) -> None:
        """Wait until a service has this health."""

        async def is_as_wanted() -> bool:
            return await self.health(service) == wanted

        await eventually(is_as_wanted, seconds=20, pause_s=0.05)

    async def holds_back(self) -> bool:
        """Whether the log of Redis holds back enough."""
        async with Redis.from_url(self.redis.url) as client:
            return int((await client.info("persistence"))["aof_buffer_length"]) >= HELD


@pytest.fixture
async def on(tmp_path: Path) -> AsyncIterator[OnSlowDisk]:
    """A server on a Redis of its own."""
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(SteppableRedis(tmp_path / "redis"))
        server = await stack.enter_async_context(serving(settings_for(redis.url)))
        yield OnSlowDisk(redis, server, await stack.enter_async_context(connect(server.address)))


async def switching(on: OnSlowDisk, session_id: str, answered: list[int]) -> None:
    """Switch a session for ever, noting the versions answered."""
    while True:
        answer = await on.stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id))
        answered.append(answer.session.version)


async def test_a_slow_disk_is_told_and_its_end_too(on: OnSlowDisk) -> None:
    """Metrics and health of the disk show it within seconds; calls go on, and no server is taken out."""
    session = await running_session(on.stub)
    await eventually(lambda: on.server._metrics.registry.get_sample_value("synckairos_store_log_pending_fsyncs") == 0)
    load = asyncio.ensure_future(switching(on, session.session_id, []))
    await on.serves(DISK)
    on.redis.slow_disk(3_000)
    await eventually(lambda: on.shown("delayed_fsyncs") > 0, seconds=20)
    slow = [await on.health(DISK), await on.health("")]
    on.redis.slow_disk(0)
    load.cancel()
    await on.serves(DISK)

    assert slow == ["NOT_SERVING", "SERVING"]


async def test_a_redis_without_a_log_has_no_healthy_disk(on: OnSlowDisk) -> None:
    """Its end loses everything since the last snapshot, however fast the disk is."""
    await eventually(lambda: on.server._metrics.registry.get_sample_value("synckairos_store_log_pending_fsyncs") == 0)
    await on.serves(DISK)
    async with Redis.from_url(on.redis.url) as client:
        await client.config_set("appendonly", "no")

    await on.has_health(DISK, "NOT_SERVING")
    assert await on.health("") == "SERVING"


async def test_the_end_of_redis_takes_what_its_log_holds_back(on: OnSlowDisk) -> None:
    """The limit of `everysec`, as documented: with a slow disk the end of the process loses answered changes."""
    session = await running_session(on.stub)
    answered: list[int] = []
    load = asyncio.ensure_future(switching(on, session.session_id, answered))
    await eventually(lambda: len(answered) > 50)
    on.redis.slow_disk(1_500)
    await eventually(on.holds_back, seconds=20)
    on.redis.kill()
    load.cancel()
    await asyncio.gather(load, return_exceptions=True)
    on.redis.slow_disk(0)
    await asyncio.to_thread(on.redis.start)
    await on.serves("")
    found = await on.stub.GetSession(pb.GetSessionRequest(session_id=session.session_id))

    assert session.version < found.session.version < answered[-1]
