"""Each unary call of SessionService end to end against the real Redis."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from synckairos.devstack import RedisServer
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, new_id, refused, running_session, two_players
from testing.harness.processes.in_process import serving, settings_for
from tests.integration.rpc.good_requests import ANN, BOB, DAYS_28, HOUR, create, member

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
    """Every field a client may give, in any mode, is in the reply and in every later read, ids in lower case."""
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


async def test_a_deleted_session_is_gone_and_its_id_taken(stub: Stub) -> None:
    """The reply is the final state with the version of the deletion; the session is not found and its id not free."""
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


async def test_the_server_makes_ids_that_sort_by_time(stub: Stub) -> None:
    """Without a session_id the server makes UUIDs of version 7."""
    made = [(await stub.CreateSession(create("global"))).session.session_id for _ in range(3)]

    assert [UUID(one).version for one in made] == [7, 7, 7]
    assert [one[:13] for one in made] == sorted(one[:13] for one in made)


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
