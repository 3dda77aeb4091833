"""Warnings: the time left crosses a threshold while the clock runs."""

from typing import Final

import pytest

from synckairos.domain.commands import AdjustTime, Command, Pause, RemoveParticipant, Resume, Switch, Update
from synckairos.domain.model import Mode, OnExpire
from synckairos.domain.specification import SessionSpec
from synckairos.domain.timing import warnings_between
from testing.harness.builders import (
    ANN,
    BOB,
    ORIGIN,
    RED,
    Game,
    at,
    countdown,
    one_of_each,
    per_cycle,
    per_group,
    per_participant,
    started,
    stopwatch,
)

Steps = list[tuple[int, Command | None]]

THRESHOLDS: Final = (5_000, 20_000)


def _warned(spec: SessionSpec, *steps: tuple[int, Command | None], until: int) -> list[tuple[int, int]]:
    """Play these steps and return (ms, threshold) of every warning a watcher of all versions gets until then."""
    game = started(spec._replace(warning_thresholds_ms=THRESHOLDS))
    warned = list[tuple[int, int]]()
    seen = 0
    for ms, command in (*steps, (until, None)):
        known = game.session
        outcome = game.decide(ms, command)
        assert outcome.refusal is None
        for event in outcome.events:
            warned += warnings_between(known, at(seen), event.session.updated_at)
            seen, known = event.session.updated_at - ORIGIN, event.session
        warned += warnings_between(known, at(seen), at(ms))
        seen = ms
    return [(instant - ORIGIN, threshold) for instant, threshold in warned]


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_each_threshold_once(mode: Mode) -> None:
    """20 s and 5 s before the end, in that order, and never again."""
    spec = one_of_each(OnExpire.END_SESSION)[mode]

    assert _warned(spec, until=90_000) == [(40_000, 20_000), (55_000, 5_000)]


def test_the_window_excludes_its_beginning_and_includes_its_end() -> None:
    """Two windows that touch show a warning once."""
    session = started(countdown(60_000, warning_thresholds_ms=THRESHOLDS)).session
    windows = [(0, 39_999), (39_999, 40_000), (40_000, 54_999), (54_999, 55_000), (55_000, 60_000)]

    found = [[threshold for _, threshold in warnings_between(session, at(a), at(b))] for a, b in windows]

    assert found == [[], [20_000], [], [5_000], []]


@pytest.mark.parametrize(
    ("budget", "warned"),
    [
        pytest.param(20_001, [(1, 20_000), (15_001, 5_000)], id="just below the budget"),
        pytest.param(20_000, [(15_000, 5_000)], id="the budget itself"),
        pytest.param(10_000, [(5_000, 5_000)], id="above the budget"),
        pytest.param(5_000, [], id="all of them"),
    ],
)
def test_only_thresholds_below_the_budget(budget: int, warned: list[tuple[int, int]]) -> None:
    """A turn that begins with less than a threshold is not warned of it."""
    assert _warned(per_participant(budget, 60_000), until=budget) == warned


def test_the_budget_at_the_start_of_the_turn_counts() -> None:
    """A player who comes back with 15 s is not warned of 20 s again, but of 5 s."""
    steps: Steps = [(45_000, Switch()), (46_000, Switch())]

    assert _warned(per_participant(60_000, 60_000), *steps, until=61_000) == [(40_000, 20_000), (56_000, 5_000)]


def test_once_a_cycle() -> None:
    """Every new turn is warned anew."""
    expected = [(10_000, 20_000), (25_000, 5_000), (40_000, 20_000), (55_000, 5_000)]

    assert _warned(per_cycle(30_000, ANN, BOB), until=60_000) == expected


def test_a_cycle_handed_over_early_is_not_warned_of_later() -> None:
    """A threshold not crossed before the switch is crossed in the next turn."""
    warned = _warned(per_cycle(30_000, ANN, BOB), (12_000, Switch()), until=30_000)

    assert warned == [(10_000, 20_000), (22_000, 20_000)]


def test_none_while_paused() -> None:
    """A clock that stands crosses nothing; resumed it goes on where it was."""
    warned = _warned(countdown(60_000), (39_999, Pause()), (100_000, Resume()), until=200_000)

    assert warned == [(100_001, 20_000), (115_001, 5_000)]


def test_paused_on_the_threshold_is_warned_once() -> None:
    """Crossed at the very instant of the pause, it is not crossed again at the resume."""
    warned = _warned(countdown(60_000), (40_000, Pause()), (100_000, Resume()), until=101_000)

    assert warned == [(40_000, 20_000)]


@pytest.mark.parametrize("spec", [countdown(60_000, ANN, BOB), stopwatch(60_000, ANN, BOB)], ids=["down", "up"])
def test_once_a_session_where_the_session_has_the_clock(spec: SessionSpec) -> None:
    """Switches and pauses after the crossing do not repeat it, those before do not lose it."""
    before: Steps = [(10_000, Switch()), (20_000, Pause()), (50_000, Resume())]
    after: Steps = [(75_000, Switch()), (76_000, Pause()), (80_000, Resume()), (81_000, RemoveParticipant(ANN))]

    assert _warned(spec, *before, *after, until=94_000) == [(70_000, 20_000), (89_000, 5_000)]


def test_other_changes_do_not_repeat_it() -> None:
    """A version that touches no clock does not repeat a crossing."""
    steps: Steps = [(40_000, Update(metadata=b"1")), (41_000, Update(metadata=b"2"))]

    assert _warned(countdown(60_000), *steps, until=60_000) == [(40_000, 20_000), (55_000, 5_000)]


@pytest.mark.parametrize(
    ("spec", "command"),
    [
        pytest.param(per_participant(60_000, 60_000), AdjustTime(ANN, set_ms=30_000), id="participant"),
        pytest.param(per_group(60_000, 60_000), AdjustTime(group_id=RED, set_ms=30_000), id="group"),
        pytest.param(per_cycle(60_000), AdjustTime(set_ms=30_000), id="cycle"),
        pytest.param(countdown(60_000), AdjustTime(set_ms=30_000), id="countdown"),
        pytest.param(stopwatch(60_000), AdjustTime(set_ms=30_000), id="stopwatch"),
    ],
)
def test_time_given_may_be_crossed_again(spec: SessionSpec, command: AdjustTime) -> None:
    """Lifted above a threshold, the clock crosses it once more."""
    warned = _warned(spec, (45_000, command), until=74_000)

    assert warned == [(40_000, 20_000), (55_000, 20_000), (70_000, 5_000)]


@pytest.mark.parametrize(("left", "again"), [(20_000, []), (20_001, [(45_001, 20_000)])], ids=["to it", "above it"])
def test_time_given_up_to_a_threshold_does_not_cross_it(left: int, again: list[tuple[int, int]]) -> None:
    """A threshold is crossed from above."""
    warned = _warned(countdown(60_000), (45_000, AdjustTime(set_ms=left)), until=50_000)

    assert warned == [(40_000, 20_000), *again]


def test_time_taken_moves_the_crossing() -> None:
    """A threshold skipped by an adjustment does not warn; the next one comes sooner."""
    assert _warned(countdown(60_000), (10_000, AdjustTime(set_ms=10_000)), until=20_000) == [(15_000, 5_000)]


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_none_in_overtime(mode: Mode) -> None:
    """Nothing is left to warn of once the budget is gone."""
    warned = _warned(one_of_each(OnExpire.NOTIFY)[mode], until=500_000)

    assert warned == [(40_000, 20_000), (55_000, 5_000)]


def test_none_before_the_start_and_none_without_a_limit() -> None:
    """No deadline, no warning."""
    pending = Game(countdown(60_000, warning_thresholds_ms=THRESHOLDS)).session
    endless = started(stopwatch()).session

    assert list(warnings_between(pending, at(0), at(100_000))) == []
    assert list(warnings_between(endless, at(0), at(100_000))) == []
