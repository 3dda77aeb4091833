"""The limits of time controls, each at its edges and named by its path."""

from dataclasses import fields, replace
from typing import Final

import pytest
from hypothesis import given

from synckairos.domain.controls import controlled_clock
from synckairos.domain.controls.limits import control_violations
from synckairos.domain.controls.notation import parse
from synckairos.domain.controls.time_control import LagCompensation, Stage, TimeControl
from synckairos.domain.families import (
    ABSOLUTE,
    FAMILIES,
    Bronstein,
    ByoYomi,
    Canadian,
    Family,
    Fischer,
    Hourglass,
    Penalty,
    PerTurn,
    SimpleDelay,
)
from testing.harness.playing.control_drawing import time_controls

MOST: Final = 28 * 86_400_000
SOUND: Final[dict[str, Family]] = {
    family.name: family
    for family in (
        Fischer(0),
        SimpleDelay(1),
        Bronstein(1),
        ByoYomi(1, 1_000),
        Canadian(1, 1_000),
        PerTurn(1_000),
        Penalty(0, 1_000, 0),
        Hourglass(),
        ABSOLUTE,
    )
}
EDGES: Final[dict[str, tuple[tuple[int, ...], tuple[int, ...]]]] = {
    "fischer.increment_ms": ((0, MOST), (-1, MOST + 1)),
    "fischer.cap_ms": ((0, 1_000, MOST), (-1, 1, 999, MOST + 1)),
    "simple_delay.delay_ms": ((1, MOST), (-1, 0, MOST + 1)),
    "bronstein.delay_ms": ((1, MOST), (-1, 0, MOST + 1)),
    "byo_yomi.periods": ((1, 1_000), (-1, 0, 1_001)),
    "byo_yomi.period_ms": ((1_000, MOST), (-1, 0, 999, MOST + 1)),
    "byo_yomi.increment_ms": ((0, MOST), (-1, MOST + 1)),
    "canadian.turns": ((1, 10_000), (-1, 0, 10_001)),
    "canadian.period_ms": ((1_000, MOST), (-1, 0, 999, MOST + 1)),
    "per_turn.turn_ms": ((1_000, MOST), (-1, 0, 999, MOST + 1)),
    "penalty.limit_ms": ((0, 1, MOST), (-1, MOST + 1)),
    "penalty.unit_ms": ((1_000, MOST), (-1, 0, 999, MOST + 1)),
    "penalty.points": ((0, 1_000_000), (-1, 1_000_001)),
    "penalty.increment_ms": ((0, MOST), (-1, MOST + 1)),
}


def paths(control: TimeControl) -> list[str]:
    return [violation.path for violation in control_violations("c", control)]


def test_every_number_of_every_family_has_its_edges_here() -> None:
    """A new family, or a new number of one, needs a row in EDGES."""
    assert set(SOUND) == {family.name for family in FAMILIES}
    numbers = {f"{name}.{field.name}" for name, family in SOUND.items() for field in fields(family)}
    assert numbers - {"fischer.before_turn"} == set(EDGES)


@pytest.mark.parametrize("number", EDGES)
def test_numbers_of_families(number: str) -> None:
    """Each is taken up to its limits, and refused by its path beyond them."""
    name, field = number.split(".")
    allowed, refused = EDGES[number]

    for value in allowed:
        assert not paths(TimeControl((Stage(1_000, 0, replace(SOUND[name], **{field: value})),)))
    for value in refused:
        control = TimeControl((Stage(1_000, 1), Stage(1_000, 0, replace(SOUND[name], **{field: value}))))
        assert paths(control) == [f"c.stages[1].{number}"]


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("turn_limit_ms", (0, 100, MOST), (-1, 1, 99, MOST + 1)),
        ("free_turns", (0, 1, 1_000), (-1, 1_001)),
        ("free_turn_limit_ms", (0, 100, MOST), (-1, 99, MOST + 1)),
    ],
)
def test_numbers_around_the_stages(name: str, allowed: tuple[int, ...], refused: tuple[int, ...]) -> None:
    """A limit of turns is 0 or at least 100 ms."""
    control = TimeControl((Stage(1_000),), free_turns=1)

    for value in allowed:
        assert not paths(control._replace(**{name: value}))
    for value in refused:
        assert paths(control._replace(**{name: value})) == [f"c.{name}"]


@pytest.mark.parametrize("name", LagCompensation._fields)
def test_lag_compensation(name: str) -> None:
    """Its four numbers are 0 to 28 days."""
    for value, wrong in ((0, False), (MOST, False), (-1, True), (MOST + 1, True)):
        control = TimeControl((Stage(1_000),), lag_compensation=LagCompensation()._replace(**{name: value}))
        assert paths(control) == ([f"c.lag_compensation.{name}"] if wrong else [])


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("300", ""),
        ("0", "stages[0].base_ms"),
        ("0.999", "stages[0].base_ms"),
        ("2419200", ""),
        ("2419200.001", "stages[0].base_ms"),
        ("10000/300", ""),
        ("10001/300", "stages[0].turns"),
        ("40/600:20/300:60", ""),
        # Zero main time, where the family has time of its own, or the increment comes before the turn.
        ("0+5", "stages[0].base_ms"),
        ("0+5a", ""),
        ("0+0a", "stages[0].base_ms"),
        ("0b5", "stages[0].base_ms"),
        ("*0", "stages[0].base_ms"),
        ("0d5", ""),
        ("0|1x30", ""),
        ("0/20x300", ""),
        ("t60", ""),
        ("0p10/60-600", ""),
        ("0p10/60", ""),
        # A later stage may add nothing where the one before always leaves some time.
        ("40/5400:0+30", ""),
        ("40/5400d5:0", ""),
        ("40/0d5:0", "stages[1].base_ms"),
        ("40/600|5x30:0", "stages[1].base_ms"),
        ("40/600|5x30:0d5", ""),
        ("40/600/20x300:0", "stages[1].base_ms"),
        ("40/t60:0", "stages[1].base_ms"),
        ("40/t60:1", ""),
        # Below zero, the next stage must make up for the whole limit.
        ("40/1500p10/60-600:600", ""),
        ("40/1500p10/60-600:599", "stages[1].base_ms"),
        ("40/1500p10/60-600:0|5x9999", "stages[1].base_ms"),
        ("40/1500p10/60-600:0p1/60-600", ""),
        ("40/1500p10/60-600:0p1/60-599", "stages[1].base_ms"),
        ("40/1500p10/60:2419200", "stages[1].base_ms"),
        ("40/1500p10/60:0p1/60", ""),
        # An hourglass keeps its sum: no stage adds to it.
        ("*60", ""),
        ("*60!30~1", ""),
        ("40/*60", "stages[0].hourglass"),
        ("40/300:*60", "stages[1].hourglass"),
        ("300~1@0.099", "free_turn_limit_ms"),
    ],
)
def test_what_stages_leave_to_each_other(text: str, path: str) -> None:
    """No stage may begin with a clock that has run out: it would flag at once."""
    assert paths(parse(text)) == ([f"c.{path}"] if path else [])


def test_the_number_of_stages() -> None:
    """1 to 16; how many there are is told instead of what is wrong in them."""
    assert paths(TimeControl(())) == ["c.stages"]
    assert not paths(TimeControl((Stage(1_000, 1),) * 16))
    assert paths(TimeControl((Stage(-1),) * 17)) == ["c.stages"]


def test_a_limit_of_free_turns_needs_free_turns() -> None:
    """Otherwise it would say nothing."""
    assert paths(TimeControl((Stage(1_000),), free_turn_limit_ms=1_000)) == ["c.free_turn_limit_ms"]


def test_all_problems_are_told_together() -> None:
    """In the order of the fields, with what is allowed and what was given."""
    control = TimeControl((Stage(1, 0, ByoYomi(0, 30_000)), Stage(0, -1)), turn_limit_ms=99)

    assert [str(violation.path) for violation in control_violations("time_control", control)] == [
        "time_control.turn_limit_ms",
        "time_control.stages[0].base_ms",
        "time_control.stages[0].turns",
        "time_control.stages[0].byo_yomi.periods",
        "time_control.stages[1].turns",
    ]
    assert next(control_violations("c", control)).description == f"must be between 100 and {MOST}, is 99"


@given(time_controls())
def test_an_accepted_control_begins_with_time_and_stays_below_two_to_the_53(control: TimeControl) -> None:
    """No sum of parts reaches the numbers that a double cannot tell apart, however long the control runs."""
    if paths(control):
        return
    clock = controlled_clock.begin(control)
    assert clock.progress is not None
    left = controlled_clock.remaining(clock, clock.progress, 0)
    assert left is None or left > 0
    most_granted = max(getattr(stage.family, "increment_ms", 0) + stage.base_ms for stage in control.stages)
    most_periods = max(getattr(stage.family, "periods", 0) for stage in control.stages) * MOST
    assert most_granted * 1_000_000 + most_periods < 2**53
