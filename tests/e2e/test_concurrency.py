"""Two server processes, one Redis, callers fighting for the same sessions."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import grpc
import pytest

from synckairos.devstack import RedisServer
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, count_codes, new_id, refused, running_session, two_players
from tests.e2e.conftest import StartServers


@pytest.fixture
async def stubs(redis_server: RedisServer, start_servers: StartServers) -> AsyncIterator[list[Stub]]:
    """Clients of two servers on one Redis."""
    servers = start_servers(redis_server.url, 2, redis_prefix=f"e{new_id()[:8]}")
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connect(server.address)) for server in servers]


async def everywhere(stubs: list[Stub], count: int, call: Callable[[Stub], object]) -> dict[str, int]:
    """Make calls at once, dealt to the servers in turn, and count what they come to."""
    calls = [call(stubs[place % len(stubs)]) for place in range(count)]
    return count_codes(await asyncio.gather(*calls, return_exceptions=True))  # type: ignore[call-overload] # calls are awaitable


async def current(stub: Stub, session_id: str) -> session_pb2.Session:
    """Return the session as it is."""
    reply = await stub.GetSession(pb.GetSessionRequest(session_id=session_id))
    session: session_pb2.Session = reply.session
    return session


async def test_one_of_many_switches_with_the_same_expected_version_wins(stubs: list[Stub]) -> None:
    """100 callers expect version 2: one is right, and every other one is told the truth."""
    session = await running_session(stubs[0])
    request = pb.SwitchCycleRequest(session_id=session.session_id, expected_version=session.version)

    counts = await everywhere(stubs, 100, lambda stub: stub.SwitchCycle(request))

    assert counts == {"OK": 1, "VERSION_CONFLICT": 99}
    assert (await current(stubs[1], session.session_id)).version == session.version + 1


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


async def test_one_of_many_creates_wins(stubs: list[Stub]) -> None:
    """50 callers create the same id with different banks: one session, and it stays the winner's."""
    session_id = new_id()
    banks = iter(range(600_000, 600_050))

    counts = await everywhere(stubs, 50, lambda stub: stub.CreateSession(two_players(session_id, bank_ms=next(banks))))

    stored = await current(stubs[0], session_id)
    assert counts == {"OK": 1, "SESSION_ALREADY_EXISTS": 49}
    assert stored.version == 1
    assert stored == await current(stubs[1], session_id)


async def test_a_racing_write_never_brings_a_deleted_session_back(stubs: list[Stub]) -> None:
    """Delete races pause 500 times: whoever wins, the session is gone afterwards and stays gone."""

    async def race(place: int) -> None:
        session = await running_session(stubs[place % 2])
        deletion = stubs[place % 2].DeleteSession(pb.DeleteSessionRequest(session_id=session.session_id))
        pause = stubs[(place + 1) % 2].PauseSession(pb.PauseSessionRequest(session_id=session.session_id))
        deleted, paused = await asyncio.gather(deletion, pause, return_exceptions=True)
        assert not isinstance(deleted, BaseException), deleted
        if not isinstance(paused, BaseException):
            assert paused.session.version < deleted.session.version
        problem = await refused(stubs[place % 2].GetSession(pb.GetSessionRequest(session_id=session.session_id)))
        assert problem.reason == "SESSION_NOT_FOUND"
        again = await refused(stubs[place % 2].CreateSession(two_players(session.session_id)))
        assert again.reason == "SESSION_ALREADY_EXISTS"

    for start in range(0, 500, 25):
        await asyncio.gather(*(race(place) for place in range(start, start + 25)))


async def test_a_retried_request_is_applied_once_whichever_server_answers(stubs: list[Stub]) -> None:
    """The same request_id on the other server: one switch, the same version, and it says so."""
    session = await running_session(stubs[0])
    request = pb.SwitchCycleRequest(session_id=session.session_id, request_id=new_id())

    first = await stubs[0].SwitchCycle(request)
    second = await stubs[1].SwitchCycle(request)

    assert (first.replayed, second.replayed) == (False, True)
    assert second.session == first.session
    assert (await current(stubs[0], session.session_id)).version == session.version + 1


async def test_a_request_sent_to_both_servers_at_once_is_applied_once(stubs: list[Stub]) -> None:
    """20 copies of one request at the same time: one of them switches, the others repeat its answer."""
    session = await running_session(stubs[0])
    request = pb.SwitchCycleRequest(session_id=session.session_id, request_id=new_id())

    replies = await asyncio.gather(*(stubs[place % 2].SwitchCycle(request) for place in range(20)))

    assert sorted(reply.replayed for reply in replies) == [False] + [True] * 19
    assert {reply.session.version for reply in replies} == {session.version + 1}


async def test_waiting_in_the_queue_respects_the_deadline_of_the_call(stubs: list[Stub]) -> None:
    """Calls with a deadline of 1 ms end with it, and the session is not harmed by them."""
    session = await running_session(stubs[0])
    request = pb.SwitchCycleRequest(session_id=session.session_id)

    outcomes = await asyncio.gather(
        *(stubs[0].SwitchCycle(request, timeout=0.001) for _ in range(50)), return_exceptions=True
    )

    assert all(
        not isinstance(outcome, BaseException)
        or (isinstance(outcome, grpc.RpcError) and outcome.code().name in {"DEADLINE_EXCEEDED", "ABORTED"})  # type: ignore[attr-defined] # a call is its error
        for outcome in outcomes
    )
    after = await current(stubs[1], session.session_id)
    assert after.version == session.version + sum(p.cycle_count for p in after.participants)
