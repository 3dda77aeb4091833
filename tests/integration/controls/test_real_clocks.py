"""Time controls by the real clock: turns that outlast boundaries, pauses within them, and what the sweep ends."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from synckairos.devstack import RedisServer
from synckairos.v1 import event_pb2, session_pb2, time_control_pb2
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.client import Recording, Stub, connect, refused, watching
from testing.harness.playing.played_sessions import PlayedSession, with_control
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.waiting import eventually

PERIOD, DELAY, MAIN = (getattr(time_control_pb2, f"CLOCK_PHASE_KIND_{kind}") for kind in ("PERIOD", "DELAY", "MAIN"))
EXPIRED, ELIMINATED = event_pb2.EVENT_TYPE_SESSION_EXPIRED, event_pb2.EVENT_TYPE_PARTICIPANT_EXPIRED
NOTIFY = session_pb2.ON_EXPIRE_NOTIFY


def watched(game: PlayedSession) -> Any:
    """Record the stream of a session."""
    return watching(game.stub.WatchSession(pb.WatchSessionRequest(session_id=game.id)))


async def until_run(game: PlayedSession, ms: int) -> session_pb2.Session:
    """Wait until the running turn has lasted so long; return the session as it was read then."""

    async def has_run() -> bool:
        session = await game.get()
        return bool(session.elapsed_ms >= ms)

    await eventually(has_run)
    return game.session


def last_event(recording: Recording) -> event_pb2.Event:
    """Return the last event of a stream."""
    return recording.of("event")[-1].event


def millis(instant: Timestamp) -> int:
    """Return an instant in ms."""
    return instant.ToMilliseconds()


async def several_periods_burn_in_one_move(stub: Stub) -> None:
    """1 s and nine periods of 1 s: a move of 3.2 s burns two, and the third comes back whole."""
    game = await PlayedSession.create(stub, with_control("1|9x1"))
    async with watched(game) as stream:
        await stream.until(lambda s: s.of("snapshot"))
        session = await until_run(game, 3_200)
        assert session.participants[0].clock.periods_left == 9 - (session.elapsed_ms - 1_000) // 1_000
        mover = game.active.participant_id
        session = await game.switch()
        await stream.until(lambda s: s.of("event"))
    clock = next(one.clock for one in session.participants if one.participant_id == mover)
    turn = last_event(stream).turn
    burnt = (turn.spent_ms - 1_000) // 1_000
    assert burnt >= 2
    assert (turn.periods_burnt, clock.periods_left, clock.bank_ms) == (burnt, 9 - burnt, 0)
    assert (clock.period_remaining_ms, clock.phase) == (1_000, PERIOD)
    assert len(stream.of("phase")) == 1 + burnt


async def promotion_is_on_the_exact_move(stub: Stub) -> None:
    """Two moves in 4 s, then 1 s more and 0.5 s a move: the second move gets it, and not the first."""
    game = await PlayedSession.create(stub, with_control("2/4:1+0.5", holders=1))
    spent = []
    for stage, turns, base in ((0, 1, 4_000), (1, 2, 5_000), (1, 3, 5_500)):
        await until_run(game, 300)
        before = game.session.cycle_started_at
        session = await game.switch()
        spent.append(millis(session.cycle_started_at) - millis(before))
        clock = session.participants[0].clock
        assert (clock.stage, clock.turns_made, clock.bank_ms) == (stage, turns, base - sum(spent))


async def the_next_stage_saves_no_late_move(stub: Stub) -> None:
    """One move in 2 s, then a minute: at 2 s the sweep ends it, and the move that comes then is told so."""
    game = await PlayedSession.create(stub, with_control("1/2:60"))
    started = game.session.started_at
    async with watched(game) as stream:
        await stream.until_end()
    late = await refused(stub.SwitchCycle(pb.SwitchCycleRequest(session_id=game.id)))
    event = last_event(stream)
    assert (event.type, millis(event.occurred_at)) == (EXPIRED, millis(started) + 2_000)
    assert (late.reason, event.session.participants[0].clock.stage) == ("PARTICIPANT_EXPIRED", 0)


async def a_late_move_is_judged_by_its_instant(stub: Stub) -> None:
    """Moves that race with the flag: the one before it is promoted, one at it or later is refused."""

    async def race(lead_ms: int) -> None:
        game = await PlayedSession.create(stub, with_control("1/1:60"))
        flag = millis(game.session.deadline_at)
        await until_run(game, 1_000 - lead_ms)
        try:
            session = await game.switch()
        except grpc.RpcError:
            problem = await refused(stub.SwitchCycle(pb.SwitchCycleRequest(session_id=game.id)))
            assert problem.reason == "PARTICIPANT_EXPIRED"
            session = await game.get()
            assert millis(session.completed_at) == flag
        else:
            assert millis(session.updated_at) < flag
            assert session.participants[0].clock.bank_ms == 60_000 + flag - millis(session.updated_at)

    await asyncio.gather(*(race(lead_ms) for lead_ms in (30, 15, 8, 4, 2, 0)))


async def an_hourglass_of_three_keeps_its_sum(stub: Stub) -> None:
    """Read in every moment, over turns and the flag of one of three, who leaves all it had to the others."""
    request = with_control("*2", holders=3, on_expire=session_pb2.ON_EXPIRE_ELIMINATE)
    game = await PlayedSession.create(stub, request)
    async with watched(game) as stream:
        await stream.until(lambda s: s.of("snapshot"))
        for _ in range(3):
            await until_run(game, 301)
            await game.switch()
        sums = []
        while game.session.cycle_number == 4:
            session = await game.get()
            sums.append(sum(one.clock.bank_ms for one in session.participants))
        await stream.until(lambda s: last_event(s).type == ELIMINATED)
    events = [one.event for one in stream.of("event")]
    assert {sum(one.clock.bank_ms for one in event.session.participants) for event in events} == {6_000}
    assert set(sums) == {6_000}
    out = events[-1].session.participants[0]
    assert (out.clock.bank_ms, out.has_expired) == (0, True)
    before, after = (event.session.participants for event in events[-2:])
    each, odd = divmod(before[0].clock.bank_ms, 2)
    assert [one.clock.bank_ms for one in after[1:]] == [
        before[1].clock.bank_ms + each + odd,
        before[2].clock.bank_ms + each,
    ]


async def a_pause_keeps_what_is_left(stub: Stub, control: str, run_ms: int, kind: int, part: str) -> None:
    """Longer than all that is left: nothing runs meanwhile, and everything goes on from there."""
    game = await PlayedSession.create(stub, with_control(control))
    deadline = millis(game.session.deadline_at)
    await until_run(game, run_ms)
    before = await game.pause()
    left = before.participants[0]
    assert (left.clock.phase, getattr(left.clock, part) > 0) == (kind, True)
    assert left.time_remaining_ms == deadline - millis(before.paused_at)
    await eventually(lambda: has_stood(game, before, left.time_remaining_ms))
    still = await game.get()
    assert still.participants[0] == left
    resumed = await game.resume()
    assert resumed.participants[0] == left
    assert millis(resumed.deadline_at) == millis(resumed.updated_at) + left.time_remaining_ms
    async with watched(game) as stream:
        await stream.until_end()
    event = last_event(stream)
    assert (event.type, event.occurred_at) == (EXPIRED, resumed.deadline_at)


async def has_stood(game: PlayedSession, version: session_pb2.Session, ms: int) -> bool:
    """Whether a version is older than this, by the servers' clock."""
    await game.get()
    return game.now - millis(version.updated_at) > ms


async def instant_in(stub: Stub, ms: int) -> Timestamp:
    """Return an instant so long after now, by the servers' clock."""
    now = (await PlayedSession.create(stub, with_control("60"), starts=False)).now
    return Timestamp(seconds=(now + ms) // 1_000, nanos=(now + ms) % 1_000 * 1_000_000)


async def close_at_meets_the_holder(stub: Stub) -> None:
    """A clock adjusted to run out in the millisecond in which the session closes: the session ends, and nobody lost."""
    close_at = await instant_in(stub, 3_000)
    game = await PlayedSession.create(stub, with_control("5", close_at=close_at))
    delta_ms = millis(close_at) - (millis(game.session.started_at) + 5_000)
    adjusted = await game.adjust(game.active.participant_id, delta_ms=delta_ms)
    assert adjusted.phases[-1].starts_at == close_at
    async with watched(game) as stream:
        await stream.until_end()
    assert_closed(last_event(stream), close_at)


async def a_session_limit_meets_everything(stub: Stub) -> None:
    """The holder, the turn and the session end 2 s after the start: it is the session."""
    game = await PlayedSession.create(stub, with_control("2!2", session_limit_ms=2_000))
    ends_at = game.session.deadline_at
    async with watched(game) as stream:
        await stream.until_end()
    assert millis(ends_at) == millis(game.session.started_at) + 2_000
    assert_closed(last_event(stream), ends_at)


def assert_closed(event: event_pb2.Event, at: Timestamp) -> None:
    """Check that the session's own end has ended it, and that nobody has lost or won."""
    session = event.session
    assert (event.type, event.cause, event.occurred_at) == (EXPIRED, event_pb2.CAUSE_DEADLINE, at)
    assert event.fired_at.ToMilliseconds() >= at.ToMilliseconds()
    assert (session.status, session.completed_at) == (session_pb2.STATUS_EXPIRED, at)
    assert (session.expired_participant_id, session.winner_participant_id) == ("", "")


async def the_sweep_closes_what_does_not_run(stub: Stub, *, is_paused: bool) -> None:
    """A pending session, or a paused one, at its close_at, though nobody calls."""
    close_at = await instant_in(stub, 3_000)
    game = await PlayedSession.create(stub, with_control("60|5x30", close_at=close_at), starts=is_paused)
    if is_paused:
        await game.pause()
    assert game.session.deadline_at == close_at
    async with watched(game) as stream:
        await stream.until_end()
    assert_closed(last_event(stream), close_at)
    late = await refused(stub.CancelSession(pb.CancelSessionRequest(session_id=game.id)))
    assert late.reason == "SESSION_EXPIRED"


async def overtime_burns_nothing_more(stub: Stub) -> None:
    """Under NOTIFY the last period is followed by overtime, at the instant of the flag."""
    game = await PlayedSession.create(stub, with_control("0|1x2", on_expire=NOTIFY))
    async with watched(game) as stream:
        await stream.until(lambda s: s.of("event"))
    event = last_event(stream)
    assert (event.type, event.occurred_at) == (event_pb2.EVENT_TYPE_OVERTIME_STARTED, game.session.deadline_at)
    session = await game.get()
    (left, _) = session.participants
    assert (left.clock.bank_ms, left.clock.HasField("periods_left")) == (0, False)
    assert left.overtime_ms == game.now - millis(event.occurred_at)


async def free_turns_and_limits(stub: Stub) -> None:
    """A free turn of 2 s charges nothing and ends at its limit; the bank keeps what it has."""
    game = await PlayedSession.create(stub, with_control("60~1@2"))
    async with watched(game) as stream:
        await stream.until_end()
    event = last_event(stream)
    assert (event.type, millis(event.occurred_at)) == (EXPIRED, millis(game.session.started_at) + 2_000)
    assert event.session.participants[0].clock.bank_ms == 60_000
    assert event.session.expired_participant_id == event.session.participants[0].participant_id


async def a_turn_timer_advances_by_itself(stub: Stub) -> None:
    """PerTurn under ADVANCE: a reserve that is used up first, then turn after turn without drift."""
    game = await PlayedSession.create(stub, with_control("1t1", on_expire=session_pb2.ON_EXPIRE_ADVANCE))
    async with watched(game) as stream:
        await stream.until(lambda s: len(s.of("event")) >= 3, 20)
    starts = [millis(game.session.started_at), *(millis(one.event.occurred_at) for one in stream.of("event"))]
    assert [later - one for one, later in pairwise(starts)][:3] == [2_000, 2_000, 1_000]


@pytest.fixture(scope="module")
async def two_servers(redis_server: RedisServer) -> AsyncIterator[tuple[Stub, Stub]]:
    """Clients of two servers on one Redis."""
    settings = settings_for(redis_server.url)
    async with (
        serving(settings) as one,
        serving(settings_for(redis_server.url, settings.redis_prefix)) as other,
        connect(one.address) as stub,
        connect(other.address) as second,
    ):
        yield stub, second


async def test_clocks_keep_their_word_in_real_time(two_servers: tuple[Stub, Stub]) -> None:
    """All at once, half of them over either server, while both sweep."""
    one, other = two_servers
    await asyncio.gather(
        several_periods_burn_in_one_move(one),
        promotion_is_on_the_exact_move(other),
        the_next_stage_saves_no_late_move(one),
        a_late_move_is_judged_by_its_instant(other),
        an_hourglass_of_three_keeps_its_sum(one),
        a_pause_keeps_what_is_left(other, "2d2", 300, DELAY, "delay_remaining_ms"),
        a_pause_keeps_what_is_left(one, "2d2", 2_300, MAIN, "bank_ms"),
        a_pause_keeps_what_is_left(other, "0|2x2", 2_300, PERIOD, "period_remaining_ms"),
        a_pause_keeps_what_is_left(one, "0/2x2", 300, PERIOD, "period_remaining_ms"),
        close_at_meets_the_holder(other),
        a_session_limit_meets_everything(one),
        the_sweep_closes_what_does_not_run(one, is_paused=False),
        the_sweep_closes_what_does_not_run(other, is_paused=True),
        overtime_burns_nothing_more(other),
        free_turns_and_limits(one),
        a_turn_timer_advances_by_itself(other),
    )
