"""Adjustments change the time left on the right clock, within a clock's limits."""

from typing import Final

import pytest

from synckairos.domain.commands import AdjustTime, Pause, Resume, Start, Switch
from synckairos.domain.errors import InvalidField
from synckairos.domain.events import EventType
from synckairos.domain.model import Mode, OnExpire, Status
from synckairos.domain.specification import SessionSpec
from testing.harness.builders import (
    ANN,
    BLUE,
    BOB,
    DAY,
    RED,
    Game,
    clock_of,
    countdown,
    one_of_each,
    per_cycle,
    per_group,
    per_participant,
    started,
    stopwatch,
)

LONGEST: Final = 28 * DAY
HOLDERS: Final = {Mode.PER_PARTICIPANT: ANN, Mode.PER_GROUP: RED}
WAITING: Final = {Mode.PER_PARTICIPANT: BOB, Mode.PER_GROUP: BLUE}

AMOUNTS: Final = [
    pytest.param(5_000, None, 55_000, id="more"),
    pytest.param(-5_000, None, 45_000, id="less"),
    pytest.param(-49_999, None, 1, id="all but a millisecond"),
    pytest.param(LONGEST - 50_000, None, LONGEST, id="up to 28 days"),
    pytest.param(LONGEST, None, LONGEST, id="more than 28 days"),
    pytest.param(None, 7_000, 7_000, id="to a value"),
    pytest.param(None, 1, 1, id="to a millisecond"),
    pytest.param(None, LONGEST, LONGEST, id="to 28 days"),
]
"""The amounts added or set where 50 s are left, and the time left then."""

TO_NOTHING: Final = [
    pytest.param(-60_000, None, id="all of it"),
    pytest.param(-LONGEST, None, id="more than all of it"),
    pytest.param(None, 0, id="to zero"),
]


def _adjust(holder: str, delta_ms: int | None, set_ms: int | None) -> AdjustTime:
    if holder in {RED, BLUE}:
        return AdjustTime(group_id=holder, delta_ms=delta_ms, set_ms=set_ms)
    return AdjustTime(participant_id=holder, delta_ms=delta_ms, set_ms=set_ms)


@pytest.mark.parametrize(("delta_ms", "set_ms", "left"), AMOUNTS)
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_the_running_clock(mode: Mode, delta_ms: int | None, set_ms: int | None, left: int) -> None:
    """The time left changes, the time used does not, and the deadline moves along."""
    game, holder = started(one_of_each(OnExpire.END_SESSION)[mode]), HOLDERS.get(mode, "")

    session = game.ok(10_000, _adjust(holder, delta_ms, set_ms))

    clock, subject = game.clock(10_000, holder), game.events[-1].subject
    assert (clock.bank_ms, clock.used_ms, clock.allotted_ms) == (left, 10_000, 60_000)
    assert (game.deadline_ms, subject.remaining_ms, subject.elapsed_ms) == (10_000 + left, left, 10_000)
    assert (game.types()[2:], session.status) == ([EventType.TIME_ADJUSTED], Status.RUNNING)


@pytest.mark.parametrize(("delta_ms", "set_ms"), TO_NOTHING)
@pytest.mark.parametrize("is_paused", [False, True], ids=["pending", "paused"])
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_a_clock_that_stands_keeps_a_millisecond(
    mode: Mode, is_paused: bool, delta_ms: int | None, set_ms: int | None
) -> None:
    """A clock that stands cannot expire: 1 ms stays, and runs out after the start or the resume."""
    game, holder = Game(one_of_each(OnExpire.END_SESSION)[mode]), HOLDERS.get(mode, "")
    if is_paused:
        game.ok(0, Start(), Pause())

    game.ok(10_000, _adjust(holder, delta_ms, set_ms))
    assert game.clock(50_000, holder).bank_ms == 1
    game.ok(60_000, Resume() if is_paused else Start())

    assert game.ok(60_000).status is Status.RUNNING
    assert game.ok(60_001).status is Status.EXPIRED


@pytest.mark.parametrize(("delta_ms", "set_ms"), TO_NOTHING)
@pytest.mark.parametrize("mode", WAITING, ids=lambda mode: mode.name)
def test_a_waiting_holder_keeps_a_millisecond(mode: Mode, delta_ms: int | None, set_ms: int | None) -> None:
    """Also in a running session the clock of a waiting holder does not run out."""
    game = started(one_of_each(OnExpire.END_SESSION)[mode])

    session = game.ok(10_000, _adjust(WAITING[mode], delta_ms, set_ms))

    assert (clock_of(session, WAITING[mode]).bank_ms, session.status, game.deadline_ms) == (1, Status.RUNNING, 60_000)


@pytest.mark.parametrize("mode", WAITING, ids=lambda mode: mode.name)
def test_time_given_to_a_waiting_holder(mode: Mode) -> None:
    """Time given to a waiting holder is there at the holder's turn; the running clock stays as it is."""
    game = started(one_of_each()[mode])

    session = game.ok(10_000, _adjust(WAITING[mode], 5_000, None))
    assert (clock_of(session, WAITING[mode]).bank_ms, game.deadline_ms) == (65_000, 60_000)
    game.ok(20_000, Switch())

    assert (game.deadline_ms, game.clock(20_000, HOLDERS[mode]).bank_ms) == (85_000, 40_000)


@pytest.mark.parametrize(("delta_ms", "set_ms"), [(5_000, None), (None, 5_000)], ids=["delta_ms", "set_ms"])
def test_a_stopwatch_without_a_limit_has_nothing_to_adjust(delta_ms: int | None, set_ms: int | None) -> None:
    """Without a limit nothing is left, so nothing can be changed: the amount is refused."""
    refusal = started(stopwatch()).refused(1, AdjustTime(delta_ms=delta_ms, set_ms=set_ms))

    assert isinstance(refusal, InvalidField)
    assert [violation.path for violation in refusal.violations] == ["delta_ms" if delta_ms else "set_ms"]


@pytest.mark.parametrize(
    ("spec", "command", "path"),
    [
        pytest.param(per_participant(), AdjustTime(set_ms=1), "participant_id", id="no participant"),
        pytest.param(per_participant(), AdjustTime(group_id=RED, set_ms=1), "participant_id", id="a group instead"),
        pytest.param(per_participant(), AdjustTime(ANN, RED, set_ms=1), "group_id", id="a group as well"),
        pytest.param(per_group(), AdjustTime(set_ms=1), "group_id", id="no group"),
        pytest.param(per_group(), AdjustTime(ANN, set_ms=1), "participant_id", id="a participant instead"),
        pytest.param(per_cycle(30_000, ANN), AdjustTime(ANN, set_ms=1), "participant_id", id="cycle"),
        pytest.param(countdown(60_000, ANN), AdjustTime(ANN, set_ms=1), "participant_id", id="countdown"),
        pytest.param(countdown(), AdjustTime(group_id=RED, set_ms=1), "group_id", id="countdown, group"),
        pytest.param(stopwatch(60_000, ANN), AdjustTime(ANN, set_ms=1), "participant_id", id="stopwatch"),
    ],
)
def test_the_target_must_hold_a_clock(spec: SessionSpec, command: AdjustTime, path: str) -> None:
    """A target the mode does not have is refused by name, and so is a missing one."""
    refusal = started(spec).refused(1, command)

    assert isinstance(refusal, InvalidField)
    assert [violation.path for violation in refusal.violations] == [path]


@pytest.mark.parametrize(("delta_ms", "set_ms"), [(-1, None), (-LONGEST, None), (None, 0)])
def test_taking_time_from_an_empty_clock_gives_it_none(delta_ms: int | None, set_ms: int | None) -> None:
    """A paused clock in overtime keeps its zero and its overtime: it has no millisecond to keep."""
    game = started(per_participant(50_000, 50_000, on_expire=OnExpire.NOTIFY))
    game.ok(60_000, Pause())

    game.ok(61_000, _adjust(ANN, delta_ms, set_ms))

    clock = game.clock(61_000, ANN)
    assert (clock.bank_ms, clock.in_overtime, clock.overtime_ms) == (0, True, 10_000)


def test_an_addition_never_takes_time_away() -> None:
    """A bank that grants have lifted above 28 days is not cut down by adding to it."""
    game = started(per_participant(LONGEST, LONGEST, increment_ms=3_600_000))
    game.ok(1_000, Switch())
    lifted = LONGEST - 1_000 + 3_600_000
    assert game.clock(1_000, ANN).bank_ms == lifted

    game.ok(2_000, _adjust(ANN, 5_000, None))

    assert game.clock(2_000, ANN).bank_ms == lifted


@pytest.mark.parametrize(
    ("left", "at_least_ms", "after"),
    [(50_000, 20_000, 50_000), (50_000, 50_000, 50_000), (50_000, 90_000, 90_000), (50_000, LONGEST, LONGEST)],
    ids=["more left", "just that left", "less left", "28 days"],
)
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_at_least_never_shortens(mode: Mode, left: int, at_least_ms: int, after: int) -> None:
    """One call lifts a clock that has less, and leaves one that has more: as soft closes need it."""
    spec = stopwatch(60_000, ANN) if mode is Mode.COUNT_UP else one_of_each()[mode]
    game = started(spec)
    holder = HOLDERS.get(mode, "")

    session = game.ok(
        60_000 - left,
        AdjustTime(holder if mode is not Mode.PER_GROUP else "", holder if mode is Mode.PER_GROUP else "",
                   at_least_ms=at_least_ms),
    )  # fmt: skip

    assert (game.deadline_ms, game.types()[-1]) == (60_000 - left + after, EventType.TIME_ADJUSTED)
    assert game.events[-1].subject.remaining_ms == after
    assert session.status is Status.RUNNING
