"""Stages: promotion on the exact turn, what is taken along, increments granted before the turn."""

import pytest

from synckairos.domain.commands import AdjustTime, Switch
from synckairos.domain.controls.time_control import Stage, TimeControl
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.canadian import Canadian
from synckairos.domain.families.family import Parts
from synckairos.domain.families.fischer import Fischer
from synckairos.domain.model import OnExpire
from testing.harness.builders import ANN, CLEO, RED, Game, clock_of, started
from tests.unit.domain.controls.control_builders import (
    bank,
    last_turn,
    one_stage,
    players,
    progress_of,
    standing,
    teams,
)

AGES = one_stage(9_000_000)


def play(game: Game, *turns: int, since: int = 0) -> int:
    """Let ANN take turns of so many ms each; the others answer at once. Return the time."""
    for spent in turns:
        since += spent
        game.ok(since, Switch())
        game.ok(since, Switch())
    return since


def parts(game: Game, holder: str = ANN) -> Parts:
    """Return the parts of a holder's clock as stored."""
    clock = clock_of(game.session, holder)
    one = progress_of(clock)
    return Parts(clock.bank_ms or 0, one.periods, one.extra_ms, one.block_ms, one.block_turns)


def test_the_stage_of_a_turn_is_said_with_it() -> None:
    """The turn that reaches the control belongs to the stage it was made in."""
    game = started(players(TimeControl((Stage(10_000, 2), Stage(5_000))), AGES))
    game.ok(1_000, Switch())
    assert last_turn(game).stage == 0
    game.ok(1_000, Switch())

    game.ok(2_000, Switch())

    assert (last_turn(game).stage, last_turn(game).granted_ms) == (0, 5_000)
    assert (progress_of(clock_of(game.session, ANN)).stage, bank(game.session)) == (1, 13_000)


@pytest.mark.parametrize(
    ("control", "spent", "granted"),
    [
        (one_stage(10_000, ByoYomi(5, 30_000)), 50_000, 10_000),
        (one_stage(10_000, Canadian(1, 30_000)), 15_000, 5_000),
        (TimeControl((Stage(10_000, 1, ByoYomi(2, 30_000)), Stage(5_000))), 4_000, -55_000),
    ],
)
def test_a_turn_says_what_all_parts_gained(control: TimeControl, spent: int, granted: int) -> None:
    """Periods that are burnt, blocks that are whole again and what a stage drops are counted in."""
    game = started(players(control, AGES))

    game.ok(spent, Switch())

    assert last_turn(game).granted_ms == granted


def test_the_last_stage_repeats() -> None:
    """After its turns the last stage begins again, with its base."""
    game = started(players(TimeControl((Stage(10_000, 1), Stage(4_000, 2))), AGES))

    now = play(game, 1_000)
    assert parts(game).bank_ms == 13_000
    now = play(game, 1_000, since=now)
    assert parts(game).bank_ms == 12_000
    play(game, 1_000, since=now)
    assert parts(game).bank_ms == 15_000


def test_a_promotion_drops_periods_and_blocks_and_keeps_the_bank() -> None:
    """The next stage begins with its own periods; of the old one only the bank is taken along."""
    control = TimeControl(
        (Stage(10_000, 2, ByoYomi(3, 5_000)), Stage(7_000, 1, Canadian(4, 60_000)), Stage(1_000, 0, ByoYomi(2, 9_000)))
    )
    game = started(players(control, AGES))
    assert parts(game) == Parts(10_000, 3)

    now = play(game, 16_000)
    assert parts(game) == Parts(0, 2)
    now = play(game, 1_000, since=now)
    assert parts(game) == Parts(7_000, 0, 0, 60_000, 4)
    play(game, 6_000, since=now)
    assert parts(game) == Parts(2_000, 2)


def test_what_was_burnt_is_said_with_a_promotion() -> None:
    """Periods burnt in the last turn of a stage are told, those that are dropped are not."""
    game = started(players(TimeControl((Stage(0, 1, ByoYomi(3, 5_000)), Stage(60_000))), AGES))

    game.ok(11_000, Switch())

    assert (last_turn(game).periods_burnt, last_turn(game).spent_ms) == (2, 11_000)
    assert bank(game.session) == 60_000


def test_turns_of_a_team_are_counted_together() -> None:
    """The stages of a group count the turns of all of its members."""
    game = started(teams(TimeControl((Stage(10_000, 2), Stage(5_000)))))

    play(game, 1_000, 1_000)

    assert (bank(game.session, RED), progress_of(clock_of(game.session, RED)).turns_made) == (13_000, 2)
    assert clock_of(game.session, CLEO).used_ms == 1_000


BEFORE = Fischer(1_000, 0, before_turn=True)


def test_an_increment_before_the_turn() -> None:
    """One is there at creation, and each turn ends with the next one's."""
    game = started(players(one_stage(10_000, BEFORE), AGES))
    assert (bank(game.session), clock_of(game.session, ANN).allotted_ms) == (11_000, 10_000)

    play(game, 4_000)

    assert bank(game.session) == 8_000


def test_an_increment_before_the_turn_is_that_of_the_next_stage() -> None:
    """At a promotion the increment of the stage of the next turn is granted."""
    control = TimeControl((Stage(10_000, 1, BEFORE), Stage(5_000, 0, Fischer(3_000, 0, before_turn=True))))

    game = started(players(control, AGES))
    play(game, 2_000)

    assert bank(game.session) == 11_000 - 2_000 + 5_000 + 3_000


def test_an_increment_before_the_turn_rescues_no_flag() -> None:
    """Bank and increment of the turn are all there is."""
    game = started(players(one_stage(10_000, BEFORE), AGES))

    assert game.deadline_ms == 11_000


def test_an_increment_before_the_turn_keeps_to_its_cap() -> None:
    """At creation and later, the cap bounds it and takes nothing away."""
    game = started(players(one_stage(10_000, Fischer(3_000, 11_000, before_turn=True)), AGES))
    assert bank(game.session) == 11_000

    now = play(game, 1_000)
    assert bank(game.session) == 11_000
    play(game, 5_000, since=now)
    assert bank(game.session) == 9_000


def test_free_turns_bring_no_increment_before_the_next() -> None:
    """They grant nothing: the first turn that is charged has the increment of the creation."""
    game = started(players(one_stage(10_000, BEFORE, free_turns=2), AGES))

    now = play(game, 4_000, 50_000)
    assert bank(game.session) == 11_000
    play(game, 4_000, since=now)
    assert bank(game.session) == 8_000


@pytest.mark.parametrize("turns", [1, 3])
def test_no_stage_is_reached_in_overtime(turns: int) -> None:
    """Who has run out has no stage any more; one who is given time goes on with that stage."""
    control = TimeControl((Stage(10_000, 2), Stage(60_000)))
    game = started(players(control, AGES, on_expire=OnExpire.NOTIFY))

    now = play(game, 11_000, *[1_000] * (turns - 1))
    assert (bank(game.session), clock_of(game.session, ANN).in_overtime) == (0, True)
    game.ok(now, AdjustTime(ANN, set_ms=5_000))
    assert standing(game, now).bank_ms == 5_000
    now = play(game, 1_000, since=now)
    assert bank(game.session) == 4_000
    play(game, 1_000, since=now)
    assert bank(game.session) == 63_000
    assert progress_of(clock_of(game.session, ANN)).turns_made == turns + 2
