"""Request ids, conditions and the order of checks, end to end against the real Redis."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from synckairos.application.expiry import Sweep
from synckairos.composition.server import Server
from synckairos.devstack import RedisServer
from synckairos.v1 import session_pb2, time_service_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, connect_time, new_id, refused, running_session, two_players
from testing.harness.processes.in_process import serving, settings_for
from tests.integration.rpc.good_requests import create

SWITCH = pb.SwitchCycleRequest


@pytest.fixture(scope="module")
async def server(redis_server: RedisServer) -> AsyncIterator[Server]:
    """A server with a window of 4 events that settles nothing by itself, so that calls find boundaries due."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sweep, "_fire", lambda *_: None)
        async with serving(settings_for(redis_server.url, event_window=4)) as server:
            yield server


@pytest.fixture
async def stub(server: Server) -> AsyncIterator[Stub]:
    """A client of the server."""
    async with connect(server.address) as stub:
        yield stub


async def get(stub: Stub, session_id: str) -> session_pb2.Session:
    """Return the session as of now."""
    session: session_pb2.Session = (await stub.GetSession(pb.GetSessionRequest(session_id=session_id))).session
    return session


async def overdue(server: Server, stub: Stub, base: str = "participant", **changes: Any) -> session_pb2.Session:
    """Return a running session, at version 3, whose clock has run out without anybody having noticed."""
    request = create(base, **changes)
    session = await running_session(stub, request)
    target = {"participant_id": session.active_participant_id} if base == "participant" else {}
    adjust = pb.AdjustTimeRequest(session_id=session.session_id, set_ms=1, reason="hurry", **target)
    session = (await stub.AdjustTime(adjust)).session
    async with connect_time(server.address) as times, asyncio.timeout(5):
        while True:
            now = (await times.SyncTime(time_service_pb2.SyncTimeRequest())).server_receive_time
            if now.ToMilliseconds() > session.deadline_at.ToMilliseconds():
                return session


async def test_a_retry_is_answered_as_the_first_call_was(stub: Stub) -> None:
    """The same request again, even after more changes, gets the session at the version it led to, as replayed."""
    session = await running_session(stub)
    request = SWITCH(session_id=session.session_id, request_id=new_id(), expected_version=2)
    first = await stub.SwitchCycle(request)
    await stub.SwitchCycle(SWITCH(session_id=session.session_id))

    again = await stub.SwitchCycle(request)

    assert (again.replayed, again.session) == (True, first.session)
    assert again.server_time == first.server_time
    assert (await get(stub, session.session_id)).version == 4


async def test_a_late_retry_is_answered_with_what_there_is(stub: Stub) -> None:
    """Once the version has left the window of 4 events, the retry gets the current session; nothing happens twice."""
    session = await running_session(stub)
    request = SWITCH(session_id=session.session_id, request_id=new_id())
    await stub.SwitchCycle(request)
    for _ in range(5):
        await stub.SwitchCycle(SWITCH(session_id=session.session_id))

    again = await stub.SwitchCycle(request)

    assert (again.replayed, again.session.version) == (True, 8)
    assert (await get(stub, session.session_id)).version == 8


async def test_a_refusal_is_not_remembered(stub: Stub) -> None:
    """A call that was refused may be made again under its id, with the same or other content, and then counts."""
    sid = (await stub.CreateSession(two_players())).session.session_id
    request = SWITCH(session_id=sid, request_id=new_id())
    assert (await refused(stub.SwitchCycle(request))).reason == "INVALID_STATE_TRANSITION"
    await stub.StartSession(pb.StartSessionRequest(session_id=sid))

    reply = await stub.SwitchCycle(request)

    assert (reply.replayed, reply.session.version) == (False, 3)


async def test_a_create_without_an_id_is_retried_into_one_session(stub: Stub) -> None:
    """Twenty creates of one request_id, at once and afterwards, make one session; other content is refused."""
    request = create("participant", request_id=new_id())

    replies = await asyncio.gather(*(stub.CreateSession(request) for _ in range(20)))
    later = await stub.CreateSession(request)
    other = await refused(stub.CreateSession(create("participant", request_id=request.request_id, reason="x")))

    assert sorted(reply.replayed for reply in replies) == [False] + [True] * 19
    assert {reply.session.SerializeToString() for reply in [*replies, later]} == {later.session.SerializeToString()}
    assert other.reason == "REQUEST_ID_REUSED"


async def test_a_retry_comes_before_existence_conditions_and_state(stub: Stub) -> None:
    """Check 2 before all later ones: the session has moved on, ended and gone, and the retry is still answered OK."""
    session = await running_session(stub)
    request = pb.CompleteSessionRequest(session_id=session.session_id, request_id=new_id(), expected_version=2)
    await stub.CompleteSession(request)
    ended = await stub.CompleteSession(request)
    await stub.DeleteSession(pb.DeleteSessionRequest(session_id=session.session_id))

    gone = await stub.CompleteSession(request)

    assert ended.replayed
    assert (gone.replayed, gone.session) == (True, ended.session)


async def test_fields_come_before_a_retry_and_existence(stub: Stub) -> None:
    """Check 1 before 2 and 3: a malformed request is refused for a known and an unknown session alike."""
    session = await running_session(stub)
    request_id = new_id()
    await stub.SwitchCycle(SWITCH(session_id=session.session_id, request_id=request_id))
    wrong = {"request_id": request_id, "next_participant_id": "x"}

    for sid in (session.session_id, new_id()):
        problem = await refused(stub.SwitchCycle(SWITCH(session_id=sid, **wrong)))
        assert list(problem.fields) == ["next_participant_id"]


@pytest.mark.parametrize(
    ("base", "reason"),
    [
        pytest.param("participant", "PARTICIPANT_EXPIRED", id="bank"),
        pytest.param("global", "SESSION_EXPIRED", id="session"),
    ],
)
async def test_what_is_due_is_settled_and_stored_even_if_the_call_is_refused(
    server: Server, stub: Stub, base: str, reason: str
) -> None:
    """Check 4 and 5 before 7: a wrong expected_version is not even looked at, and the expiry is there to stay."""
    session = await overdue(server, stub, base)

    problem = await refused(stub.SwitchCycle(SWITCH(session_id=session.session_id, expected_version=99)))

    assert (problem.code, problem.reason) == (grpc.StatusCode.FAILED_PRECONDITION, reason)
    after = await get(stub, session.session_id)
    assert (after.version, after.status) == (4, session_pb2.STATUS_EXPIRED)
    assert after.completed_at == session.deadline_at
