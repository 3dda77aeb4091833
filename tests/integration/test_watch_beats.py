"""What a stream says between events: ticks, warnings and progress, by the real clock."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest

from synckairos.devstack import RedisServer
from synckairos.v1 import event_pb2, session_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Recording, Stub, connect, running_session, watching
from testing.harness.in_process import serving, settings_for
from tests.integration.good_requests import create

BUDGET = 60_000
NOTIFY = session_pb2.ON_EXPIRE_NOTIFY


@pytest.fixture(scope="module")
async def stub(redis_server: RedisServer) -> AsyncIterator[Stub]:
    """A client of a server."""
    async with serving(settings_for(redis_server.url)) as server, connect(server.address) as stub:
        yield stub


def watch(stub: Stub, session: session_pb2.Session, **more: Any) -> Any:
    """Record a stream of a session."""
    return watching(stub.WatchSession(pb.WatchSessionRequest(session_id=session.session_id, **more)))


async def set_left(stub: Stub, session: session_pb2.Session, ms: int) -> session_pb2.Session:
    """Set what is left of the session's clock."""
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
    """Each tick says what has run and what is left at its own instant, to the ms."""
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


async def test_readers_have_ticks_of_their_own(stub: Stub) -> None:
    """Two readers of one session are each ticked at the distance they asked for, a third not at all."""
    session = await running_session(stub, create("count up"))

    async with (
        watch(stub, session, tick_interval_ms=100) as often,
        watch(stub, session, tick_interval_ms=250) as seldom,
        watch(stub, session) as never,
    ):
        await seldom.until(lambda r: len(r.of("tick")) >= 2)
        await often.until(lambda r: len(r.of("tick")) >= 4)

    assert_aligned(instants(often, "tick"), 100)
    assert_aligned(instants(seldom, "tick"), 250)
    assert never.kinds() == ["snapshot"]
    assert not often.of("tick")[0].tick.HasField("remaining_ms")


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


async def test_a_paused_clock_does_not_tick(stub: Stub) -> None:
    """Between pause and resume progress goes on and ticks do not; afterwards they do, less what did not run."""
    session = await running_session(stub, create("global"))
    target = {"session_id": session.session_id}

    async with watch(stub, session, tick_interval_ms=100, progress_interval_ms=100) as recording:
        await recording.until(lambda r: r.of("tick"))
        await stub.PauseSession(pb.PauseSessionRequest(**target))
        await recording.until(lambda r: 3 in r.versions)
        paused_from = len(recording.messages)
        await recording.until(lambda r: len(r.messages) >= paused_from + 4)
        paused = recording.kinds()[paused_from:]
        resumed = (await stub.ResumeSession(pb.ResumeSessionRequest(**target))).session
        await recording.until(lambda r: any(message.version == 4 for message in r.of("tick")))

    assert set(paused) == {"progress"}
    last = recording.of("tick")[-1]
    due = resumed.deadline_at.ToMilliseconds()
    assert last.tick.remaining_ms == due - last.server_time.ToMilliseconds()


async def test_overtime_ticks_upward(stub: Stub) -> None:
    """Past the deadline under NOTIFY the ticks count the overtime, from the event on, and nothing is left."""
    session = await running_session(stub, create("global", on_expire=NOTIFY))

    async with watch(stub, session, tick_interval_ms=100) as recording:
        adjusted = await set_left(stub, session, 150)
        await recording.until(lambda r: r.of("tick") and r.of("tick")[-1].tick.overtime_ms > 100)

    due = adjusted.deadline_at.ToMilliseconds()
    after = recording.messages[recording.kinds().index("event") :]
    over = [
        message for message in after if message.WhichOneof("payload") == "tick" and message.tick.HasField("overtime_ms")
    ]
    assert over
    for message in over:
        assert message.tick.overtime_ms == message.server_time.ToMilliseconds() - due
        assert not message.tick.HasField("remaining_ms")
        assert message.version == 4


async def test_a_stream_never_goes_backwards(stub: Stub) -> None:
    """Amid switches one after the other, versions never step back and no tick is older than what came before it."""
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


async def test_who_comes_later_is_not_warned_of_what_is_past(stub: Stub) -> None:
    """A threshold is crossed once: who begins to watch behind it, first on its server or not, sees only the next."""
    session = await running_session(stub, create("global", warning_thresholds_ms=[BUDGET - 50, BUDGET - 1_500]))
    async with watch(stub, session) as present:
        await present.until(lambda r: len(r.of("warning")) == 1)

    async with watch(stub, session) as first:
        await first.until(lambda r: r.messages)
        async with watch(stub, session) as second:
            await second.until(lambda r: r.of("warning"))
        await first.until(lambda r: r.of("warning"))

    for recording in (first, second):
        assert recording.kinds() == ["snapshot", "warning"]
        assert recording.messages[1].warning.threshold_ms == BUDGET - 1_500
        assert instants(recording, "snapshot") < instants(recording, "warning")


async def test_a_pause_holds_warnings_back(stub: Stub) -> None:
    """No threshold is crossed while the clock stands; after the pause it is, as much later as it stood."""
    session = await running_session(stub, create("global", warning_thresholds_ms=[BUDGET - 150]))
    target = {"session_id": session.session_id}

    async with watch(stub, session, progress_interval_ms=100) as recording:
        await recording.until(lambda r: r.messages)
        await stub.PauseSession(pb.PauseSessionRequest(**target))
        await recording.until(lambda r: len(r.of("progress")) >= 4)
        held_back = not recording.of("warning")
        resumed = (await stub.ResumeSession(pb.ResumeSessionRequest(**target))).session
        await recording.until(lambda r: r.of("warning"))

    assert held_back
    assert instants(recording, "warning") == [resumed.deadline_at.ToMilliseconds() - BUDGET + 150]


async def test_an_adjustment_makes_a_threshold_cross_again(stub: Stub) -> None:
    """More time above the threshold warns a second time; taking time away past it does not warn behind its back."""
    session = await running_session(stub, create("global", warning_thresholds_ms=[BUDGET - 100]))

    async with watch(stub, session, progress_interval_ms=100) as recording:
        await recording.until(lambda r: len(r.of("warning")) == 1)
        again = await set_left(stub, session, BUDGET)
        await recording.until(lambda r: len(r.of("warning")) == 2)
        await set_left(stub, session, BUDGET - 5_000)
        seen = len(recording.of("progress"))
        await recording.until(lambda r: len(r.of("progress")) >= seen + 3)

    assert len(recording.of("warning")) == 2
    assert instants(recording, "warning")[1] == again.deadline_at.ToMilliseconds() - BUDGET + 100
    kinds = [kind for kind in recording.kinds() if kind in ("warning", "event")]
    assert kinds == ["warning", "event", "warning", "event"]


async def test_each_cycle_warns_anew(stub: Stub) -> None:
    """A new turn has its own crossing; warnings and events stand in the order of their instants."""
    request = create("cycle", warning_thresholds_ms=[BUDGET - 100])
    session = await running_session(stub, request)

    async with watch(stub, session) as recording:
        for count in (1, 2):
            await recording.until(lambda r, count=count: len(r.of("warning")) == count)
            await stub.SwitchCycle(pb.SwitchCycleRequest(session_id=session.session_id))
        await recording.until(lambda r: len(r.of("warning")) == 3)

    told = recording.messages[1:]
    assert [one.WhichOneof("payload") for one in told] == ["warning", "event"] * 2 + ["warning"]
    assert all(one.server_time.ToMilliseconds() <= other.server_time.ToMilliseconds() for one, other in pairwise(told))
    assert [one.warning.cycle_number for one in recording.of("warning")] == [1, 2, 3]
    active = [participant.participant_id for participant in request.participants]
    assert [one.warning.participant_id for one in recording.of("warning")] == [active[0], active[1], active[0]]
