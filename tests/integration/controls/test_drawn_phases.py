"""A client that draws the phases of a session shows what the server would answer, at every instant until the flag."""

import asyncio
from random import Random
from typing import Any, NamedTuple

import pytest

from synckairos.v1 import session_pb2
from synckairos.v1 import time_control_pb2 as pb
from testing.harness.client import Stub
from testing.harness.playing.played_sessions import PlayedSession, manual, with_control
from tests.integration.controls.drawn_controls import IS_LONG, seeds
from tests.integration.controls.random_play import ELIMINATE, END, NOTIFY, drawn_session, drawn_step, move

LOOKS = 200 if IS_LONG else 20
AT_ONCE = 8
FREE, DELAY, MAIN, PERIOD, RESERVE, PENALTY, OVERTIME, FLAG = pb.ClockPhaseKind.values()[1:]


class Shown(NamedTuple):
    """What a clock shows."""

    kind: int
    ms: int
    periods_left: int


def drawn(session: session_pb2.Session, at: int) -> Shown | None:
    """Draw a clock as a client does, from a session read earlier; None beyond the phases that the reply had."""
    if session.phases_truncated and at > session.phases[-1].starts_at.ToMilliseconds():
        return None
    phase = [one for one in session.phases if one.starts_at.ToMilliseconds() <= at][-1]
    ms = phase.display_ms + phase.rate * (at - phase.starts_at.ToMilliseconds())
    return Shown(phase.kind, ms, phase.periods_left)


def running_holder(session: session_pb2.Session) -> Any:
    """Return the participant or group whose clock runs."""
    return next(one for one in session.groups or session.participants if one.is_active)


def read(session: session_pb2.Session) -> Shown:
    """Return what the running clock of a session shows by its parts."""
    holder = running_holder(session)
    clock, control = holder.clock, holder.time_control
    shown = {PERIOD: clock.period_remaining_ms, OVERTIME: holder.overtime_ms}
    if clock.phase == FREE:
        limits = [limit for limit in (control.turn_limit_ms, control.free_turn_limit_ms) if limit]
        left = min(limits, default=0) - session.elapsed_ms
        shown[FREE] = left if left > 0 else clock.bank_ms
    return Shown(clock.phase, shown.get(clock.phase, clock.bank_ms), clock.periods_left)


def banks_of_others(session: session_pb2.Session) -> list[int]:
    """Return the banks of those in play whose turn it is not, from the next in the rotation on."""
    members = {one.group_id for one in session.participants}
    holders = [one for one in session.groups or session.participants if one.group_id in members]
    place = next(place for place, one in enumerate(holders) if one.is_active)
    is_out = session.on_expire == ELIMINATE
    return [one.clock.bank_ms for one in (*holders[place + 1 :], *holders[:place]) if not (is_out and one.has_expired)]


def drawn_others(session: session_pb2.Session, at: int, now: int) -> list[int]:
    """Draw the clocks that an hourglass fills: each gets its part of the whole turn."""
    shown = banks_of_others(session)
    drawn_banks = []
    for place, bank in enumerate(shown):
        parts = []
        for turn_ms in (session.elapsed_ms, session.elapsed_ms + at - now):
            each, odd = divmod(turn_ms, len(shown))
            parts.append(each + (place < odd))
        drawn_banks.append(bank + parts[1] - parts[0])
    return drawn_banks


def assert_shows(seed: int, before: session_pb2.Session, read_at: int, after: PlayedSession) -> None:
    """Check what was drawn from a session, read at an instant before, against the session read now."""
    expected = drawn(before, after.now)
    if expected is None:
        return
    session = after.session
    moved_on = (session.status, session.cycle_number) != (before.status, before.cycle_number)
    assert moved_on == (expected.kind == FLAG), (seed, expected, before, session)
    if not moved_on:
        assert read(session) == expected, (seed, before, session)
        # A turn that was in overtime, and is so no more, has passed on what it took before by itself.
        if after.running.time_control.stages[0].HasField("hourglass") and session.on_expire != NOTIFY:
            assert banks_of_others(session) == drawn_others(before, after.now, read_at), (seed, before, session)
    elif session.cycle_number <= before.cycle_number + 1:
        is_same = session.cycle_number == before.cycle_number
        moved_at = session.completed_at if is_same else session.cycle_started_at
        assert moved_at == before.phases[-1].starts_at, (seed, before, session)
        if session.on_expire in (END, ELIMINATE):
            assert left_at_the_flag(before, session) == (expected.ms, expected.periods_left), (seed, before, session)


def left_at_the_flag(before: session_pb2.Session, after: session_pb2.Session) -> tuple[int, int]:
    """Return what the clock that ran before has been left with: that of its last part, and its periods."""
    place = [one.is_active for one in before.groups or before.participants].index(True)
    clock = (after.groups or after.participants)[place].clock
    first = before.phases[0]
    if first.kind == FREE:
        ran_ms = before.phases[-1].starts_at.ToMilliseconds() - first.starts_at.ToMilliseconds()
        return first.display_ms + first.rate * ran_ms, clock.periods_left
    has_periods = clock.HasField("periods_left") or clock.HasField("period_turns_left")
    is_in_period = clock.bank_ms == 0 if has_periods else clock.period_remaining_ms > 0
    if clock.HasField("period_remaining_ms") and is_in_period:
        return clock.period_remaining_ms, clock.periods_left
    return clock.bank_ms, clock.periods_left


async def look_at(stub: Stub, seed: int) -> None:
    """Play a random session and look at it; another one once it has ended."""
    draw = Random(seed)
    game = await drawn_session(draw, stub)
    looks = 0
    while looks < LOOKS:
        await move(draw, game)
        if not game.is_live:
            game = await drawn_session(draw, stub)
        if not game.is_running:
            continue
        before, read_at = await game.get(), game.now
        for _ in range(draw.randint(1, 4)):
            await game.advance(drawn_step(draw, game.session, game.now))
            await game.get()
            assert_shows(seed, before, read_at, game)
            looks += 1
            if (game.session.status, game.session.cycle_number) != (before.status, before.cycle_number):
                break


async def test_drawn_phases_are_what_a_read_answers(stub: Stub) -> None:
    """At random instants of random sessions, with pauses, adjustments, limits and overtime."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> None:
        async with places:
            await look_at(stub, seed)

    await asyncio.gather(*map(one, seeds(25, 200)))


@pytest.mark.parametrize(
    ("control", "limit_ms", "expected"),
    [
        ("10", 15_000, [(0, MAIN, 10_000, 0), (10_000, OVERTIME, 0, 0), (15_000, FLAG, 5_000, 0)]),
        ("10!4", 15_000, [(0, MAIN, 10_000, 0), (10_000, OVERTIME, 0, 0), (15_000, FLAG, 5_000, 0)]),
        ("10", 5_000, [(0, MAIN, 10_000, 0), (5_000, FLAG, 5_000, 0)]),
        ("0|3x5", 5_000, [(0, PERIOD, 5_000, 3), (5_000, FLAG, 5_000, 2)]),
        ("0|3x5", 7_000, [(0, PERIOD, 5_000, 3), (5_000, PERIOD, 5_000, 2), (7_000, FLAG, 3_000, 2)]),
        ("10|3x5~1@4", 9_000, [(0, FREE, 4_000, 3), (4_000, FREE, 10_000, 3), (9_000, FLAG, 10_000, 3)]),
    ],
)
async def test_under_notify_the_session_ends_what_is_drawn(
    stub: Stub, control: str, limit_ms: int, expected: list[tuple[int, ...]]
) -> None:
    """Neither a clock that runs out nor a turn's limit does; the session's own limit is the flag."""
    request = with_control(control, on_expire=session_pb2.ON_EXPIRE_NOTIFY, session_limit_ms=limit_ms)
    game = await manual(stub, request)

    phases = [
        (one.starts_at.ToMilliseconds() - game.now, one.kind, one.display_ms, one.periods_left)
        for one in game.session.phases
    ]
    assert phases == expected


async def test_eight_phases_are_drawn_at_a_time(stub: Stub) -> None:
    """A reply that has no room for the rest says so; at its last phase the next reply goes on."""
    game = await manual(stub, with_control("1|10x1"))
    first = game.session
    assert (len(first.phases), first.phases_truncated) == (8, True)
    assert [one.periods_left for one in first.phases] == [10, 10, 9, 8, 7, 6, 5, 4]

    await game.advance(first.phases[-1].starts_at.ToMilliseconds() - game.now)

    rest = game.session.phases
    assert rest[0] == first.phases[-1]
    assert [(one.kind, one.periods_left) for one in rest] == [*((PERIOD, left) for left in (4, 3, 2, 1)), (FLAG, 0)]
    assert not game.session.phases_truncated
