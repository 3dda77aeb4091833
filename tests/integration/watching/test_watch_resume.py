"""Resuming with a token: exactly the missed events, or a gap that says why not."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from synckairos.adapters.redis.keys import Keys
from synckairos.devstack import RedisServer
from synckairos.domain.model import Head
from synckairos.rpc import tokens
from synckairos.settings import Settings
from synckairos.v1 import event_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Recording, Stub, connect, new_id, running_session, watching
from testing.harness.processes.in_process import serving, settings_for

WINDOW = 16


@pytest.fixture(scope="module")
def settings(redis_server: RedisServer) -> Settings:
    """A server's settings."""
    return settings_for(redis_server.url, event_window=WINDOW)


@pytest.fixture(scope="module")
async def stub(settings: Settings) -> AsyncIterator[Stub]:
    """A client of a server."""
    async with serving(settings) as server, connect(server.address) as stub:
        yield stub


def watch(stub: Stub, session_id: str, token: str = "") -> Any:
    """Record a stream of a session, continued from a token."""
    return watching(stub.WatchSession(pb.WatchSessionRequest(session_id=session_id, resume_token=token)))


async def switch(stub: Stub, session_id: str, times: int = 1) -> None:
    """Switch this many times."""
    for _ in range(times):
        await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session_id))


async def seen(stub: Stub, session_id: str) -> str:
    """Watch for a moment and return the token of the last message."""
    async with watch(stub, session_id) as recording:
        await recording.until(lambda r: r.messages)
        return recording.messages[-1].resume_token


@pytest.mark.parametrize("missed", [1, 5, WINDOW - 1])
async def test_what_was_missed_is_replayed_exactly(stub: Stub, missed: int) -> None:
    """Inside the window there is no snapshot: the missed events, as readers who stayed got them, then the new ones."""
    sid = (await running_session(stub)).session_id
    token = await seen(stub, sid)

    async with watch(stub, sid) as stayed:
        await stayed.until(lambda r: r.of("snapshot"))
        await switch(stub, sid, missed)
        async with watch(stub, sid, token) as back:
            await back.until(lambda r: len(r.versions) == missed)
            await switch(stub, sid)
            for recording in (back, stayed):
                await recording.until(lambda r: 3 + missed in r.versions)

    assert back.kinds() == ["event"] * (missed + 1)
    assert back.messages == [message for message in stayed.messages if message.WhichOneof("payload") == "event"]


async def test_a_reader_that_missed_nothing_gets_progress(stub: Stub) -> None:
    """A token of the current version needs neither snapshot nor event: progress at once, then new events."""
    sid = (await running_session(stub)).session_id
    token = await seen(stub, sid)

    async with watch(stub, sid, token) as recording:
        await recording.until(lambda r: r.messages)
        assert recording.messages[0].progress.version == 2
        await switch(stub, sid)
        await recording.until(lambda r: r.versions)

    assert recording.kinds() == ["progress", "event"]
    assert recording.versions == [3]


async def test_every_message_is_a_place_to_continue_from(stub: Stub) -> None:
    """Tokens of the snapshot and of every event lead to exactly the events behind them."""
    sid = (await running_session(stub)).session_id
    async with watch(stub, sid) as recording:
        await recording.until(lambda r: r.messages)
        await switch(stub, sid, 4)
        await recording.until(lambda r: 6 in r.versions)

    for message in recording.messages[:-1]:
        async with watch(stub, sid, message.resume_token) as back:
            await back.until(lambda r: 6 in r.versions)
        assert back.versions == list(range(message.version + 1, 7))


async def test_as_many_as_are_retained_are_replayed(stub: Stub) -> None:
    """The version of the token has just left the window, and nothing after it has."""
    sid = (await running_session(stub)).session_id
    token = await seen(stub, sid)
    await switch(stub, sid, WINDOW)

    async with watch(stub, sid, token) as recording:
        await recording.until(lambda r: r.versions[-1:] == [2 + WINDOW])

    assert recording.kinds() == ["event"] * WINDOW


@pytest.mark.parametrize("beyond", [1, 2, 30])
async def test_what_has_left_the_window_is_a_gap(stub: Stub, beyond: int) -> None:
    """One event too many: a gap with the oldest version that can be replayed, a snapshot, and then every event."""
    sid = (await running_session(stub)).session_id
    token = await seen(stub, sid)
    await switch(stub, sid, WINDOW + beyond)
    now = 2 + WINDOW + beyond

    async with watch(stub, sid, token) as recording:
        await recording.until(lambda r: "snapshot" in r.kinds())
        await switch(stub, sid)
        await recording.until(lambda r: r.versions)

    assert recording.kinds() == ["gap", "snapshot", "event"]
    gap, snapshot, event = recording.messages
    assert gap.gap.reason == event_pb2.GAP_REASON_WINDOW_PASSED
    assert gap.gap.min_version == now - WINDOW + 1
    assert (snapshot.snapshot.version, event.version) == (now, now + 1)


async def test_the_window_lives_as_long_as_the_session(
    stub: Stub, settings: Settings, redis_server: RedisServer
) -> None:
    """An expiry that an older version set is lifted by the next change; once it is gone a token is a gap."""
    sid = (await running_session(stub)).session_id
    token = await seen(stub, sid)
    await switch(stub, sid)
    keys = Keys(settings.redis_prefix).of(sid)
    async with Redis.from_url(redis_server.url) as redis:
        await redis.pexpire(keys.events, 50_000)
        async with watch(stub, sid, token) as before:
            await before.until(lambda r: r.versions == [3])
        read = await redis.pttl(keys.events)
        await switch(stub, sid)
        changed, whole = await redis.pttl(keys.events), await redis.pttl(keys.session)
        await redis.delete(keys.events)
        async with watch(stub, sid, token) as after:
            await after.until(lambda r: "snapshot" in r.kinds())

    assert read <= 50_000
    assert (changed, whole) == (-1, -1)
    assert after.kinds() == ["gap", "snapshot"]
    assert after.messages[0].gap.reason == event_pb2.GAP_REASON_WINDOW_PASSED


def forged(recording: Recording, **changes: Any) -> str:
    """Return the token of the last message of a recording with something changed."""
    last = recording.messages[-1]
    head = tokens.read_resume(last.session_id, last.resume_token)
    return tokens.write_resume(last.session_id, Head(**{**head._asdict(), **changes}))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"epoch": 1}, "GAP_REASON_EPOCH_CHANGED", id="another life"),
        pytest.param({"change_id": new_id()}, "GAP_REASON_FORKED", id="another change at that version"),
        pytest.param({"version": 99}, "GAP_REASON_FORKED", id="ahead of the store"),
        pytest.param({"version": 2, "change_id": new_id()}, "GAP_REASON_FORKED", id="another change earlier"),
    ],
)
async def test_another_history_is_a_gap(stub: Stub, changes: dict[str, Any], reason: str) -> None:
    """A token whose past is not this session's is answered with a gap and the state, never with a silent jump."""
    sid = (await running_session(stub)).session_id
    await switch(stub, sid, 3)
    async with watch(stub, sid) as recording:
        await recording.until(lambda r: r.messages)
    token = forged(recording, **changes)

    async with watch(stub, sid, token) as back:
        await back.until(lambda r: "snapshot" in r.kinds())

    assert back.kinds() == ["gap", "snapshot"]
    assert event_pb2.GapReason.Name(back.messages[0].gap.reason) == reason
    assert not back.messages[0].resume_token


@pytest.mark.parametrize("ended_by", ["Complete", "Delete"])
async def test_resuming_a_session_that_has_ended(stub: Stub, ended_by: str) -> None:
    """A reader that missed the end of a session, or its deletion, is sent all missed events, and then the end."""
    sid = (await running_session(stub)).session_id
    token = await seen(stub, sid)
    await switch(stub, sid)
    if ended_by == "Complete":
        await stub.CompleteSession(pb.CompleteSessionRequest(session_id=sid))
    else:
        await stub.DeleteSession(pb.DeleteSessionRequest(session_id=sid))

    async with watch(stub, sid, token) as recording:
        await recording.until_end()

    assert recording.kinds() == ["event", "event", "end"]
    assert recording.versions == [3, 4]
    *_, last, end = recording.messages
    types = {"Complete": event_pb2.EVENT_TYPE_SESSION_COMPLETED, "Delete": event_pb2.EVENT_TYPE_SESSION_DELETED}
    reasons = {"Complete": event_pb2.END_REASON_TERMINAL, "Delete": event_pb2.END_REASON_DELETED}
    assert (last.event.type, end.end.reason) == (types[ended_by], reasons[ended_by])
    assert recording.error is None
