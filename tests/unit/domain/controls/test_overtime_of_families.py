"""NOTIFY: what is left of each family once its clock has run out, and how an adjustment brings it back."""

from typing import Final

import pytest

from synckairos.domain.commands import AdjustTime, Complete, Pause, RemoveParticipant, Resume, Switch
from synckairos.domain.events import EventType
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.canadian import Canadian
from synckairos.domain.families.delays import Bronstein, SimpleDelay
from synckairos.domain.families.family import Family, Standing
from synckairos.domain.families.fischer import Fischer
from synckairos.domain.families.penalty import Penalty
from synckairos.domain.families.per_turn import PerTurn
from synckairos.domain.model import OnExpire
from testing.harness.builders import ANN, BOB, CLEO, RED, Game, clock_of, stamps, started
from tests.unit.domain.controls.control_builders import (
    bank,
    last_turn,
    left,
    one_stage,
    players,
    progress_of,
    standing,
    teams,
)

ONCE: Final = [
    pytest.param(Fischer(2_000), 10_000, 0, id="Fischer"),
    pytest.param(Fischer(2_000, 0, before_turn=True), 12_000, 0, id="Fischer before the turn"),
    pytest.param(SimpleDelay(5_000), 15_000, 0, id="delay"),
    pytest.param(Bronstein(5_000), 10_000, 0, id="Bronstein"),
    pytest.param(ByoYomi(2, 4_000, 1_000), 18_000, 0, id="byo-yomi"),
    pytest.param(Canadian(3, 6_000), 16_000, 0, id="Canadian"),
    pytest.param(Penalty(6_000, 1_000, 3, 2_000), 16_000, -6_000, id="penalty"),
]


def overtime(family: Family) -> Game:
    """Return a game in which ANN, with 10 s of this family, has run out while BOB has ages."""
    return started(players(one_stage(10_000, family), one_stage(9_000_000), on_expire=OnExpire.NOTIFY))


@pytest.mark.parametrize(("family", "budget", "stays"), ONCE)
def test_nothing_is_left_of_a_family(family: Family, budget: int, stays: int) -> None:
    """One overtime_started, at the flag; then every turn is overtime, and none of them brings anything back."""
    game = overtime(family)

    game.ok(budget + 700)
    assert (game.events[-1].type, stamps(game.events[-1])) == (EventType.OVERTIME_STARTED, (budget, budget + 700))
    assert standing(game, budget + 700)._replace(penalty_points=None) == Standing(stays)
    assert (left(game, budget + 700), game.clock(budget + 700, ANN).overtime_ms) == (0, 700)
    game.ok(budget + 1_000, Switch(), Switch())
    game.ok(budget + 1_500, Switch())

    clock = clock_of(game.session, ANN)
    assert (clock.bank_ms, clock.used_ms, clock.overtime_ms, clock.in_overtime) == (stays, budget, 1_500, True)
    assert (last_turn(game).granted_ms, last_turn(game).spent_ms) == (0, 500)
    assert game.types().count(EventType.OVERTIME_STARTED) == 1
    assert progress_of(clock).turns_made == 2


def test_the_points_stay_when_the_limit_is_passed() -> None:
    """Whoever has overdrawn the clock to its limit has the points for it, whatever follows."""
    game = overtime(Penalty(6_000, 1_000, 3))

    game.ok(17_000)
    assert standing(game, 17_000) == Standing(-6_000, penalty_points=18)
    game.ok(18_000, Switch(), Complete())

    assert standing(game, 18_000) == Standing(-6_000, penalty_points=18)


def test_a_turn_that_flags_has_burnt_every_period() -> None:
    """The event that ends the turn says so."""
    game = overtime(ByoYomi(2, 4_000))

    game.ok(19_000, Switch())

    assert last_turn(game).periods_burnt == 2


def test_each_turn_of_per_turn_has_its_time_again() -> None:
    """The reserve is gone; the next turn is not overtime until it has spent its own time."""
    game = overtime(PerTurn(4_000))

    game.ok(15_000, Switch())
    clock = clock_of(game.session, ANN)
    assert (clock.bank_ms, clock.used_ms, clock.overtime_ms, clock.in_overtime) == (0, 14_000, 1_000, False)
    assert last_turn(game).granted_ms == 4_000
    game.ok(15_000, Switch())
    assert game.deadline_ms == 19_000
    game.ok(18_999, Switch(), Switch())
    assert game.types().count(EventType.OVERTIME_STARTED) == 1
    game.ok(22_999)

    assert game.types().count(EventType.OVERTIME_STARTED) == 2


@pytest.mark.parametrize(
    ("family", "budget"), [pytest.param(*one.values[:2], id=one.id) for one in ONCE if one.id != "penalty"]
)
def test_time_brings_a_family_back(family: Family, budget: int) -> None:
    """3 s more are 3 s until the flag: a delay or a turn's own time that the turn has used does not come back."""
    game = overtime(family)
    now = budget + 1_000

    game.ok(now, AdjustTime(ANN, set_ms=3_000))

    bringing_block = isinstance(family, Canadian)
    assert standing(game, now).bank_ms == 3_000
    assert (left(game, now), game.deadline_ms) == ((9_000, now + 9_000) if bringing_block else (3_000, now + 3_000))
    game.ok(now + 1_000, Pause())
    game.ok(now + 1_000, Resume())
    assert standing(game, now + 2_000).bank_ms == 1_000
    game.ok(now + 2_000, Switch(), Switch())
    clock = clock_of(game.session, ANN)
    assert (clock.used_ms, clock.overtime_ms, clock.in_overtime) == (budget + 2_000, 1_000, False)


def test_the_reserve_brings_no_turn_time_back() -> None:
    """The turn has used its own time: 3 s of reserve are 3 s."""
    game = overtime(PerTurn(4_000))

    game.ok(15_000, AdjustTime(ANN, set_ms=3_000))
    assert (standing(game, 15_000), left(game, 15_000)) == (Standing(3_000, None, 0), 3_000)
    game.ok(16_000, Switch())

    assert (bank(game.session), game.clock(16_000, ANN).in_overtime) == (2_000, False)


def test_a_delay_of_a_turn_that_began_in_overtime() -> None:
    """2 of its 5 s are over when time is given: 3 s of delay, and then the bank."""
    game = overtime(SimpleDelay(5_000))
    game.ok(16_000, Switch(), Switch())

    game.ok(18_000, AdjustTime(ANN, set_ms=4_000))

    assert (standing(game, 18_000).delay_remaining_ms, left(game, 18_000)) == (3_000, 7_000)


def test_who_has_run_out_is_given_time_while_waiting() -> None:
    """The next turn has its delay."""
    game = overtime(SimpleDelay(5_000))
    game.ok(16_000, Switch())

    game.ok(17_000, AdjustTime(ANN, delta_ms=4_000))
    game.ok(18_000, Switch())

    assert game.deadline_ms == 27_000


def test_no_time_leaves_the_overtime() -> None:
    """Nothing added is nothing changed."""
    game = overtime(SimpleDelay(5_000))

    game.ok(16_000, AdjustTime(ANN, delta_ms=-4_000))

    assert (game.clock(17_000, ANN).overtime_ms, game.clock(17_000, ANN).in_overtime) == (2_000, True)


def test_periods_bring_byo_yomi_back() -> None:
    """The first of them begins there and then."""
    game = overtime(ByoYomi(2, 4_000))

    game.ok(19_000, AdjustTime(ANN, set_periods=3))

    assert (standing(game, 20_000), game.deadline_ms) == (Standing(0, 3, 3_000), 31_000)
    game.ok(24_000, Switch())
    assert (last_turn(game).periods_burnt, progress_of(clock_of(game.session, ANN)).periods) == (3, 2)
    assert game.clock(24_000, ANN).overtime_ms == 1_000


def test_time_alone_brings_no_periods_back() -> None:
    """Main time, and the flag at its end."""
    game = overtime(ByoYomi(2, 4_000, 500))

    game.ok(19_000, AdjustTime(ANN, set_ms=2_000))

    assert (standing(game, 19_000).bank_ms, standing(game, 19_000).periods_left) == (2_000, 0)
    assert game.deadline_ms == 21_000
    game.ok(20_000, Switch())
    assert bank(game.session) == 1_500


def test_penalties_come_back_from_their_limit() -> None:
    """At -6 s the clock stands; 2 s more are 2 s until the flag, and the points follow."""
    game = overtime(Penalty(6_000, 1_000, 3))

    game.ok(17_000, AdjustTime(ANN, delta_ms=2_000))

    assert (standing(game, 17_000), game.deadline_ms) == (Standing(-4_000, penalty_points=12), 19_000)


def test_a_team_in_overtime_hands_its_turn_on() -> None:
    """The overtime of a turn runs on with the team mate."""
    game = started(teams(one_stage(10_000, SimpleDelay(5_000)), on_expire=OnExpire.NOTIFY))

    game.ok(17_000, RemoveParticipant(ANN))
    game.ok(18_000, AdjustTime(group_id=RED, set_ms=4_000))

    assert game.active_id == CLEO
    assert (left(game, 18_000, RED), standing(game, 18_000, RED).delay_remaining_ms) == (4_000, 0)
    assert clock_of(game.session, RED).overtime_ms == 3_000


def test_the_others_are_not_touched() -> None:
    """Each holder has an overtime of its own."""
    game = started(players(one_stage(10_000), on_expire=OnExpire.NOTIFY))

    game.ok(11_000, Switch())

    assert (game.deadline_ms, game.clock(12_000, BOB).in_overtime) == (21_000, False)
