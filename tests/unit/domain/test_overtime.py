"""NOTIFY: the clock runs on into overtime, once a holder, once a cycle, and anew after an adjustment."""

from typing import Final

import pytest

from synckairos.domain.commands import AdjustTime, Switch
from synckairos.domain.events import Cause, EventType
from synckairos.domain.model import Clock, Mode, OnExpire, Status
from testing.harness.builders import (
    ANN,
    BOB,
    RED,
    Game,
    clock_of,
    one_of_each,
    participant,
    per_group,
    per_participant,
    stamps,
    started,
)

NOTIFY: Final = OnExpire.NOTIFY
OVERTIME: Final = EventType.OVERTIME_STARTED
HOLDERS: Final = {Mode.PER_PARTICIPANT: ANN, Mode.PER_GROUP: RED}
BANK_MODES: Final = [Mode.PER_PARTICIPANT, Mode.PER_GROUP]


def _figures(clock: Clock) -> tuple[int | None, int, int]:
    return clock.bank_ms, clock.used_ms, clock.overtime_ms


def _adjust(mode: Mode, *, set_ms: int) -> AdjustTime:
    holder = HOLDERS.get(mode, "")
    return AdjustTime(group_id=holder, set_ms=set_ms) if mode is Mode.PER_GROUP else AdjustTime(holder, set_ms=set_ms)


def _two_sided(mode: Mode) -> Game:
    """Start a game of two clocks of 60 s each, with an increment that nobody gets in overtime."""
    spec = per_participant(60_000, 60_000) if mode is Mode.PER_PARTICIPANT else per_group(60_000, 60_000)
    return started(spec._replace(on_expire=NOTIFY, increment_ms=5_000))


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_the_clock_runs_on(mode: Mode) -> None:
    """One event at the due instant; 15 s later nothing is left, the budget is used and 15 s are over."""
    game = started(one_of_each(NOTIFY)[mode])

    session = game.ok(75_000)

    event = game.events[-1]
    assert game.types()[2:] == [OVERTIME]
    assert (event.cause, event.author.actor, stamps(event)) == (Cause.DEADLINE, "system", (60_000, 75_000))
    assert (event.subject.remaining_ms, event.subject.participant_id) == (0, ANN)
    assert (session.status, game.active_id, session.cycle_number, game.deadline_ms) == (Status.RUNNING, ANN, 1, None)
    named = {Mode.PER_PARTICIPANT: (ANN, None), Mode.PER_CYCLE: (ANN, None), Mode.PER_GROUP: (None, RED)}
    assert (session.expired_participant_id, session.expired_group_id) == named.get(mode, (None, None))
    assert _figures(game.clock(75_000, HOLDERS.get(mode, ""))) == (0, 60_000, 15_000)


@pytest.mark.parametrize("over_ms", [0, 1, 10_000], ids=["on the dot", "a millisecond over", "ten seconds over"])
@pytest.mark.parametrize("mode", BANK_MODES, ids=lambda mode: mode.name)
def test_overtime_grants_nothing(mode: Mode, over_ms: int) -> None:
    """A turn handed over in overtime counts, the bank stays at 0 and the next turn is an ordinary one."""
    game = _two_sided(mode)

    session = game.ok(60_000 + over_ms, Switch())

    assert _figures(clock_of(session, HOLDERS[mode])) == (0, 60_000, over_ms)
    assert (participant(session, ANN).cycle_count, game.active_id, game.deadline_ms) == (1, BOB, 120_000 + over_ms)


@pytest.mark.parametrize("mode", BANK_MODES, ids=lambda mode: mode.name)
def test_a_holder_in_overtime_is_not_announced_again(mode: Mode) -> None:
    """Back at the move, a holder without time is in overtime from the first millisecond, without another event."""
    game = _two_sided(mode)
    game.ok(70_000, Switch())
    game.ok(71_000, Switch())

    session = game.ok(79_000, Switch())

    assert game.types()[2:] == [OVERTIME, *[EventType.CYCLE_SWITCHED] * 3]
    assert _figures(clock_of(session, HOLDERS[mode])) == (0, 60_000, 18_000)


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_an_adjustment_above_zero_ends_it_and_arms_it_anew(mode: Mode) -> None:
    """With 20 s given in overtime there is a deadline again, and a second announcement when it passes."""
    game = started(one_of_each(NOTIFY)[mode])
    holder = HOLDERS.get(mode, "")

    game.ok(70_000, _adjust(mode, set_ms=20_000))
    assert (_figures(game.clock(70_000, holder)), game.deadline_ms) == ((20_000, 60_000, 10_000), 90_000)
    game.ok(95_000)

    assert game.types()[2:] == [OVERTIME, EventType.TIME_ADJUSTED, OVERTIME]
    assert _figures(game.clock(95_000, holder)) == (0, 80_000, 15_000)
