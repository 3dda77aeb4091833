"""The answer to a retry when the session has moved on, is gone, or lives another life."""

import time
from collections.abc import AsyncIterator

import pytest

from synckairos.devstack import RedisServer
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, new_id, refused, running_session, two_players
from testing.harness.fakes.fake_clock import FakeClock
from testing.harness.fakes.fake_redis_time import DrivenConnections
from testing.harness.processes.in_process import serving, settings_for


@pytest.fixture
def clock() -> FakeClock:
    """The authority's clock, which stands until it is moved."""
    return FakeClock(time.time_ns() // 1_000)


@pytest.fixture
async def stub(redis_server: RedisServer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stub]:
    """A client of a server where ended sessions stay for a second only, on a clock that is driven."""
    monkeypatch.setattr("synckairos.composition.redis.RedisConnections", lambda url, **_: DrivenConnections(url, clock))
    settings = settings_for(redis_server.url, session_ttl_s=1)
    async with serving(settings) as server, connect(server.address) as stub:
        yield stub


async def until_removed(stub: Stub, clock: FakeClock, session_id: str) -> None:
    """Let the time of an ended session pass and wait until the sweep has taken it away."""
    clock.advance(1_100)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        reply = await stub.BatchGetSessions(pb.BatchGetSessionsRequest(session_ids=[session_id]))
        if reply.missing_session_ids:
            return
    raise AssertionError("the ended session is still there")


async def ended(stub: Stub, clock: FakeClock, switch: pb.SwitchCycleRequest) -> session_pb2.Session:
    """Start a session, make the switch in it, complete it, have it removed, and return it as the switch left it."""
    await running_session(stub, two_players(switch.session_id))
    switched = await stub.SwitchCycle(switch)
    await stub.CompleteSession(pb.CompleteSessionRequest(session_id=switch.session_id))
    await until_removed(stub, clock, switch.session_id)
    session: session_pb2.Session = switched.session
    return session


async def test_a_retry_after_the_session_is_gone_says_which_version_it_was(stub: Stub, clock: FakeClock) -> None:
    """It was applied, and nothing more is known: only id, epoch and version are answered."""
    request = pb.SwitchCycleRequest(session_id=new_id(), request_id=new_id())
    switched = await ended(stub, clock, request)

    retry = await stub.SwitchCycle(request)

    assert retry.replayed
    known = {field.name: value for field, value in retry.session.ListFields()}
    assert known == {"session_id": switched.session_id, "epoch": switched.epoch, "version": switched.version}


async def test_a_retry_is_never_answered_from_another_life(stub: Stub, clock: FakeClock) -> None:
    """A session created anew under the same id has a version 2 too, which is not the one the retry asks for."""
    request = pb.SwitchCycleRequest(session_id=new_id(), request_id=new_id())
    switched = await ended(stub, clock, request)
    other = await running_session(stub, two_players(request.session_id, bank_ms=5_000))

    retry = await stub.SwitchCycle(request)
    after = await stub.GetSession(pb.GetSessionRequest(session_id=request.session_id))

    assert retry.replayed
    assert (retry.session.epoch, retry.session.version) == (switched.epoch, switched.version)
    assert not retry.session.participants
    assert (after.session.epoch, after.session.version) == (other.epoch, other.version)


async def test_a_create_without_an_id_learns_it_from_the_retry(stub: Stub, clock: FakeClock) -> None:
    """However late the retry comes, it says which session it had made."""
    request = two_players(request_id=new_id())
    request.ClearField("session_id")
    created = await stub.CreateSession(request)
    await stub.CancelSession(pb.CancelSessionRequest(session_id=created.session.session_id))
    await until_removed(stub, clock, created.session.session_id)

    retry = await stub.CreateSession(request)

    assert retry.replayed
    assert retry.session.session_id == created.session.session_id


async def test_the_retry_of_a_delete_that_found_nothing_deletes_nothing(stub: Stub) -> None:
    """The answer was that nothing was there; a session created since is another one's."""
    request = pb.DeleteSessionRequest(session_id=new_id(), request_id=new_id(), allow_missing=True)
    first = await stub.DeleteSession(request)
    session = await running_session(stub, two_players(request.session_id))

    retry = await stub.DeleteSession(request)
    after = await stub.GetSession(pb.GetSessionRequest(session_id=request.session_id))

    assert not first.HasField("session")
    assert not first.replayed
    assert not retry.HasField("session")
    assert retry.replayed
    assert after.session.version == session.version


async def test_other_content_under_the_id_of_a_delete_that_found_nothing_is_refused(stub: Stub) -> None:
    """An answer without a change binds its request_id like any other."""
    request = pb.DeleteSessionRequest(session_id=new_id(), request_id=new_id(), allow_missing=True)
    await stub.DeleteSession(request)
    request.reason = "another"

    problem = await refused(stub.DeleteSession(request))

    assert problem.reason == "REQUEST_ID_REUSED"
