"""WatchSessions in batches: the same messages in the same order, several in one; only for who asked for them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from synckairos.devstack import RedisServer
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Recording, Stub, connect, new_id, running_session, watching
from testing.harness.command_client import command, driving
from testing.harness.processes.in_process import serving, settings_for

SESSIONS = 40
SWITCHES = 5


@pytest.fixture(scope="module")
async def stub(redis_server: RedisServer) -> AsyncIterator[Stub]:
    """A client of a server."""
    async with serving(settings_for(redis_server.url)) as server, connect(server.address) as stub:
        yield stub


def watch(stub: Stub, sessions: list[str], **more: Any) -> Any:
    """Record one stream of these sessions."""
    watches = [pb.SessionWatch(session_id=session_id) for session_id in sessions]
    return watching(stub.WatchSessions(pb.WatchSessionsRequest(watches=watches, **more)))


def told(recording: Recording) -> dict[str, list[tuple[str, int]]]:
    """Return the kind and version of every message but ticks, by session, also of those in batches."""
    by_session: dict[str, list[tuple[str, int]]] = {}
    messages: list[Any] = list(recording.messages)
    for message in messages:
        for each in message.frames or [message]:
            if each.WhichOneof("payload") != "tick":
                by_session.setdefault(each.session_id, []).append((each.WhichOneof("payload"), each.version))
    return by_session


async def test_a_batch_says_what_single_messages_say(stub: Stub) -> None:
    """40 sessions are played and completed under two streams: both tell each session's whole story in order."""
    sessions = [(await running_session(stub)).session_id for _ in range(SESSIONS)]
    unknown = new_id()
    async with (
        watch(stub, [*sessions, unknown], accept_batches=True, tick_interval_ms=100) as batched,
        watch(stub, [*sessions, unknown], tick_interval_ms=100) as single,
        driving(stub) as drive,
    ):
        for recording in (batched, single):
            await recording.until(lambda r: len(told(r)) == SESSIONS + 1)
        for _ in range(SWITCHES):
            await drive.send_together(
                *[command("s", pb.SwitchCycleRequest(session_id=session_id)) for session_id in sessions]
            )
        await drive.send_together(
            *[command("c", pb.CompleteSessionRequest(session_id=session_id)) for session_id in sessions]
        )
        await batched.until_end()
        await single.until_end()

    last = 2 + SWITCHES + 1
    story = [("snapshot", 2), *[("event", version) for version in range(3, last + 1)], ("end", last)]
    assert told(batched) == told(single) == {**dict.fromkeys(sessions, story), unknown: [("end", 0)]}
    frames: list[Any] = [message for message in batched.messages if message.frames]  # type: ignore[attr-defined] # WatchSessionsResponse
    assert frames
    assert all(len(message.frames) > 1 and not message.session_id for message in frames)
    assert not any(each.frames for message in frames for each in message.frames)
    assert len(batched.messages) < len(single.messages) / 2


async def test_who_did_not_ask_gets_no_batches(stub: Stub) -> None:
    """However much is ready at once, every message comes by itself."""
    sessions = [(await running_session(stub)).session_id for _ in range(SESSIONS)]

    async with watch(stub, sessions) as recording:
        await recording.until(lambda r: len(r.messages) == SESSIONS)

    messages: list[Any] = list(recording.messages)
    assert {message.session_id for message in messages} == set(sessions)
    assert not any(message.frames for message in messages)


async def test_a_message_that_is_alone_comes_by_itself(stub: Stub) -> None:
    """Batches cost a client that has one session nothing."""
    session = (await running_session(stub)).session_id

    async with watch(stub, [session], accept_batches=True) as recording:
        await recording.until(lambda r: r.messages)
        await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session))
        await recording.until(lambda r: len(r.messages) == 2)

    assert recording.kinds() == ["snapshot", "event"]
