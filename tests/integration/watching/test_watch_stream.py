"""WatchSession end to end: a snapshot, then every version, then the end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from synckairos.devstack import RedisServer
from synckairos.v1 import event_pb2, session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Recording, Stub, connect, new_id, problem_of, running_session, two_players, watching
from testing.harness.processes.in_process import serving, settings_for
from tests.integration.rpc.good_requests import ANN, CLEO, create, member


@pytest.fixture(scope="module")
async def stub(redis_server: RedisServer) -> AsyncIterator[Stub]:
    """A client of a server."""
    async with serving(settings_for(redis_server.url)) as server, connect(server.address) as stub:
        yield stub


def watch(stub: Stub, session_id: str, **more: Any) -> Any:
    """Record a stream of a session."""
    return watching(stub.WatchSession(pb.WatchSessionRequest(session_id=session_id, **more)))


def told(recording: Recording) -> list[tuple[str, int]]:
    """Return the kind and version of every message."""
    return list(zip(recording.kinds(), [message.version for message in recording.messages], strict=True))


async def test_every_change_is_an_event(stub: Stub) -> None:
    """Every change arrives as its event, the version one higher each time, with the state of the reply."""
    sid = (await stub.CreateSession(create("participant", on_expire=session_pb2.ON_EXPIRE_NOTIFY))).session.session_id
    target = {"session_id": sid, "reason": "because"}
    calls: list[tuple[Any, Any, str]] = [
        (stub.StartSession, pb.StartSessionRequest(**target), "SESSION_STARTED"),
        (stub.SwitchCycle, pb.SwitchCycleRequest(**target), "CYCLE_SWITCHED"),
        (stub.PauseSession, pb.PauseSessionRequest(**target), "SESSION_PAUSED"),
        (stub.ResumeSession, pb.ResumeSessionRequest(**target), "SESSION_RESUMED"),
        (
            stub.AddParticipant,
            pb.AddParticipantRequest(**target, participant=member(CLEO, total_time_ms=5_000)),
            "PARTICIPANT_ADDED",
        ),
        (stub.RemoveParticipant, pb.RemoveParticipantRequest(**target, participant_id=CLEO), "PARTICIPANT_REMOVED"),
        (stub.AdjustTime, pb.AdjustTimeRequest(**target, participant_id=ANN, delta_ms=5), "TIME_ADJUSTED"),
        (stub.UpdateSession, pb.UpdateSessionRequest(**target, labels={"a": "b"}), "SESSION_UPDATED"),
        (stub.CompleteSession, pb.CompleteSessionRequest(**target), "SESSION_COMPLETED"),
    ]

    async with watch(stub, sid) as recording:
        await recording.until(lambda r: r.messages)
        replies = [await call(request, metadata=(("x-actor", "umpire"),)) for call, request, _ in calls]
        await recording.until_end()

    assert told(recording) == [("snapshot", 1), *(("event", version) for version in range(2, 11)), ("end", 10)]
    for message, reply, (_, _, name) in zip(recording.of("event"), replies, calls, strict=True):
        event = message.event
        assert event_pb2.EventType.Name(event.type) == f"EVENT_TYPE_{name}"
        assert (event.actor, event.reason, event.cause) == ("umpire", "because", event_pb2.CAUSE_CALL)
        assert event.session == reply.session
        assert message.server_time == event.occurred_at == reply.server_time
        assert (message.session_id, message.epoch) == (sid, reply.session.epoch)
    assert len({message.event.change_id for message in recording.of("event")}) == 9
    assert recording.error is None


@pytest.mark.parametrize("verb", ["Complete", "Cancel", "Expire"])
async def test_a_terminal_session_is_shown_once(stub: Stub, verb: str) -> None:
    """Watching an ended session: its state, then the end with the reason, then nothing, OK."""
    session = await running_session(stub)
    target = {"session_id": session.session_id}
    if verb == "Complete":
        await stub.CompleteSession(pb.CompleteSessionRequest(**target))
    elif verb == "Cancel":
        await stub.CancelSession(pb.CancelSessionRequest(**target))
    else:
        active = session.active_participant_id
        await stub.AdjustTime(pb.AdjustTimeRequest(**target, participant_id=active, set_ms=0, reason="over"))

    async with watch(stub, session.session_id, tick_interval_ms=100) as recording:
        await recording.until_end()

    assert recording.kinds() == ["snapshot", "end"]
    end = recording.messages[1]
    assert (end.end.reason, end.end.retry_after_ms) == (event_pb2.END_REASON_TERMINAL, 0)
    assert recording.error is None


@pytest.mark.parametrize("deleted", [False, True], ids=["never there", "deleted"])
async def test_an_unknown_session_is_not_found(stub: Stub, deleted: bool) -> None:
    """There is nothing to stream of a session that does not exist."""
    sid = new_id()
    if deleted:
        await stub.CreateSession(two_players(sid))
        await stub.DeleteSession(pb.DeleteSessionRequest(session_id=sid))

    async with watch(stub, sid) as recording:
        await recording.until_end()

    assert recording.error is not None
    problem = problem_of(recording.error)
    assert (problem.code, problem.reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    assert not recording.messages


async def test_a_deletion_is_the_last_event(stub: Stub) -> None:
    """A running session that is deleted: the event, the end with its reason, and no tick behind it."""
    session = await running_session(stub)

    async with watch(stub, session.session_id, tick_interval_ms=100) as recording:
        await recording.until(lambda r: r.of("tick"))
        await stub.DeleteSession(pb.DeleteSessionRequest(session_id=session.session_id))
        await recording.until_end()

    assert told(recording)[-2:] == [("event", 3), ("end", 3)]
    *_, event, end = recording.messages
    assert event.event.type == event_pb2.EVENT_TYPE_SESSION_DELETED
    assert end.end.reason == event_pb2.END_REASON_DELETED


async def test_an_expiry_arrives_by_itself(stub: Stub) -> None:
    """Without any call the expiry comes on time, stamped with the instant it was due, and ends the stream."""
    session = await running_session(stub)
    adjust = pb.AdjustTimeRequest(
        session_id=session.session_id, participant_id=session.active_participant_id, set_ms=60, reason="hurry"
    )
    async with watch(stub, session.session_id) as recording:
        adjusted = await stub.AdjustTime(adjust)
        await recording.until_end()

    expired = recording.of("event")[-1]
    due = adjusted.session.deadline_at
    assert expired.event.type == event_pb2.EVENT_TYPE_SESSION_EXPIRED
    assert (expired.event.cause, expired.event.actor) == (event_pb2.CAUSE_DEADLINE, "system")
    assert expired.event.occurred_at == due == expired.server_time == expired.event.session.completed_at
    assert 0 <= expired.event.fired_at.ToMilliseconds() - due.ToMilliseconds() < 1_000
    assert recording.kinds()[-1] == "end"


async def test_joining_amid_changes_leaves_no_hole(stub: Stub) -> None:
    """Readers who join while 200 switches run each see a gapless sequence from their snapshot to the last version."""
    session = await running_session(stub)
    request = pb.SwitchCycleRequest(session_id=session.session_id)

    async def switching() -> None:
        for _ in range(200):
            await stub.SwitchCycle(request)

    async def reading(writer: "asyncio.Task[None]") -> Recording:
        async with watch(stub, session.session_id, progress_interval_ms=100) as recording:
            await writer
            return await recording.until(lambda r: r.messages[-1].version == 202)

    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(switching())
        readers = []
        for _ in range(30):
            await stub.GetSession(pb.GetSessionRequest(session_id=session.session_id))
            readers.append(tasks.create_task(reading(writer)))

    starts = set()
    for reader in readers:
        recording = reader.result()
        assert set(recording.kinds()) <= {"snapshot", "event", "progress"}
        assert recording.kinds()[0] == "snapshot"
        first = recording.messages[0].version
        assert recording.versions == list(range(first + 1, 203))
        starts.add(first)
    assert len(starts) > 5, "the readers did not join in between"


async def test_a_reply_has_reached_every_reader(stub: Stub) -> None:
    """Fifty readers of one session get every version that a caller was answered."""
    session = await running_session(stub)
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(10):

        async def reader() -> None:
            async with watch(stub, session.session_id) as recording:
                await recording.until(lambda r: r.messages)
                joined.release()
                await recording.until(lambda r: 3 in r.versions)

        joined = asyncio.Semaphore(0)
        for _ in range(50):
            tasks.create_task(reader())
        for _ in range(50):
            await joined.acquire()
        assert (await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session.session_id))).session.version == 3
