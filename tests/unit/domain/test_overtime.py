"""NOTIFY: the clock runs on into overtime, once a holder, once a cycle, and anew after an adjustment."""

from typing import Final

import pytest

from synckairos.domain.commands import AdjustTime, Complete, Pause, Resume, Switch
from synckairos.domain.events import Cause, EventType
from synckairos.domain.model import Clock, Mode, OnExpire, Status
from testing.harness.builders import (
    ANN,
    BLUE,
    BOB,
    RED,
    Game,
    clock_of,
    countdown,
    one_of_each,
    participant,
    per_cycle,
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
    named = {"expired_participant_id": session.expired_participant_id, "expired_group_id": session.expired_group_id}
    expected = {Mode.PER_PARTICIPANT: "expired_participant_id", Mode.PER_GROUP: "expired_group_id"}.get(mode)
    assert named == {name: HOLDERS[mode] if name == expected else None for name in named}
    assert _figures(game.clock(75_000, HOLDERS.get(mode, ""))) == (0, 60_000, 15_000)


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_a_millisecond_early_is_no_overtime(mode: Mode) -> None:
    """One millisecond before the deadline the clock shows it and nothing has happened."""
    game = started(one_of_each(NOTIFY)[mode])

    game.ok(59_999)

    assert game.types()[2:] == []
    assert _figures(game.clock(59_999, HOLDERS.get(mode, ""))) == (1, 59_999, 0)


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_it_is_said_once(mode: Mode) -> None:
    """However long the overtime lasts and whoever looks, there is no second event."""
    game = started(one_of_each(NOTIFY)[mode])

    for ms in (60_000, 60_001, 120_000, 180_000, 500_000):
        game.ok(ms)

    assert game.types()[2:] == [OVERTIME]


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


@pytest.mark.parametrize("mode", BANK_MODES, ids=lambda mode: mode.name)
def test_every_holder_is_announced(mode: Mode) -> None:
    """One holder's overtime does not silence the other's."""
    game = _two_sided(mode)
    game.ok(70_000, Switch())

    game.ok(140_000)

    other = BOB if mode is Mode.PER_PARTICIPANT else BLUE
    assert game.types()[2:] == [OVERTIME, EventType.CYCLE_SWITCHED, OVERTIME]
    assert _figures(game.clock(140_000, other)) == (0, 60_000, 10_000)


def test_every_cycle_is_announced() -> None:
    """A new cycle is full again, owes nothing, and can run over itself."""
    game = started(per_cycle(30_000, ANN, BOB, on_expire=NOTIFY))
    game.ok(40_000, Switch())

    assert (_figures(game.clock(40_000)), game.deadline_ms) == ((30_000, 0, 0), 70_000)
    game.ok(80_000)

    assert game.types()[2:] == [OVERTIME, EventType.CYCLE_SWITCHED, OVERTIME]
    assert _figures(game.clock(80_000)) == (0, 30_000, 10_000)


def test_a_switch_does_not_end_the_overtime_of_the_session() -> None:
    """A countdown that has run out stays so over switches, and is announced once."""
    game = started(countdown(60_000, ANN, BOB, on_expire=NOTIFY))

    game.ok(70_000, Switch())
    game.ok(80_000, Switch())

    assert game.types()[2:] == [OVERTIME, EventType.CYCLE_SWITCHED, EventType.CYCLE_SWITCHED]
    assert _figures(game.clock(90_000)) == (0, 60_000, 30_000)


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


def test_time_given_in_overtime_earns_the_increment_again() -> None:
    """Who hands over within the time that was given is granted like anybody in time."""
    game = started(per_participant(60_000, 60_000, on_expire=NOTIFY, increment_ms=5_000))
    game.ok(70_000, AdjustTime(ANN, set_ms=20_000))

    session = game.ok(75_000, Switch())

    assert _figures(clock_of(session, ANN)) == (20_000, 65_000, 10_000)


def test_an_adjustment_to_zero_leaves_it_as_it_is() -> None:
    """Taking time from somebody who has none is a version, but no second overtime."""
    game = started(per_participant(60_000, 60_000, on_expire=NOTIFY))

    game.ok(70_000, AdjustTime(ANN, delta_ms=-5_000))
    game.ok(80_000)

    assert game.types()[2:] == [OVERTIME, EventType.TIME_ADJUSTED]
    assert _figures(game.clock(80_000, ANN)) == (0, 60_000, 20_000)


def test_time_given_to_somebody_waiting_in_overtime_counts_at_their_next_turn() -> None:
    """A waiting holder in overtime is armed again with the time given."""
    game = started(per_participant(60_000, 60_000, on_expire=NOTIFY))
    game.ok(70_000, Switch())

    game.ok(71_000, AdjustTime(ANN, delta_ms=4_000))
    game.ok(72_000, Switch())

    assert (game.active_id, game.deadline_ms) == (ANN, 76_000)
    assert _figures(game.clock(76_500, ANN)) == (0, 64_000, 10_500)


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_a_pause_stops_the_overtime(mode: Mode) -> None:
    """Paused in overtime it stands; resumed it runs on, unannounced."""
    game = started(one_of_each(NOTIFY)[mode])
    holder = HOLDERS.get(mode, "")
    game.ok(70_000, Pause())

    assert game.clock(400_000, holder).overtime_ms == 10_000
    game.ok(500_000, Resume())

    assert game.clock(501_000, holder).overtime_ms == 11_000
    assert game.types()[2:] == [OVERTIME, EventType.SESSION_PAUSED, EventType.SESSION_RESUMED]


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_ending_in_overtime_keeps_it_on_record(mode: Mode) -> None:
    """Completed in overtime, the session says by how much."""
    game = started(one_of_each(NOTIFY)[mode])

    session = game.ok(62_500, Complete())

    assert _figures(clock_of(session, HOLDERS.get(mode, ""))) == (0, 60_000, 2_500)
    assert session.status is Status.COMPLETED
