"""Messages between events: ticks, warnings and progress, by the real clock."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest

from synckairos.devstack import RedisServer
from synckairos.v1 import event_pb2, session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Recording, Stub, connect, running_session, watching
from testing.harness.processes.in_process import serving, settings_for
from tests.integration.rpc.good_requests import create

BUDGET = 60_000


@pytest.fixture(scope="module")
async def stub(redis_server: RedisServer) -> AsyncIterator[Stub]:
    """A client of a server."""
    async with serving(settings_for(redis_server.url)) as server, connect(server.address) as stub:
        yield stub


def watch(stub: Stub, session: session_pb2.Session, **more: Any) -> Any:
    """Record a stream of a session."""
    return watching(stub.WatchSession(pb.WatchSessionRequest(session_id=session.session_id, **more)))


async def set_left(stub: Stub, session: session_pb2.Session, ms: int) -> session_pb2.Session:
    """Set the time left on the session's clock."""
    request = pb.AdjustTimeRequest(session_id=session.session_id, set_ms=ms, reason="test")
    adjusted: session_pb2.Session = (await stub.AdjustTime(request)).session
    return adjusted


def instants(recording: Recording, kind: str) -> list[int]:
    """Return the instants in ms of the messages of a kind."""
    return [message.server_time.ToMilliseconds() for message in recording.of(kind)]


def assert_aligned(ticks: list[int], interval: int) -> None:
    """Every tick lies on a whole multiple of the interval, and on one of its own, later than the one before."""
    assert ticks
    assert all(at % interval == 0 for at in ticks)
    assert all(one < other for one, other in pairwise(ticks))


async def test_ticks_show_the_clock_at_whole_multiples(stub: Stub) -> None:
    """Each tick shows elapsed and remaining time at its own instant, to the ms."""
    session = await running_session(stub, create("global"))
    started, due = session.started_at.ToMilliseconds(), session.deadline_at.ToMilliseconds()

    async with watch(stub, session, tick_interval_ms=100) as recording:
        await recording.until(lambda r: len(r.of("tick")) >= 6)

    ticks = instants(recording, "tick")
    assert_aligned(ticks, 100)
    for at, message in zip(ticks, recording.of("tick"), strict=True):
        tick = message.tick
        assert (tick.elapsed_ms, tick.remaining_ms) == (at - started, due - at)
        assert (message.version, tick.cycle_number) == (2, 1)
        assert not tick.HasField("overtime_ms")
    assert recording.kinds().count("tick") == len(recording.kinds()) - 1


async def test_progress_comes_at_the_interval_asked_for(stub: Stub) -> None:
    """Each reader of an idle session is told at every whole multiple of its own interval how far it has been sent."""
    session = await running_session(stub, create("global"))

    async with (
        watch(stub, session, progress_interval_ms=400) as often,
        watch(stub, session, progress_interval_ms=1_000, tick_interval_ms=100) as seldom,
        watch(stub, session) as never,
    ):
        await seldom.until(lambda r: len(r.of("progress")) >= 2)
        await often.until(lambda r: len(r.of("progress")) >= 5)

    for recording, interval in ((often, 400), (seldom, 1_000)):
        told = instants(recording, "progress")
        assert_aligned(told, interval)
        assert told == list(range(told[0], told[-1] + 1, interval)), "a mark was left out"
        assert {message.progress.version for message in recording.of("progress")} == {2}
        assert all(message.resume_token for message in recording.of("progress"))
    assert never.kinds() == ["snapshot"]


async def test_no_tick_reaches_zero(stub: Stub) -> None:
    """The last tick comes before the deadline with at least 1 ms left; then the expiry, and nothing behind it."""
    session = await running_session(stub, create("global"))

    async with watch(stub, session, tick_interval_ms=100) as recording:
        adjusted = await set_left(stub, session, 350)
        await recording.until_end()

    due = adjusted.deadline_at.ToMilliseconds()
    assert_aligned(instants(recording, "tick"), 100)
    assert max(instants(recording, "tick")) < due
    assert all(message.tick.remaining_ms >= 1 for message in recording.of("tick"))
    assert recording.kinds()[-2:] == ["event", "end"]
    assert recording.messages[-2].event.type == event_pb2.EVENT_TYPE_SESSION_EXPIRED


async def test_a_stream_never_goes_backwards(stub: Stub) -> None:
    """Amid continuous switches, versions never step back and no tick is older than the message before it."""
    session = await running_session(stub, create("participant"))
    done = asyncio.Event()

    async def switching() -> None:
        while not done.is_set():
            await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session.session_id))

    async with watch(stub, session, tick_interval_ms=100, progress_interval_ms=100) as recording:
        writer = asyncio.create_task(switching())
        await recording.until(lambda r: len(r.of("tick")) >= 5 and len(r.of("progress")) >= 3)
        done.set()
        await writer

    assert all(one.version <= other.version for one, other in pairwise(recording.messages))
    for one, other in pairwise(recording.messages):
        if other.WhichOneof("payload") == "tick":
            assert one.server_time.ToMilliseconds() < other.server_time.ToMilliseconds()
    assert recording.versions == list(range(recording.messages[0].version + 1, recording.messages[-1].version + 1))
    for message in recording.of("progress"):
        sent = recording.messages[: recording.messages.index(message)]
        assert max(one.version for one in sent) == message.progress.version


async def test_warnings_come_when_their_threshold_is_crossed(stub: Stub) -> None:
    """Each threshold below the budget warns once, at its own instant and in order; the one above never."""
    thresholds = [BUDGET - 100, BUDGET - 250, BUDGET + 1_000]
    session = await running_session(stub, create("global", warning_thresholds_ms=thresholds))
    due = session.deadline_at.ToMilliseconds()

    async with watch(stub, session, progress_interval_ms=100) as recording:
        await recording.until(lambda r: len(r.of("warning")) >= 2)
        seen = len(recording.of("progress"))
        await recording.until(lambda r: len(r.of("progress")) >= seen + 2)

    warnings = [message.warning for message in recording.of("warning")]
    assert [warning.threshold_ms for warning in warnings] == thresholds[:2]
    assert [warning.remaining_ms for warning in warnings] == thresholds[:2]
    assert instants(recording, "warning") == [due - threshold for threshold in thresholds[:2]]
    assert all(message.version == 2 for message in recording.of("warning"))
