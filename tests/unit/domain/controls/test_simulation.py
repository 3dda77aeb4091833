"""Playing turns: the golden numbers of every family, and what pauses, lag and flags do to them."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synckairos.domain.controls import controlled_clock
from synckairos.domain.controls.limits import control_violations
from synckairos.domain.controls.notation import parse
from synckairos.domain.controls.requirements import hourglass_violations
from synckairos.domain.controls.simulation import (
    PausePlan,
    PlayedTurn,
    TurnPlan,
    play,
    turn_violations,
)
from synckairos.domain.controls.time_control import LagCompensation, TimeControl
from synckairos.domain.families.family import Phase, PhaseKind, Standing
from synckairos.domain.model import Clock
from testing.harness.playing.control_drawing import time_controls


def played(text: str, *spent_ms: int, holders: int = 1) -> list[PlayedTurn]:
    return list(play([parse(text)] * holders, [TurnPlan(spent) for spent in spent_ms]))


def standing(clock: Clock) -> Standing:
    assert clock.progress is not None
    return controlled_clock.standing(clock, clock.progress, 0)


def banks(turn: PlayedTurn) -> list[int]:
    return [standing(clock).bank_ms for clock in turn.clocks]


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("180+2", 180_000),
        ("10d5", 15_000),
        ("10b5", 10_000),
        ("10|5x30", 160_000),
        ("0|1x30", 30_000),
        ("60/20x300", 360_000),
        ("60t30", 90_000),
        ("10p10/60-600", 610_000),
        ("10!3", 3_000),
        ("10~1@2", 2_000),
    ],
)
def test_a_turn_ends_at_its_flag_or_its_limit(text: str, budget: int) -> None:
    """A turn of the whole budget is flagged there, grants nothing, and is the last one."""
    assert not played(text, budget - 1)[0].flagged
    for spent in (budget, budget + 1, budget * 2):
        turns = played(text, spent, 1_000, holders=2)

        assert [(turn.holder, turn.spent_ms, turn.ended_at, turn.flagged) for turn in turns] == [
            (0, budget, budget, True)
        ]
        assert turns[0].phases[-1].phase.kind is PhaseKind.FLAG


def test_an_hourglass_flows() -> None:
    """What a turn takes goes to the others, the first in rotation getting the odd milliseconds."""
    assert banks(played("*60", 10_000, holders=2)[0]) == [50_000, 70_000]
    assert banks(played("*60", 10_001, holders=3)[0]) == [49_999, 65_001, 65_000]


def test_holders_take_turns_with_odds() -> None:
    """Each with its own control, in order and around again."""
    turns = list(play([parse("60"), parse("30+1"), parse("t10")], [TurnPlan(5_000)] * 4))

    assert [turn.holder for turn in turns] == [0, 1, 2, 0]
    assert banks(turns[-1]) == [50_000, 26_000, 0]
    assert [turn.began_at for turn in turns] == [0, 5_000, 10_000, 15_000]


def test_lag_is_credited() -> None:
    """Up to the quota, and never more than was spent."""
    control = parse("60")._replace(lag_compensation=LagCompensation(500, 100, 1_000))
    turns = list(play([control], [TurnPlan(1_000, lag_ms=400), TurnPlan(1_000, lag_ms=400), TurnPlan(50, lag_ms=400)]))

    assert [turn.credited_ms for turn in turns] == [400, 200, 50]
    assert banks(turns[-1]) == [58_600]


def test_phases_are_those_the_clock_was_in() -> None:
    """With the instant each began at; a pause shifts what comes after it, and tells nothing twice."""
    pauses = (PausePlan(2_000, 500), PausePlan(5_000, 1_000), PausePlan(5_000, 0))
    turn = next(play([parse("10d5")], [TurnPlan(6_000, pauses)]))

    assert turn.phases == (
        (0, Phase(0, PhaseKind.DELAY, 10_000, 0)),
        (5_500, Phase(5_000, PhaseKind.MAIN, 10_000, -1)),
    )
    assert (turn.spent_ms, turn.ended_at) == (6_000, 7_500)


def test_a_flag_comes_before_a_pause_at_its_instant() -> None:
    """A pause does not rescue a clock."""
    turns = list(play([parse("10")], [TurnPlan(20_000, (PausePlan(10_000, 5_000), PausePlan(12_000, 1)))]))

    assert [(turn.flagged, turn.spent_ms, turn.ended_at) for turn in turns] == [(True, 10_000, 10_000)]
    assert [phase.phase.kind for phase in turns[0].phases] == [PhaseKind.MAIN, PhaseKind.FLAG]


def test_a_long_game_is_never_idle() -> None:
    """Neither 28 days of a turn nor a pause of as long end it."""
    month = 28 * 86_400_000
    turns = list(play([parse("60p1/60")], [TurnPlan(month, (PausePlan(1_000, month),))] * 3))

    assert [turn.flagged for turn in turns] == [False] * 3
    assert turns[-1].ended_at == 6 * month


@st.composite
def games(draw: st.DrawFn) -> tuple[TimeControl, list[TurnPlan]]:
    """Draw a control within its limits, and turns that mostly end in time."""
    sound = time_controls(max_stages=3, longest_ms=60_000).filter(lambda one: not any(control_violations("", one)))
    spent = st.integers(0, 20_000) | st.integers(0, 200_000)
    return draw(sound), [TurnPlan(one) for one in draw(st.lists(spent, min_size=1, max_size=6))]


@given(games(), st.data())
def test_pauses_change_nothing_but_instants(game: tuple[TimeControl, list[TurnPlan]], data: st.DataObject) -> None:
    """Clocks, flags and the order of phases are the same, however often the turns are paused."""
    control, turns = game
    paused = []
    for turn in turns:
        starts = sorted(data.draw(st.lists(st.integers(0, turn.spent_ms), max_size=3)))
        paused.append(turn._replace(pauses=tuple(PausePlan(at, data.draw(st.integers(0, 10**9))) for at in starts)))

    without, with_pauses = list(play([control] * 2, turns)), list(play([control] * 2, paused))

    assert [turn.clocks for turn in with_pauses] == [turn.clocks for turn in without]
    assert [(turn.spent_ms, turn.flagged) for turn in with_pauses] == [
        (turn.spent_ms, turn.flagged) for turn in without
    ]
    kinds = [[phase.phase.kind for phase in turn.phases] for turn in without]
    assert [[phase.phase.kind for phase in turn.phases] for turn in with_pauses] == kinds


@given(games())
def test_turns_follow_each_other_without_a_gap(game: tuple[TimeControl, list[TurnPlan]]) -> None:
    """Each begins where the one before ended, its first phase with it, and its phases in order."""
    control, plans = game
    turns = list(play([control] * 2, plans))

    assert [turn.began_at for turn in turns] == [0, *[turn.ended_at for turn in turns[:-1]]]
    assert [turn.ended_at for turn in turns] == list(accumulate(turn.spent_ms for turn in turns))
    for turn in turns:
        instants = [phase.at for phase in turn.phases]
        assert instants == sorted(instants)
        assert instants[0] == turn.began_at
        assert instants[-1] <= turn.ended_at


@given(games())
def test_no_turn_begins_with_a_flag(game: tuple[TimeControl, list[TurnPlan]]) -> None:
    """Whatever stages leave to each other: a clock within its limits always has a millisecond to spend."""
    control, plans = game

    for turn in play([control] * 2, [*plans, TurnPlan(0), TurnPlan(0)]):
        assert turn.spent_ms > 0 or not turn.flagged


@pytest.mark.parametrize(
    ("turn", "paths"),
    [
        (TurnPlan(0), []),
        (TurnPlan(28 * 86_400_000), []),
        (TurnPlan(-1), ["spent_ms"]),
        (TurnPlan(28 * 86_400_000 + 1), ["spent_ms"]),
        (TurnPlan(1_000, lag_ms=1), ["lag_ms"]),
        (TurnPlan(1_000, lag_ms=-1), ["lag_ms", "lag_ms"]),
        (TurnPlan(1_000, (PausePlan(0, 0), PausePlan(1_000, 28 * 86_400_000))), []),
        (TurnPlan(1_000, (PausePlan(1_001, 0),)), ["pauses[0].start_ms"]),
        (TurnPlan(1_000, (PausePlan(-1, -1),)), ["pauses[0].duration_ms", "pauses[0].start_ms"]),
        (TurnPlan(1_000, (PausePlan(600, 5), PausePlan(599, 5))), ["pauses[1].start_ms"]),
    ],
)
def test_turns_are_held_to_their_limits(turn: TurnPlan, paths: list[str]) -> None:
    """By the path of each field."""
    found = [violation.path for violation in turn_violations("turns[3]", turn, parse("60"))]

    assert found == [f"turns[3].{path}" for path in paths]


def test_lag_is_taken_where_the_control_has_lag_compensation() -> None:
    """Up to a minute."""
    control = parse("60")._replace(lag_compensation=LagCompensation())

    assert not list(turn_violations("turn", TurnPlan(0, lag_ms=60_000), control))
    assert [one.path for one in turn_violations("turn", TurnPlan(0, lag_ms=60_001), control)] == ["turn.lag_ms"]


@pytest.mark.parametrize(
    ("texts", "path"),
    [
        (["60"], ""),
        (["*60", "*30"], ""),
        (["*60"], "holders"),
        (["*60", "60"], "time_controls[1]"),
        (["60", "*60"], "time_controls[0]"),
    ],
)
def test_an_hourglass_is_played_by_all_holders(texts: list[str], path: str) -> None:
    """And by two at least: what flows must flow to somebody."""
    paths = [f"time_controls[{place}]" for place in range(len(texts))]

    found = [one.path for one in hourglass_violations("holders", paths, [parse(text) for text in texts])]

    assert found == ([path] if path else [])
