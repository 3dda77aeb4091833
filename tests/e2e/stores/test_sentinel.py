"""A primary dies, and the one that Sentinel names goes on: servers follow it by themselves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
import redis

from synckairos.adapters.dramatiq.broker import DoorbellQueue, open_broker
from synckairos.devstack import RedisServer
from synckairos.redis_urls import with_database
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import connect, new_id, problem_of, running_session, watching
from testing.harness.processes.sentinel_group import SentinelGroup
from testing.harness.processes.server_process import ServerProcess
from testing.harness.waiting import eventually

PATIENCE_S: Final = 30.0


@pytest.fixture
def group(server_directory: Path) -> Iterator[SentinelGroup]:
    """Three servers of Redis below three Sentinels."""
    with SentinelGroup(server_directory) as group:
        yield group


@pytest.fixture
async def served(group: SentinelGroup, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server that is told of the Sentinels alone."""
    with ServerProcess(group.url, tmp_path / "server.log", store_init="auto") as server:
        await asyncio.to_thread(server.await_answer, "SERVING")
        yield server


async def switched(stub: Any, session_id: str) -> int:
    """Switch the session, by the same request until it is answered; return the version."""
    request = pb.SwitchCycleRequest(session_id=session_id, request_id=new_id())
    versions: list[int] = []

    async def is_answered() -> bool:
        try:
            versions.append((await stub.SwitchCycle(request)).session.version)
        except grpc.RpcError as error:
            if problem_of(error).code is not grpc.StatusCode.UNAVAILABLE:
                raise
        return bool(versions)

    await eventually(is_answered, PATIENCE_S)
    return versions[0]


def ring(group: SentinelGroup) -> None:
    """Send a worker a message over the same Sentinels, and find it."""
    broker = open_broker(with_database(group.url, 1), timeout_s=PATIENCE_S)
    queue = DoorbellQueue(broker, "sk")
    queue.send([7])
    assert queue.depth().waiting == 1
    broker.close()


def is_replica(server: RedisServer) -> bool:
    """Whether a server follows another one; it drops its callers when it begins to."""
    with contextlib.suppress(redis.ConnectionError), redis.Redis.from_url(server.url) as client:
        return bool(client.info("replication")["role"] == "slave")
    return False


@pytest.mark.parametrize("end", ["killed", "frozen"])
async def test_a_server_follows_the_primary(end: str, group: SentinelGroup, served: ServerProcess) -> None:
    """What was replicated is there, calls go on, watchers hear what comes, and so it is after the way back."""
    async with connect(served.address) as stub:
        session = await running_session(stub)
        former = group.primary()
        async with watching(stub.WatchSession(pb.WatchSessionRequest(session_id=session.session_id))) as told:
            await told.until(lambda one: one.messages)
            before = await switched(stub, session.session_id)
            await told.until(lambda one: one.messages[-1].version == before)
            if end == "killed":
                former.kill()
            else:
                former.pause()
            await asyncio.to_thread(group.await_another, former)

            after = await switched(stub, session.session_id)

            await told.until(lambda one: one.messages[-1].version == after, PATIENCE_S)
            assert after == before + 1
            await asyncio.to_thread(ring, group)
            former.start() if end == "killed" else former.resume()
            await eventually(lambda: is_replica(former), PATIENCE_S)
            assert await switched(stub, session.session_id) == after + 1
            await told.until(lambda one: one.messages[-1].version == after + 1, PATIENCE_S)
            assert [message.WhichOneof("payload") for message in told.messages] == ["snapshot", *["event"] * 3]
