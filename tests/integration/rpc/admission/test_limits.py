"""Limits of tenants over several servers on one Redis."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from synckairos.adapters.limit_files import read_limits
from synckairos.devstack import RedisServer
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import connect, running_session, two_players
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.tokens import write_key
from testing.harness.waiting import eventually


@contextlib.asynccontextmanager
async def servers(
    redis: RedisServer, folder: Path, count: int, **limits: float
) -> AsyncIterator[list[SessionServiceStub]]:
    """Yield stubs of so many servers of one store, whose limits stand in a file of the folder."""
    (folder / "limits").write_text(json.dumps({"default": limits}))
    settings = settings_for(redis.url, limits=str(folder / "limits"))
    async with contextlib.AsyncExitStack() as exits:
        stubs = []
        for _ in range(count):
            server = await exits.enter_async_context(serving(settings))
            stubs.append(await exits.enter_async_context(connect(server.address)))
        yield stubs


def refused(error: grpc.aio.AioRpcError) -> tuple[str, dict[str, str]]:
    """Return the reason and the metadata of a refusal, which says when to come back."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type] # an error is a call as well
    assert status is not None
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() > 0
    return info.reason, dict(info.metadata)


async def refusal(call: Any) -> tuple[str, dict[str, str]]:
    """Return how a call is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refused(caught.value)


async def test_calls_of_a_tenant_over_three_servers(redis_server: RedisServer, tmp_path: Path) -> None:
    """At most a tenth more than the limit, however the calls are spread; then the file says otherwise."""
    rate = 60
    async with servers(redis_server, tmp_path, 3, calls_per_second=rate) as stubs:
        session = (await running_session(stubs[0])).session_id
        outcomes: Counter[str] = Counter()
        began = time.monotonic()

        async def call(stub: SessionServiceStub) -> None:
            while time.monotonic() < began + 2.0:
                try:
                    await stub.GetSession(pb.GetSessionRequest(session_id=session))
                    outcomes["served"] += 1
                except grpc.aio.AioRpcError as error:
                    reason, metadata = refused(error)
                    outcomes[reason] += 1
                    assert metadata == {"limit": "60", "name": "calls_per_second"}
                    await asyncio.sleep(0.005)

        await asyncio.gather(*[call(stub) for stub in stubs * 4])
        took = time.monotonic() - began

        assert outcomes["RATE_LIMITED"] > 0
        assert outcomes["served"] <= 1.1 * rate * (1 + took)


async def test_the_file_may_change_while_the_server_runs(redis_server: RedisServer, tmp_path: Path) -> None:
    """What it says counts as soon as the server is asked to look."""
    (tmp_path / "limits").write_text('{"*": {"calls_per_second": 0.001}}')
    settings = settings_for(redis_server.url, limits=str(tmp_path / "limits"))
    async with serving(settings) as server, connect(server.address) as stub:
        request = pb.ListSessionsRequest()
        await stub.ListSessions(request)
        assert (await refusal(stub.ListSessions(request)))[0] == "RATE_LIMITED"

        (tmp_path / "limits").write_text('{"*": {"calls_per_second": 0.001}, "default": {}}')
        server.reloading.ask()

        async def is_let_in() -> bool:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await stub.ListSessions(request)
                return True
            return False

        await eventually(is_let_in)
        await stub.ListSessions(request)


async def test_a_session_is_switched_so_often_over_two_servers(redis_server: RedisServer, tmp_path: Path) -> None:
    """Neither server asks the other; a retry of a switch that was made is answered all the same."""
    async with servers(redis_server, tmp_path, 2, switches_per_second=3) as stubs:
        session = (await running_session(stubs[0])).session_id
        request = pb.SwitchCycleRequest(session_id=session, request_id="11111111-1111-4111-8111-111111111111")
        for _ in range(2):
            await stubs[0].SwitchCycle(request)
        began, turns = time.monotonic(), 1
        while turns < 20:
            try:
                await stubs[turns % 2].SwitchCycle(pb.SwitchCycleRequest(session_id=session))
                turns += 1
            except grpc.aio.AioRpcError as error:
                reason, metadata = refused(error)
                break

        assert turns <= 3 + 3 * (time.monotonic() - began) + 1
        assert (reason, metadata) == ("RATE_LIMITED", {"limit": "3", "name": "switches_per_second"})
        assert (await stubs[1].SwitchCycle(request)).replayed


async def test_sessions_of_a_tenant(redis_server: RedisServer, tmp_path: Path) -> None:
    """So many may be in the store; a retry of a creation is answered all the same."""
    async with servers(redis_server, tmp_path, 2, sessions=5) as stubs:
        first = two_players()
        first.request_id = "11111111-1111-4111-8111-111111111111"
        await stubs[0].CreateSession(first)
        for place in range(4):
            await stubs[place % 2].CreateSession(two_players())

        assert await refusal(stubs[0].CreateSession(two_players())) == (
            "RATE_LIMITED",
            {"limit": "5", "name": "sessions"},
        )
        assert (await stubs[1].CreateSession(first)).replayed


async def test_streams_of_a_peer_and_watchers_of_a_tenant(redis_server: RedisServer, tmp_path: Path) -> None:
    """On both servers together; what ends makes room on the other a moment later."""
    async with servers(redis_server, tmp_path, 2, streams=3, watchers=4) as stubs:
        sessions = [(await running_session(stubs[0])).session_id for _ in range(3)]
        all_of_them = pb.WatchSessionsRequest(watches=[pb.SessionWatch(session_id=one) for one in sessions])
        one_of_them = pb.WatchSessionRequest(session_id=sessions[0])
        get = pb.ExecuteCommandsRequest(command_id="1", get_session=pb.GetSessionRequest(session_id=sessions[0]))
        wide, narrow = stubs[0].WatchSessions(all_of_them), stubs[1].WatchSession(one_of_them)
        await wide.read()
        await narrow.read()

        async def opens(commands: Any) -> bool:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await commands.write(get)
                return bool(await commands.read())
            return False

        too_many_watchers = await refusal(stubs[1].WatchSession(one_of_them).read())
        await eventually(lambda: opens(stubs[0].ExecuteCommands()))
        too_many_streams = await refusal(stubs[1].ExecuteCommands().read())
        wide.cancel()
        await eventually(lambda: opens(stubs[1].ExecuteCommands()))

        assert too_many_watchers == ("RATE_LIMITED", {"limit": "4", "name": "watchers"})
        assert too_many_streams == ("RATE_LIMITED", {"limit": "3", "name": "streams"})


async def test_commands_are_calls(redis_server: RedisServer, tmp_path: Path) -> None:
    """A stream of them is refused one by one what would be refused to calls."""
    async with servers(redis_server, tmp_path, 1, calls_per_second=10) as (stub,):
        session = (await running_session(stub)).session_id
        stream = stub.ExecuteCommands()
        for place in range(30):
            await stream.write(
                pb.ExecuteCommandsRequest(command_id=str(place), get_session=pb.GetSessionRequest(session_id=session))
            )
        await stream.done_writing()

        codes = Counter([answer.status.code async for answer in stream])

        assert codes[0] > 0
        assert codes[grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]] > 10


async def test_each_tenant_has_its_own_limits(redis_server: RedisServer, tmp_path: Path) -> None:
    """One that is at its limits keeps no other from anything, and its subjects count apart."""
    (tmp_path / "limits").write_text('{"acme": {"calls_per_second": 15, "sessions": 1, "streams": 1}}')
    tenants = {"acme-1": "acme", "acme-2": "acme", "beta": "beta"}
    keys = {name: write_key(tmp_path / "keys", name, tenant=tenant) for name, tenant in tenants.items()}
    settings = settings_for(redis_server.url, limits=str(tmp_path / "limits"), auth_api_keys=str(tmp_path / "keys"))
    metadata = {name: (("x-api-key", key),) for name, key in keys.items()}
    async with serving(settings) as server, connect(server.address) as stub:
        for name in ("acme-1", "beta", "beta"):
            await stub.CreateSession(two_players(), metadata=metadata[name])
        too_many = await refusal(stub.CreateSession(two_players(), metadata=metadata["acme-2"]))
        session = (await stub.ListSessions(pb.ListSessionsRequest(), metadata=metadata["acme-1"])).sessions[0]
        watch = pb.WatchSessionRequest(session_id=session.session_id)
        streams = [stub.WatchSession(watch, metadata=metadata[name]) for name in ("acme-1", "acme-2")]
        seen = [await stream.read() for stream in streams]
        one_more = await refusal(stub.WatchSession(watch, metadata=metadata["acme-1"]).read())

        calls = [stub.ListSessions(pb.ListSessionsRequest(), metadata=metadata["acme-1"]) for _ in range(50)]
        others = [stub.ListSessions(pb.ListSessionsRequest(), metadata=metadata["beta"]) for _ in range(50)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.gather(*others)

        assert all(seen)
        assert too_many == ("RATE_LIMITED", {"limit": "1", "name": "sessions"})
        assert one_more == ("RATE_LIMITED", {"limit": "1", "name": "streams"})
        refusals = [refused(one) for one in outcomes if isinstance(one, grpc.aio.AioRpcError)]
        assert len(refusals) > 20
        assert refusals[0] == ("RATE_LIMITED", {"limit": "15", "name": "calls_per_second"})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[]", "Expected `object`"),
        (b'{"ACME": {}}', "'ACME' is neither a tenant's name"),
        (b'{"acme": {"calls": 1}}', "unknown field `calls`"),
        (b'{"acme": {"sessions": -1}}', "Expected `int` >= 0"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(content: bytes, problem: str) -> None:
    """With the place of what is wrong."""
    with pytest.raises(ValueError, match=problem):
        read_limits(content)


def test_the_limits_of_the_manual_can_be_used() -> None:
    """As they stand there."""
    manual = (Path(__file__).parents[4] / "docs/operations.md").read_text()

    table = read_limits(manual.partition("## Limits")[2].partition("```json\n")[2].partition("```")[0].encode())

    assert (table.of("league").calls_per_second, table.of("anyone").streams) == (2_000, 100)
