"""Each unary call of SessionService end to end against the real Redis."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct

from synckairos.devstack import RedisServer
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, new_id, refused, running_session, two_players
from testing.harness.in_process import serving, settings_for
from tests.integration.good_requests import ANN, BLUE, BOB, CLEO, DAYS_28, HOUR, RED, create, member, players

EVERYTHING = {"a": None, "b": True, "c": -1.5e300, "d": "é\n\u2028", "e": [1, [], {}], "f": {"g": {"": 2.0**53}}}


@pytest.fixture(scope="module")
async def stub(redis_server: RedisServer) -> AsyncIterator[Stub]:
    """A client of a server."""
    async with serving(settings_for(redis_server.url)) as server, connect(server.address) as stub:
        yield stub


async def get(stub: Stub, session_id: str) -> session_pb2.Session:
    """Return the session as of now."""
    reply = await stub.GetSession(pb.GetSessionRequest(session_id=session_id))
    session: session_pb2.Session = reply.session
    return session


def struct(fields: dict[str, Any]) -> Struct:
    """Return a Struct."""
    made = Struct()
    made.update(fields)
    return made


FULL: dict[str, dict[str, Any]] = {
    "participant": {
        "participants": [
            member(ANN, participant_index=7, total_time_ms=60_000, metadata=struct(EVERYTHING)),
            member(BOB.upper(), participant_index=3, total_time_ms=DAYS_28, metadata=Struct()),
        ],
        "increment_ms": HOUR,
        "max_time_ms": 70_000,
        "on_expire": session_pb2.ON_EXPIRE_ELIMINATE,
        "first_participant_id": ANN.upper(),
    },
    "cycle": {"max_cycles": 1_000_000_000, "on_expire": session_pb2.ON_EXPIRE_NOTIFY, "first_participant_id": BOB},
    "group": {"increment_ms": 1, "max_time_ms": 60_000, "on_expire": session_pb2.ON_EXPIRE_END_SESSION},
    "global": {"participants": [member()], "on_expire": session_pb2.ON_EXPIRE_NOTIFY},
    "count up": {"max_time_ms": DAYS_28, "on_expire": session_pb2.ON_EXPIRE_END_SESSION},
}


@pytest.mark.parametrize("base", FULL)
async def test_a_session_comes_back_as_it_was_described(stub: Stub, base: str) -> None:
    """Whatever a client may give, in any mode, is in the reply and in every later read, ids in lower case."""
    request = create(
        base, **FULL[base], session_id=new_id().upper(), request_id=new_id(), reason="x" * 256,
        metadata=struct(EVERYTHING), labels={"k" * 128: "é" * 64, "b": ""}, warning_thresholds_ms=range(1, 11),
    )  # fmt: skip

    created = (await stub.CreateSession(request)).session
    read = await get(stub, created.session_id)

    assert read == created
    assert created.session_id == request.session_id.lower()
    assert (created.metadata, dict(created.labels)) == (request.metadata, dict(request.labels))
    for name in (
        "mode",
        "on_expire",
        "increment_ms",
        "max_time_ms",
        "max_cycles",
        "time_per_cycle_ms",
        "total_time_ms",
    ):
        assert getattr(created, name) == getattr(request, name), name
    assert list(created.warning_thresholds_ms) == list(request.warning_thresholds_ms)
    assert created.first_participant_id == request.first_participant_id.lower()
    described = sorted(request.participants, key=lambda one: one.participant_index)
    assert [one.participant_id for one in created.participants] == [one.participant_id.lower() for one in described]
    for one, spec in zip(created.participants, described, strict=True):
        assert (one.total_time_ms, one.group_id) == (spec.total_time_ms, spec.group_id)
        assert one.HasField("metadata") == spec.HasField("metadata")
        assert one.metadata == spec.metadata


async def test_a_team_game_is_played_through(stub: Stub) -> None:
    """Groups take turns, members share the bank, a pause stands still, and the end leaves nobody active."""
    request = create("group", increment_ms=0)
    sid = (await stub.CreateSession(request)).session.session_id
    started = (await stub.StartSession(pb.StartSessionRequest(session_id=sid))).session
    switched = (await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=sid))).session
    paused = (await stub.PauseSession(pb.PauseSessionRequest(session_id=sid))).session
    joined = (
        await stub.AddParticipant(pb.AddParticipantRequest(session_id=sid, participant=member(CLEO, group_id=RED)))
    ).session
    resumed = (await stub.ResumeSession(pb.ResumeSessionRequest(session_id=sid))).session
    back = (await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=sid))).session
    adjusted = (
        await stub.AdjustTime(pb.AdjustTimeRequest(session_id=sid, group_id=BLUE, set_ms=5_000, reason="late"))
    ).session
    done = (await stub.CompleteSession(pb.CompleteSessionRequest(session_id=sid))).session

    assert (started.active_participant_id, started.active_group_id) == (ANN, RED)
    assert (switched.active_participant_id, switched.active_group_id) == (BOB, BLUE)
    assert paused.HasField("paused_at")
    assert not paused.HasField("deadline_at")
    assert joined.status == session_pb2.STATUS_PAUSED
    assert not resumed.HasField("paused_at")
    assert (back.active_participant_id, back.active_group_id) == (CLEO, RED)
    assert adjusted.groups[1].time_remaining_ms == 5_000
    assert (done.status, done.active_participant_id, done.active_group_id) == (session_pb2.STATUS_COMPLETED, "", "")
    assert [one.version for one in (started, switched, paused, joined, resumed, back, adjusted, done)] == list(
        range(2, 10)
    )


async def test_a_batch_answers_in_the_order_asked(stub: Stub) -> None:
    """A hundred ids at once, every other one missing or deleted: found and missing both keep the order asked."""
    there = [(await stub.CreateSession(two_players())).session.session_id for _ in range(3)]
    await stub.DeleteSession(pb.DeleteSessionRequest(session_id=there[1]))
    missing = [new_id() for _ in range(97)]
    asked = [*missing[:50], there[2].upper(), *missing[50:], there[1], there[0]]

    reply = await stub.BatchGetSessions(pb.BatchGetSessionsRequest(session_ids=asked))

    assert [session.session_id for session in reply.sessions] == [there[2], there[0]]
    assert list(reply.missing_session_ids) == [*missing, there[1]]
    assert reply.server_time.ToMilliseconds() >= reply.sessions[0].created_at.ToMilliseconds()


async def test_what_a_mask_names_is_replaced_as_a_whole(stub: Stub) -> None:
    """Metadata and labels are replaced, kept or removed as the mask says, and every update is a version."""
    sid = (await stub.CreateSession(create("global"))).session.session_id

    async def update(**fields: Any) -> tuple[Any, dict[str, str], int]:
        session = (await stub.UpdateSession(pb.UpdateSessionRequest(session_id=sid, **fields))).session
        assert session == await get(stub, sid)
        return (session.metadata if session.HasField("metadata") else None), dict(session.labels), session.version

    one, two = struct({"a": 1}), struct({"b": 2})
    assert await update(metadata=one, labels={"x": "1", "y": "1"}) == (one, {"x": "1", "y": "1"}, 2)
    assert await update(metadata=two, labels={"x": "2"}, update_mask=FieldMask(paths=["labels"])) == (
        one,
        {"x": "2"},
        3,
    )
    assert await update(metadata=two) == (two, {"x": "2"}, 4)
    assert await update(metadata=Struct(), update_mask=FieldMask(paths=["metadata"])) == (Struct(), {"x": "2"}, 5)
    assert await update(update_mask=FieldMask(paths=["labels", "metadata"])) == (None, {}, 6)


async def test_a_deleted_session_is_gone_and_its_id_taken(stub: Stub) -> None:
    """The reply is the final state with the version of the deletion; nobody finds the session or takes its id."""
    session = await running_session(stub)
    sid = session.session_id

    deleted = (await stub.DeleteSession(pb.DeleteSessionRequest(session_id=sid, expected_version=2))).session

    assert (deleted.version, deleted.status) == (3, session_pb2.STATUS_RUNNING)
    for call in (
        stub.GetSession(pb.GetSessionRequest(session_id=sid)),
        stub.SwitchCycle(pb.SwitchCycleRequest(session_id=sid)),
        stub.DeleteSession(pb.DeleteSessionRequest(session_id=sid)),
    ):
        assert (await refused(call)).reason == "SESSION_NOT_FOUND"
    again = await refused(stub.CreateSession(two_players(sid)))
    assert (again.code, again.reason) == (grpc.StatusCode.ALREADY_EXISTS, "SESSION_ALREADY_EXISTS")


@pytest.mark.parametrize("existed", [False, True], ids=["never there", "deleted before"])
async def test_deleting_nothing_may_be_fine(stub: Stub, existed: bool) -> None:
    """allow_missing turns NOT_FOUND into an answer without a session."""
    sid = new_id()
    if existed:
        await stub.CreateSession(two_players(sid))
        await stub.DeleteSession(pb.DeleteSessionRequest(session_id=sid))

    reply = await stub.DeleteSession(pb.DeleteSessionRequest(session_id=sid, allow_missing=True))

    assert not reply.HasField("session")
    assert reply.server_time.seconds > 0
    assert (await refused(stub.DeleteSession(pb.DeleteSessionRequest(session_id=sid)))).reason == "SESSION_NOT_FOUND"


@pytest.mark.parametrize("status", range(1, 7), ids=session_pb2.Status.Name)
async def test_a_session_can_be_deleted_in_every_state(stub: Stub, status: int) -> None:
    """There is no state a session cannot be deleted in, an expired one included."""
    sid = (await stub.CreateSession(create("global"))).session.session_id
    if status != session_pb2.STATUS_PENDING:
        await stub.StartSession(pb.StartSessionRequest(session_id=sid))
    steps: dict[int, Any] = {
        session_pb2.STATUS_PAUSED: (stub.PauseSession, pb.PauseSessionRequest(session_id=sid)),
        session_pb2.STATUS_COMPLETED: (stub.CompleteSession, pb.CompleteSessionRequest(session_id=sid)),
        session_pb2.STATUS_CANCELLED: (stub.CancelSession, pb.CancelSessionRequest(session_id=sid)),
        session_pb2.STATUS_EXPIRED: (stub.AdjustTime, pb.AdjustTimeRequest(session_id=sid, set_ms=0, reason="over")),
    }
    if status in steps:
        call, request = steps[status]
        assert (await call(request)).session.status == status

    deleted = (await stub.DeleteSession(pb.DeleteSessionRequest(session_id=sid))).session

    assert deleted.status == status
    assert (await refused(stub.GetSession(pb.GetSessionRequest(session_id=sid)))).reason == "SESSION_NOT_FOUND"


async def test_the_server_makes_ids_that_sort_by_time(stub: Stub) -> None:
    """Without a session_id the server makes UUIDs of version 7."""
    made = [(await stub.CreateSession(create("global"))).session.session_id for _ in range(3)]

    assert [UUID(one).version for one in made] == [7, 7, 7]
    assert [one[:13] for one in made] == sorted(one[:13] for one in made)


async def test_many_create_the_same_session_and_one_wins(stub: Stub) -> None:
    """50 concurrent creates of one id, each with another bank: one is answered OK, and the session stays that one."""
    sid = new_id()
    requests = [create("participant", session_id=sid, participants=players(), increment_ms=n) for n in range(50)]

    outcomes = await asyncio.gather(*(stub.CreateSession(one) for one in requests), return_exceptions=True)

    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, pb.CreateSessionResponse)]
    assert await get(stub, sid) == winner.session


async def test_more_than_a_session_may_take_is_refused_by_its_path(stub: Stub) -> None:
    """More than 256 KB are not stored, whether a session is created or grows so; the field that grew is named."""
    wide = struct({"text": "x" * 1_000})
    sid = new_id()
    too_many = [member(new_id(), metadata=wide) for _ in range(280)]

    problem = await refused(stub.CreateSession(create("global", session_id=sid, participants=too_many)))
    await stub.CreateSession(create("global", session_id=sid, participants=too_many[:240]))
    adding = (stub.AddParticipant(pb.AddParticipantRequest(session_id=sid, participant=one)) for one in too_many[240:])
    grown = await asyncio.gather(*adding, return_exceptions=True)
    update = pb.UpdateSessionRequest(session_id=sid, metadata=struct({"text": "x" * 10_000}))
    updated = await refused(stub.UpdateSession(update))

    assert (problem.reason, list(problem.fields)) == ("INVALID_FIELD", ["participants"])
    errors = [await refused(_raise(one)) for one in grown if isinstance(one, grpc.aio.AioRpcError)]
    assert {(one.reason, *one.fields) for one in errors} == {("INVALID_FIELD", "participant")}
    assert (updated.reason, list(updated.fields)) == ("INVALID_FIELD", ["metadata"])
    session = await get(stub, sid)
    assert len(session.participants) == 240 + len(grown) - len(errors)
    assert session.version == 1 + len(grown) - len(errors)


async def _raise(error: Exception) -> None:
    raise error


async def test_a_thousand_participants_take_turns(stub: Stub) -> None:
    """The largest session works; one more participant does not."""
    request = create("cycle", participants=[member(new_id()) for _ in range(1_000)])
    session = await running_session(stub, request)

    switched = (await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session.session_id))).session
    one_more = pb.AddParticipantRequest(session_id=session.session_id, participant=member(new_id()))
    problem = await refused(stub.AddParticipant(one_more))

    assert switched.active_participant_id == request.participants[1].participant_id
    assert (problem.reason, list(problem.fields)) == ("INVALID_FIELD", ["participant"])
