"""A thousand sessions in one stream, each continued from where its reader stood, on another server."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest

from synckairos.devstack import RedisServer
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Recording, Stub, connect, new_id, watching
from testing.harness.processes.in_process import serving, settings_for

SESSIONS: Final = 1_000
MOST_MISSED: Final = 3


@pytest.fixture
async def stubs(redis_server: RedisServer) -> AsyncIterator[list[Stub]]:
    """Clients of two servers on one store."""
    prefix = f"t{new_id()[:12]}"
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(serving(settings_for(redis_server.url, prefix))) for _ in range(2)]
        yield [await stack.enter_async_context(connect(server.address)) for server in servers]


async def execute(stub: Stub, commands: list[pb.ExecuteCommandsRequest]) -> None:
    """Carry out commands over one stream; none may be refused."""

    async def written() -> AsyncIterator[pb.ExecuteCommandsRequest]:
        for command in commands:
            yield command

    answers = [answer async for answer in stub.ExecuteCommands(written())]
    assert [answer.command_id for answer in answers if answer.HasField("status")] == []
    assert len(answers) == len(commands)


def creating(session_id: str) -> list[pb.ExecuteCommandsRequest]:
    """Return the commands that make a session run."""
    create = pb.CreateSessionRequest(session_id=session_id, mode=session_pb2.MODE_COUNT_UP)
    start = pb.StartSessionRequest(session_id=session_id)
    return [
        pb.ExecuteCommandsRequest(command_id="create", create_session=create),
        pb.ExecuteCommandsRequest(command_id="start", start_session=start),
    ]


def switching(session_id: str, times: int) -> list[pb.ExecuteCommandsRequest]:
    """Return the commands that switch a session this many times."""
    switch = pb.SwitchCycleRequest(session_id=session_id)
    return [pb.ExecuteCommandsRequest(command_id="switch", switch_cycle=switch)] * times


def watch(stub: Stub, tokens: dict[str, str]) -> Any:
    """Record one stream of all sessions, each from its token."""
    watches = [pb.SessionWatch(session_id=session_id, resume_token=token) for session_id, token in tokens.items()]
    return watching(stub.WatchSessions(pb.WatchSessionsRequest(watches=watches)))


def told(recording: Recording) -> dict[str, list[tuple[str, int]]]:
    """Return the kind and version of every message, by session."""
    by_session: dict[str, list[tuple[str, int]]] = {}
    for message in recording.messages:
        by_session.setdefault(message.session_id, []).append((message.WhichOneof("payload") or "", message.version))
    return by_session


async def test_each_of_a_thousand_continues_from_its_own_position(stubs: list[Stub]) -> None:
    """They missed none, one, two or three events: each is sent exactly those, by a server new to it."""
    one, other = stubs
    missed = {new_id(): place % (MOST_MISSED + 1) for place in range(SESSIONS)}
    await execute(one, [command for session_id in missed for command in creating(session_id)])
    async with watch(one, dict.fromkeys(missed, "")) as before:
        await before.until(lambda r: len(r.messages) == SESSIONS, seconds=30)
    tokens = {message.session_id: message.resume_token for message in before.messages}
    await execute(one, [command for sid, times in missed.items() for command in switching(sid, times)])

    async with watch(other, tokens) as after:
        expected = sum(max(1, times) for times in missed.values())
        await after.until(lambda r: len(r.messages) == expected, seconds=30)
        await execute(one, [command for sid in missed for command in switching(sid, 1)])
        await after.until(lambda r: len(r.messages) == expected + SESSIONS, seconds=30)

    for session_id, said in told(after).items():
        times = missed[session_id]
        replay = [("event", version) for version in range(3, 3 + times)] or [("progress", 2)]
        assert said == [*replay, ("event", 3 + times)]
    assert told(after).keys() == missed.keys()
