"""AdjustTime acts on the part of a clock that runs or would run next, and means what that part has left."""

from typing import Final

import pytest

from synckairos.domain.commands import AdjustTime, Pause, Resume, Start, Switch
from synckairos.domain.errors import InvalidField
from synckairos.domain.events import EventType
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.canadian import Canadian
from synckairos.domain.families.delays import SimpleDelay
from synckairos.domain.families.family import Family, Standing
from synckairos.domain.families.fischer import Fischer
from synckairos.domain.families.penalty import Penalty
from synckairos.domain.families.per_turn import PerTurn
from synckairos.domain.model import Status
from synckairos.domain.specification import SessionSpec
from testing.harness.builders import ANN, BOB, DAY, Game, countdown, per_participant, started
from tests.unit.domain.controls.control_builders import bank, last_turn, left, one_stage, players, standing

AGES: Final = one_stage(9_000_000)


def turn_of(base_ms: int, family: Family) -> Game:
    """Return a game in which ANN's turn has just begun."""
    return started(players(one_stage(base_ms, family), AGES))


BANKS: Final = [
    pytest.param(Fischer(1_000), 7_000, 7_000, id="Fischer"),
    pytest.param(SimpleDelay(5_000), 10_000, 12_000, id="in the delay"),
    pytest.param(ByoYomi(2, 30_000), 7_000, 67_000, id="main time of byo-yomi"),
    pytest.param(Canadian(2, 30_000), 7_000, 37_000, id="main time of Canadian"),
    pytest.param(PerTurn(30_000), 10_000, 37_000, id="reserve"),
    pytest.param(Penalty(60_000, 1_000, 1), 7_000, 67_000, id="penalty"),
]


@pytest.mark.parametrize(("family", "part", "all_parts"), BANKS)
@pytest.mark.parametrize("paused", [False, True])
def test_the_bank_in_a_turn(family: Family, part: int, all_parts: int, paused: bool) -> None:
    """After 3 s of 10: 4 s more, 9 s, at least 9 s; never on a delay, or on a turn's own time."""
    for command, result in (
        (AdjustTime(ANN, delta_ms=4_000), part + 4_000),
        (AdjustTime(ANN, set_ms=9_000), 9_000),
        (AdjustTime(ANN, at_least_ms=9_000), max(part, 9_000)),
        (AdjustTime(ANN, at_least_ms=2_000), part),
    ):
        game = turn_of(10_000, family)
        if paused:
            game.ok(3_000, Pause())
        assert (standing(game, 3_000).bank_ms, left(game, 3_000)) == (part, all_parts)

        game.ok(3_000, command)

        assert (standing(game, 3_000).bank_ms, left(game, 3_000)) == (result, all_parts + result - part)


@pytest.mark.parametrize(("family", "part", "all_parts"), BANKS)
def test_an_adjustment_of_nothing_changes_no_turn(family: Family, part: int, all_parts: int) -> None:
    """What the turn has spent stays with it: it is settled as if nobody had asked."""
    game, plain = turn_of(10_000, family), turn_of(10_000, family)

    game.ok(3_000, AdjustTime(ANN, delta_ms=0))
    game.ok(4_000, AdjustTime(ANN, set_ms=part - 1_000 * (part < 10_000)))
    game.ok(6_000, Switch())
    plain.ok(6_000, Switch())

    assert [bank(one.session) for one in (game, plain)] == [bank(plain.session)] * 2
    assert last_turn(game) == last_turn(plain)
    assert all_parts >= part


def test_a_bank_in_a_delay_that_is_brought_to_zero() -> None:
    """The delay goes on; the clock runs out at its end."""
    game = turn_of(10_000, SimpleDelay(5_000))

    game.ok(3_000, AdjustTime(ANN, set_ms=0))

    assert (game.session.status, game.deadline_ms) == (Status.RUNNING, 5_000)


def test_main_time_that_is_brought_to_zero() -> None:
    """The first period begins; none has been burnt."""
    game = turn_of(10_000, ByoYomi(2, 30_000))

    game.ok(3_000, AdjustTime(ANN, set_ms=0))

    assert (standing(game, 4_000), game.deadline_ms) == (Standing(0, 2, 29_000), 63_000)
    game.ok(20_000, Switch())
    assert (last_turn(game).periods_burnt, last_turn(game).spent_ms) == (0, 20_000)


def test_what_runs_runs_out_at_zero() -> None:
    """A bank or a block without anything behind it: time_adjusted and the expiry, both now."""
    for family, now in ((Fischer(1_000), 3_000), (Canadian(2, 30_000), 15_000)):
        game = turn_of(10_000, family)

        game.ok(now, AdjustTime(ANN, set_ms=0))

        assert game.types()[-2:] == [EventType.TIME_ADJUSTED, EventType.SESSION_EXPIRED]
        assert game.session.completed_at == game.session.updated_at


@pytest.mark.parametrize("family", [Fischer(1_000), SimpleDelay(5_000), ByoYomi(2, 30_000), PerTurn(30_000)])
def test_what_stands_keeps_a_millisecond(family: Family) -> None:
    """Of the bank, paused or waiting."""
    game = started(players(one_stage(10_000, family)))
    game.ok(3_000, AdjustTime(BOB, delta_ms=-DAY))
    game.ok(3_000, Pause(), AdjustTime(ANN, set_ms=0))

    assert (standing(game, 3_000).bank_ms, standing(game, 3_000, BOB).bank_ms) == (1, 1)


def test_the_period_that_runs() -> None:
    """It keeps the difference, once: the next turn has whole periods again."""
    game = turn_of(10_000, ByoYomi(5, 30_000))
    assert standing(game, 55_000) == Standing(0, 4, 15_000)

    game.ok(55_000, AdjustTime(ANN, delta_ms=20_000))
    assert (standing(game, 55_000), left(game, 55_000)) == (Standing(0, 4, 35_000), 125_000)
    assert game.deadline_ms == 55_000 + 35_000 + 3 * 30_000
    assert standing(game, 89_999) == Standing(0, 4, 1)
    assert standing(game, 90_000) == Standing(0, 3, 30_000)
    game.ok(89_999, Switch(), Switch())

    assert standing(game, 89_999) == Standing(0, 4, 30_000)
    assert game.deadline_ms == 89_999 + 4 * 30_000


def test_what_an_adjusted_turn_has_burnt() -> None:
    """All the periods of the turn, before the adjustment and after."""
    game = turn_of(10_000, ByoYomi(5, 30_000))
    game.ok(55_000, AdjustTime(ANN, set_ms=5_000))

    game.ok(95_000, Switch())

    assert (last_turn(game).periods_burnt, last_turn(game).spent_ms) == (3, 95_000)
    assert standing(game, 95_000).periods_left == 2


def test_the_period_that_would_run_next() -> None:
    """Of one who waits without main time: it is longer, or shorter, once."""
    game = started(players(one_stage(0, ByoYomi(2, 30_000))))

    game.ok(1_000, AdjustTime(BOB, delta_ms=-10_000))
    assert (standing(game, 1_000, BOB), left(game, 1_000, BOB)) == (Standing(0, 2, 20_000), 50_000)
    game.ok(1_000, Switch())
    assert game.deadline_ms == 51_000
    game.ok(20_999, Switch(), Switch())

    assert standing(game, 20_999, BOB) == Standing(0, 2, 30_000)


@pytest.mark.parametrize("paused", [False, True])
def test_a_period_keeps_a_millisecond(paused: bool) -> None:
    """Only time burns it, whether it runs or stands."""
    game = turn_of(0, ByoYomi(2, 30_000))
    if paused:
        game.ok(5_000, Pause())

    game.ok(5_000, AdjustTime(ANN, set_ms=0))

    assert (standing(game, 5_000), left(game, 5_000)) == (Standing(0, 2, 1), 30_001)


def test_the_block_that_runs() -> None:
    """It has that much left, for the turns that are left in it."""
    game = turn_of(60_000, Canadian(3, 300_000))
    game.ok(70_000, Switch(), Switch())
    game.ok(80_000, AdjustTime(ANN, set_ms=100_000))
    assert (standing(game, 80_000), game.deadline_ms) == (Standing(0, None, 100_000, 2), 180_000)

    game.ok(81_000, Switch())

    assert standing(game, 81_000) == Standing(0, None, 99_000, 1)
    game.ok(81_000, AdjustTime(ANN, delta_ms=1_000))
    assert standing(game, 81_000).period_remaining_ms == 100_000


def test_penalties_go_both_ways() -> None:
    """Below zero, up to the limit and not beyond."""
    game = turn_of(10_000, Penalty(60_000, 10_000, 5))
    assert standing(game, 25_000) == Standing(-15_000, penalty_points=10)

    game.ok(25_000, AdjustTime(ANN, delta_ms=4_999))
    assert (standing(game, 25_000), left(game, 25_000)) == (Standing(-10_001, penalty_points=10), 49_999)
    game.ok(25_000, Pause(), AdjustTime(ANN, delta_ms=-DAY))

    assert standing(game, 25_000).bank_ms == -59_999


def test_penalties_without_a_limit() -> None:
    """There is no flag, and nothing to be left before it; only calls keep such a turn alive."""
    game = turn_of(10_000, Penalty(0, 10_000, 5, 1_000))
    assert (left(game, 25_000), game.deadline_ms) == (None, None)

    game.ok(25_000, AdjustTime(ANN, delta_ms=-10_000))
    assert standing(game, 25_000) == Standing(-25_000, penalty_points=15)
    game.ok(25_001, Switch())

    assert bank(game.session) == -24_001


def test_periods_in_main_time() -> None:
    """They are there when the main time is over."""
    game = turn_of(10_000, ByoYomi(5, 30_000))

    game.ok(4_000, AdjustTime(ANN, set_periods=2))

    assert (standing(game, 4_000), game.deadline_ms) == (Standing(6_000, 2, 30_000), 70_000)


def test_periods_with_the_one_that_runs() -> None:
    """The one that runs is the first of them, and has what it had."""
    game = turn_of(10_000, ByoYomi(5, 30_000))

    game.ok(55_000, AdjustTime(ANN, set_periods=1))
    assert (standing(game, 55_000), game.deadline_ms) == (Standing(0, 1, 15_000), 70_000)
    game.ok(69_999, Switch())

    assert (last_turn(game).periods_burnt, standing(game, 69_999)) == (1, Standing(0, 1, 30_000))


def test_periods_of_one_who_waits() -> None:
    """Before the game, paused, in another's turn."""
    game = Game(players(one_stage(0, ByoYomi(5, 30_000))))

    game.ok(0, AdjustTime(ANN, set_periods=2), Start())
    game.ok(1_000, AdjustTime(BOB, set_periods=7))
    assert (game.deadline_ms, standing(game, 1_000, BOB).periods_left) == (60_000, 7)
    game.ok(1_000, Pause(), AdjustTime(ANN, set_periods=1))
    game.ok(9_000, Resume())

    assert game.deadline_ms == 9_000 + 29_000


@pytest.mark.parametrize(
    ("spec", "holder"),
    [
        pytest.param(players(AGES), ANN, id="absolute"),
        pytest.param(players(one_stage(0, PerTurn(30_000))), ANN, id="per turn"),
        pytest.param(per_participant(), ANN, id="old"),
        pytest.param(countdown(), "", id="countdown"),
    ],
)
def test_periods_without_byo_yomi(spec: SessionSpec, holder: str) -> None:
    """There are none to set."""
    game = started(spec)

    refusal = game.refused(1_000, AdjustTime(holder, set_periods=2))

    assert isinstance(refusal, InvalidField)
    assert [path for path, _ in refusal.violations] == ["set_periods"]
