"""Two server processes on one Redis, and callers of both that change the same session."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from synckairos.devstack import RedisServer
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, new_id, running_session
from tests.e2e.conftest import StartServers


@pytest.fixture
async def stubs(redis_server: RedisServer, start_servers: StartServers) -> AsyncIterator[list[Stub]]:
    """Clients of two servers on one Redis."""
    servers = start_servers(redis_server.url, 2, redis_prefix=f"e{new_id()[:8]}")
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connect(server.address)) for server in servers]


async def current(stub: Stub, session_id: str) -> session_pb2.Session:
    """Return the session as it is."""
    reply = await stub.GetSession(pb.GetSessionRequest(session_id=session_id))
    session: session_pb2.Session = reply.session
    return session


async def test_unconditional_switches_are_never_lost(stubs: list[Stub]) -> None:
    """64 callers switch ten times each on one session: every one is answered OK and every one counts."""
    session = await running_session(stubs[0])
    request = pb.SwitchCycleRequest(session_id=session.session_id)

    async def caller(place: int) -> list[int]:
        stub = stubs[place % 2]
        return [(await stub.SwitchCycle(request)).session.version for _ in range(10)]

    versions = [version for seen in await asyncio.gather(*map(caller, range(64))) for version in seen]

    after = await current(stubs[1], session.session_id)
    assert sorted(versions) == list(range(session.version + 1, session.version + 641))
    assert after.version == session.version + 640
    assert sum(participant.cycle_count for participant in after.participants) == 640


async def test_a_request_sent_to_both_servers_at_once_is_applied_once(stubs: list[Stub]) -> None:
    """20 copies of one request at the same time: one of them switches, the others repeat its answer."""
    session = await running_session(stubs[0])
    request = pb.SwitchCycleRequest(session_id=session.session_id, request_id=new_id())

    replies = await asyncio.gather(*(stubs[place % 2].SwitchCycle(request) for place in range(20)))

    assert sorted(reply.replayed for reply in replies) == [False] + [True] * 19
    assert {reply.session.version for reply in replies} == {session.version + 1}
