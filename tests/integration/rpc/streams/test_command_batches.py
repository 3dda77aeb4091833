"""Batches of commands against a real Redis: many sessions, mixed errors, retries, the old form beside the new one."""

from collections.abc import AsyncIterator

import pytest

from synckairos.devstack import RedisServer
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Stub, connect, new_id, running_session
from testing.harness.command_client import command, driving, refusal_of
from testing.harness.processes.in_process import serving, settings_for


@pytest.fixture(scope="module")
async def stub(redis_server: RedisServer) -> AsyncIterator[Stub]:
    """A client of a server."""
    async with serving(settings_for(redis_server.url)) as server, connect(server.address) as stub:
        yield stub


def switch(session_id: str, command_id: str, **more: int | str) -> pb.ExecuteCommandsRequest:
    """Return the command to switch a session's cycle."""
    return command(command_id, pb.SwitchCycleRequest(session_id=session_id, **more))  # type: ignore[arg-type] # of each field its own


async def test_order_holds_in_batches_of_32_over_many_sessions(stub: Stub) -> None:
    """Eight sessions switched 40 times, 32 commands a message, each expecting the version before it."""
    sessions = [await running_session(stub) for _ in range(8)]
    commands = [
        switch(one.session_id, f"{one.session_id} {turn}", expected_version=one.version + turn)
        for turn in range(40)
        for one in sessions
    ]
    async with driving(stub) as drive:
        for start in range(0, len(commands), 32):
            await drive.send_together(*commands[start : start + 32])
        await drive.answered(len(commands))

    for session in sessions:
        answers = [answer for answer in drive.answers if answer.command_id.startswith(session.session_id)]
        assert [answer.command_id.split()[1] for answer in answers] == [str(turn) for turn in range(40)]
        assert [answer.result.session.version for answer in answers] == list(range(3, 43))
    assert all(message.outcomes for message in drive.messages)
    assert len(drive.messages) < len(commands) / 2


async def test_a_session_is_created_and_played_in_one_message(stub: Stub) -> None:
    """What is wrong in between is refused alone; a retry within the batch is answered and not applied again."""
    sid, twice, gone = new_id(), new_id(), new_id()
    create = pb.CreateSessionRequest(session_id=sid, mode=session_pb2.MODE_GLOBAL, total_time_ms=60_000)
    async with driving(stub) as drive:
        await drive.send_together(
            command("create", create),
            switch(sid, "too early"),
            command("start", pb.StartSessionRequest(session_id=sid)),
            switch(sid, "once", request_id=twice),
            switch(sid, "again", request_id=twice),
            switch(gone, "gone"),
            switch("no id", "no id"),
            switch(sid, "stale", expected_version=1),
            command("read", pb.GetSessionRequest(session_id=sid)),
        )
        await drive.answered(9)

    reasons = {
        answer.command_id: refusal_of(answer).reason
        for answer in drive.answers
        if answer.WhichOneof("outcome") == "status"
    }
    assert reasons == {
        "too early": "INVALID_STATE_TRANSITION",
        "gone": "SESSION_NOT_FOUND",
        "no id": "INVALID_FIELD",
        "stale": "VERSION_CONFLICT",
    }
    results = {answer.command_id: answer.result for answer in drive.answers if answer.HasField("result")}
    assert {one: (result.session.version, result.replayed) for one, result in results.items()} == {
        "create": (1, False),
        "start": (2, False),
        "once": (3, False),
        "again": (3, True),
        "read": (3, False),
    }


async def test_an_old_client_never_gets_outcomes(stub: Stub) -> None:
    """Whatever another one sends, and however many of its answers are ready together, each comes by itself."""
    session = await running_session(stub)
    async with driving(stub) as new, driving(stub) as old:
        await new.send_together(*[switch(session.session_id, f"new {n}") for n in range(100)])
        for n in range(100):
            await old.send(f"old {n}", pb.SwitchCycleRequest(session_id=session.session_id))
        await new.answered(100)
        await old.answered(100)

    assert [message.command_id for message in old.messages] == [f"old {n}" for n in range(100)]
    assert new.ids == [f"new {n}" for n in range(100)]
    assert not any(message.command_id for message in new.messages)


async def test_both_forms_may_be_sent_over_one_stream(stub: Stub) -> None:
    """A session's order holds across them, and each command is answered in the form it came in."""
    sid = (await running_session(stub)).session_id
    async with driving(stub) as drive:
        await drive.send("1", pb.SwitchCycleRequest(session_id=sid))
        await drive.send_together(switch(sid, "2"), switch(sid, "3"))
        await drive.send("4", pb.SwitchCycleRequest(session_id=sid))
        await drive.answered(4)

    assert drive.ids == ["1", "2", "3", "4"]
    assert [message.command_id for message in drive.messages if not message.outcomes] == ["1", "4"]
