"""ExecuteCommands against a real Redis: order under load, the same answers as calls, retries, broken stores."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from synckairos.composition.server import Server
from synckairos.devstack import RedisServer
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, running_session
from testing.harness.command_client import driving, refusal_of
from testing.harness.processes.in_process import serving, settings_for


@pytest.fixture(scope="module")
async def server(redis_server: RedisServer) -> AsyncIterator[Server]:
    """A server."""
    async with serving(settings_for(redis_server.url)) as server:
        yield server


@pytest.fixture
async def stub(server: Server) -> AsyncIterator[Stub]:
    """A client."""
    async with connect(server.address) as stub:
        yield stub


async def test_order_holds_for_each_session_under_load(stub: Stub) -> None:
    """30 switches of each of 40 sessions, dealt in turn, each expecting the version before it: none is out of order."""
    sessions = [await running_session(stub) for _ in range(40)]
    async with driving(stub) as drive:
        for turn in range(30):
            for session in sessions:
                request = pb.SwitchCycleRequest(session_id=session.session_id, expected_version=session.version + turn)
                await drive.send(f"{session.session_id} {turn}", request)
        await drive.answered(1_200, seconds=60)

    turns = defaultdict(list)
    for answer in drive.answers:
        sid, turn = answer.command_id.split()
        assert answer.HasField("result"), answer
        assert answer.result.session.session_id == sid
        turns[sid].append((int(turn), answer.result.session.version))
    assert all(seen == [(turn, 3 + turn) for turn in range(30)] for seen in turns.values())
    assert len(turns) == 40


async def test_a_command_beyond_the_size_of_a_call_ends_the_stream(stub: Stub) -> None:
    """gRPC itself refuses more than 1 MiB, for a stream as for a call; what was answered before stays answered."""
    sid = (await running_session(stub)).session_id
    async with driving(stub) as drive:
        await drive.ask("1", pb.SwitchCycleRequest(session_id=sid))
        await drive.send("2", pb.SwitchCycleRequest(session_id=sid, reason="x" * 2**20))
        await drive.until_end()

    assert drive.error is not None
    assert drive.error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert drive.ids == ["1"]


async def test_a_store_that_is_away_is_told_with_each_command(server_directory: Path) -> None:
    """Commands fail one by one with STORE_UNAVAILABLE, and the same stream goes on once Redis is back."""
    redis = RedisServer(server_directory)
    redis.start()
    try:
        async with serving(settings_for(redis.url)) as server, connect(server.address) as stub:
            sid = (await running_session(stub)).session_id
            async with driving(stub) as drive:
                await drive.ask("before", pb.SwitchCycleRequest(session_id=sid))
                redis.stop()
                problems = [
                    refusal_of(await drive.ask(f"away {n}", pb.SwitchCycleRequest(session_id=sid))) for n in range(3)
                ]
                redis.start()
                async with asyncio.timeout(20):
                    number = 0
                    while not (after := await drive.ask(f"{number}", pb.SwitchCycleRequest(session_id=sid))).HasField(
                        "result"
                    ):
                        number += 1
    finally:
        redis.stop()

    for problem in problems:
        assert (problem.code, problem.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert problem.retry_after_s
    assert after.result.session.version == 4
