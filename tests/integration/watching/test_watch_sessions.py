"""WatchSessions end to end: many sessions in one stream, each with its own beginning and end."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from redis.asyncio import Redis

from synckairos.adapters.redis.keys import Keys, SessionKeys
from synckairos.adapters.redis.values import codec
from synckairos.devstack import RedisServer
from synckairos.settings import Settings
from synckairos.v1 import event_pb2, session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Recording, Stub, connect, new_id, problem_of, running_session, two_players, watching
from testing.harness.processes.in_process import serving, settings_for
from tests.integration.rpc.good_requests import create

ADVANCING = {"time_per_cycle_ms": 60_000, "on_expire": session_pb2.ON_EXPIRE_ADVANCE}


@pytest.fixture(scope="module")
def settings(redis_server: RedisServer) -> Settings:
    """A server's settings."""
    return settings_for(redis_server.url)


@pytest.fixture(scope="module")
async def stub(settings: Settings) -> AsyncIterator[Stub]:
    """A client of a server."""
    async with serving(settings) as server, connect(server.address) as stub:
        yield stub


async def set_back(redis: Any, keys: SessionKeys, session_id: str, minutes: int = 1_500) -> None:
    """Make a session one that started so long ago, as if no server had run since."""
    session = codec.decode_session(session_id, await redis.get(keys.session))
    names = ("created_at", "updated_at", "started_at", "cycle_started_at", "resumed_at")
    earlier = {name: getattr(session, name) - minutes * 60_000 for name in names}
    await redis.set(keys.session, codec.encode_session(session._replace(**earlier)))


async def change_silently(redis: Any, keys: SessionKeys, session_id: str) -> None:
    """Store one more version of a session without a hint to anybody."""
    ((_, fields),) = await redis.xrevrange(keys.events, count=1)
    last = codec.decode_event(session_id, fields[b"e"])
    session = last.session._replace(version=last.session.version + 1, change_id=new_id())
    encoded = codec.encode_session(session)
    await redis.xadd(
        keys.events, {"e": codec.encode_event(last._replace(session=session), encoded)}, f"{session.version}-0"
    )
    await redis.set(keys.session, encoded)


def watch(stub: Stub, tokens: dict[str, str], **more: Any) -> Any:
    """Record a stream of sessions, each continued from a token."""
    watches = [pb.SessionWatch(session_id=sid, resume_token=token) for sid, token in tokens.items()]
    return watching(stub.WatchSessions(pb.WatchSessionsRequest(watches=watches, **more)))


def told(recording: Recording, session_id: str) -> list[tuple[str, int]]:
    """Return the kind and version of every message about one session."""
    return [
        (message.WhichOneof("payload") or "", message.version)
        for message in recording.messages
        if message.session_id == session_id
    ]


def end_of(recording: Recording, session_id: str) -> str:
    """Return the name of the reason a session ended with."""
    (end,) = [message.end for message in recording.of("end") if message.session_id == session_id]
    return event_pb2.EndReason.Name(end.reason)


async def test_every_session_has_its_own_story(stub: Stub) -> None:
    """Running, terminal, unknown, deleted, resumed and hopelessly late: each gets the messages it would get alone."""
    running, resumed, late, doomed = [(await running_session(stub)).session_id for _ in range(4)]
    done, unknown = (await stub.CreateSession(two_players())).session.session_id, new_id()
    await stub.CancelSession(pb.CancelSessionRequest(session_id=done))
    async with watch(stub, {resumed: "", late: ""}) as before:
        await before.until(lambda r: len(r.messages) == 2)
    tokens = {message.session_id: message.resume_token for message in before.messages}
    await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=resumed))
    for _ in range(20):
        await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=late))

    async with watch(
        stub, {running: "", resumed: "", late: "", done: "", unknown: "", doomed: ""} | tokens
    ) as recording:
        await recording.until(lambda r: len({message.session_id for message in r.messages}) == 6)
        await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=running))
        await stub.DeleteSession(pb.DeleteSessionRequest(session_id=doomed))
        await recording.until(
            lambda r: len(r.of("end")) == 3 and (running, 3) in {(m.session_id, m.version) for m in r.messages}
        )
        for sid in (running, resumed, late):
            await stub.CompleteSession(pb.CompleteSessionRequest(session_id=sid))
        await recording.until_end()

    assert told(recording, running) == [("snapshot", 2), ("event", 3), ("event", 4), ("end", 4)]
    assert told(recording, resumed) == [("event", 3), ("event", 4), ("end", 4)]
    assert told(recording, late) == [("gap", 22), ("snapshot", 22), ("event", 23), ("end", 23)]
    assert told(recording, done) == [("snapshot", 2), ("end", 2)]
    assert told(recording, unknown) == [("end", 0)]
    assert told(recording, doomed) == [("snapshot", 2), ("event", 3), ("end", 3)]
    assert end_of(recording, unknown) == "END_REASON_NOT_FOUND"
    assert end_of(recording, doomed) == "END_REASON_DELETED"
    assert {end_of(recording, sid) for sid in (running, resumed, late, done)} == {"END_REASON_TERMINAL"}
    assert recording.error is None


async def test_a_bad_session_does_not_spoil_the_others(
    stub: Stub, settings: Settings, redis_server: RedisServer
) -> None:
    """One a thousand cycles behind and one written by a newer version are ended alone, to be watched again later."""
    good, behind, newer = [(await running_session(stub, create("cycle", **ADVANCING))).session_id for _ in range(3)]
    async with Redis.from_url(redis_server.url) as redis:
        await set_back(redis, Keys(settings.redis_prefix).of(behind), behind)
        await redis.setrange(Keys(settings.redis_prefix).of(newer).session, 0, bytes([codec.LAYOUTS[-1] + 1]))

        async with watch(stub, {behind: "", good: "", newer: ""}) as recording:
            await recording.until(lambda r: len(r.messages) == 3)
            await stub.CompleteSession(pb.CompleteSessionRequest(session_id=good))
            await recording.until_end()

    assert told(recording, good) == [("snapshot", 2), ("event", 3), ("end", 3)]
    for sid in (behind, newer):
        assert told(recording, sid) == [("end", 0)]
        assert end_of(recording, sid) == "END_REASON_UNAVAILABLE"
    assert all(message.end.retry_after_ms for message in recording.of("end") if message.session_id != good)
    assert recording.error is None


async def test_a_session_that_becomes_unreadable_ends_and_the_others_are_polled_on(
    stub: Stub, settings: Settings, redis_server: RedisServer
) -> None:
    """A newer version writes one of the watched sessions: it ends; changes of another are noticed without any hint."""
    changed, kept = [(await running_session(stub)).session_id for _ in range(2)]
    keys = {sid: Keys(settings.redis_prefix).of(sid) for sid in (changed, kept)}

    async with Redis.from_url(redis_server.url) as redis, watch(stub, {changed: "", kept: ""}) as recording:
        await recording.until(lambda r: len(r.messages) == 2)
        await redis.setrange(keys[changed].session, 0, bytes([codec.LAYOUTS[-1] + 1]))
        await recording.until(lambda r: r.of("end"))
        await change_silently(redis, keys[kept], kept)
        await recording.until(lambda r: (kept, 3) in {(m.session_id, m.version) for m in r.messages})

    assert told(recording, changed) == [("snapshot", 2), ("end", 2)]
    assert end_of(recording, changed) == "END_REASON_UNAVAILABLE"
    assert told(recording, kept) == [("snapshot", 2), ("event", 3)]


@pytest.mark.parametrize(
    ("ids", "path"),
    [
        pytest.param([], "watches", id="none"),
        pytest.param([new_id() for _ in range(1_001)], "watches", id="one too many"),
        pytest.param([new_id()] * 2, "watches[1].session_id", id="twice"),
    ],
)
async def test_the_list_of_sessions_has_its_limits(stub: Stub, ids: list[str], path: str) -> None:
    """1 to 1 000 different sessions."""
    request = pb.WatchSessionsRequest(watches=[pb.SessionWatch(session_id=sid) for sid in ids])

    async with watching(stub.WatchSessions(request)) as recording:
        await recording.until_end()

    assert recording.error is not None
    problem = problem_of(recording.error)
    assert (problem.code, list(problem.fields)) == (grpc.StatusCode.INVALID_ARGUMENT, [path])
