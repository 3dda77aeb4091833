"""Turns that nobody completes: cut short by an end, a removal or an elimination, handed on, or advanced."""

from typing import Final

import pytest

from synckairos.domain import timing
from synckairos.domain.commands import Cancel, Complete, Pause, RemoveParticipant, Resume, Switch
from synckairos.domain.controls import controlled_clock
from synckairos.domain.events import SYSTEM, Cause, EventType
from synckairos.domain.families.byo_yomi import ByoYomi
from synckairos.domain.families.canadian import Canadian
from synckairos.domain.families.delays import Bronstein, SimpleDelay
from synckairos.domain.families.family import Family, Standing
from synckairos.domain.families.fischer import Fischer
from synckairos.domain.families.penalty import Penalty
from synckairos.domain.families.per_turn import PerTurn
from synckairos.domain.model import OnExpire, Session, Status
from synckairos.domain.specification import SessionSpec
from synckairos.domain.timing import BoundaryKind
from testing.harness.builders import ANN, BLUE, BOB, CLEO, DAY, RED, at, clock_of, stamps, started
from tests.unit.domain.controls.control_builders import (
    bank,
    last_turn,
    one_stage,
    players,
    progress_of,
    standing,
    teams,
)

END, ELIMINATE, ADVANCE, NOTIFY = OnExpire

MIDST: Final = [
    pytest.param(Fischer(2_000), 7_000, Standing(3_000), id="Fischer"),
    pytest.param(SimpleDelay(5_000), 3_000, Standing(10_000, delay_remaining_ms=2_000), id="in the delay"),
    pytest.param(SimpleDelay(5_000), 7_000, Standing(8_000, delay_remaining_ms=0), id="beyond the delay"),
    pytest.param(Bronstein(5_000), 7_000, Standing(3_000), id="Bronstein"),
    pytest.param(ByoYomi(3, 5_000, 1_000), 7_000, Standing(3_000, 3, 5_000), id="main time"),
    pytest.param(ByoYomi(3, 5_000, 1_000), 17_000, Standing(0, 2, 3_000), id="second period"),
    pytest.param(Canadian(2, 20_000), 17_000, Standing(0, None, 13_000, 2), id="Canadian"),
    pytest.param(PerTurn(4_000), 3_000, Standing(10_000, None, 1_000), id="turn's time"),
    pytest.param(PerTurn(4_000), 7_000, Standing(7_000, None, 0), id="reserve"),
    pytest.param(Penalty(60_000, 5_000, 3, 1_000), 17_000, Standing(-7_000, penalty_points=6), id="penalty"),
]
"""10 s of each family after so many ms of a turn: time is taken, nothing is granted, counted or refilled."""


def stored(session: Session, holder: str) -> Standing:
    """Return how the parts of a stored clock stand."""
    clock = clock_of(session, holder)
    return controlled_clock.standing(clock, progress_of(clock), 0)


@pytest.mark.parametrize(("family", "spent", "stands"), MIDST)
def test_an_end_stores_what_a_read_shows(family: Family, spent: int, stands: Standing) -> None:
    """By a cancellation or a completion, of a clock that runs or stands, in another turn than the first as well."""
    control = one_stage(10_000, family)
    for command in (Cancel(), Complete()):
        for paused in (False, True):
            game = started(players(one_stage(9_000_000), control))
            game.ok(50_000, Switch())
            if paused:
                game.ok(50_000 + spent, Pause())
            now = 50_000 + spent + 20_000 * paused
            assert standing(game, now, BOB) == stands

            session = game.ok(now, command)

            assert stored(session, BOB) == stands
            assert (clock_of(session, BOB).used_ms, progress_of(clock_of(session, BOB)).turns_made) == (spent, 0)


@pytest.mark.parametrize(("family", "spent", "stands"), MIDST)
def test_a_turn_that_is_handed_on_is_one_turn(family: Family, spent: int, stands: Standing) -> None:
    """What its first player spent runs on: nothing is settled before the team mate ends it."""
    game = started(teams(one_stage(10_000, family)))
    game.ok(spent, RemoveParticipant(ANN))
    assert (game.active_id, standing(game, spent, RED)) == (CLEO, stands)
    whole = started(teams(one_stage(10_000, family)))

    handed, kept = (one.ok(spent + 1_000, Switch()) for one in (game, whole))

    assert clock_of(handed, RED) == clock_of(kept, RED)
    assert last_turn(game) == last_turn(whole)
    assert (last_turn(game).spent_ms, clock_of(handed, CLEO).used_ms) == (spent + 1_000, 1_000)


@pytest.mark.parametrize(
    ("family", "budget", "stands"),
    [
        pytest.param(SimpleDelay(5_000), 15_000, Standing(0, delay_remaining_ms=0), id="delay"),
        pytest.param(ByoYomi(3, 5_000), 25_000, Standing(0, 0, 0), id="byo-yomi"),
        pytest.param(Canadian(2, 20_000), 30_000, Standing(0, None, 0, 2), id="Canadian"),
        pytest.param(PerTurn(4_000), 14_000, Standing(0, None, 0), id="per turn"),
        pytest.param(Penalty(60_000, 5_000, 3), 70_000, Standing(-60_000, penalty_points=36), id="penalty"),
    ],
)
@pytest.mark.parametrize("on_expire", [END, ELIMINATE])
def test_a_flag_stores_a_spent_clock(family: Family, budget: int, stands: Standing, on_expire: OnExpire) -> None:
    """Exactly its budget was used, nothing is left, and it does not count as a turn."""
    game = started(players(*[one_stage(10_000, family)] * 3, on_expire=on_expire))

    game.ok(budget + 100)

    clock = clock_of(game.session, ANN)
    assert (clock.is_expired, clock.used_ms, stored(game.session, ANN)) == (True, budget, stands)
    assert (progress_of(clock).turns_made, controlled_clock.balance(clock, progress_of(clock))) == (0, 0)
    assert stamps(game.events[-1]) == (budget, budget + 100)


def test_a_removal_grants_nothing() -> None:
    """The next turn begins at once, with nothing of the one that was cut short."""
    game = started(players(*[one_stage(10_000, Fischer(2_000))] * 3))

    game.ok(4_000, RemoveParticipant(ANN))

    assert (game.active_id, game.deadline_ms, bank(game.session, BOB)) == (BOB, 14_000, 10_000)


TURNS: Final = one_stage(8_000, PerTurn(5_000))


@pytest.mark.parametrize("spec", [players(TURNS, on_expire=ADVANCE), teams(TURNS, on_expire=ADVANCE)])
def test_turns_that_go_on_by_themselves(spec: SessionSpec) -> None:
    """The reserve goes first, then every turn has its time; nobody expires."""
    game = started(spec)
    holders = (RED, BLUE) if game.session.groups else (ANN, BOB)

    game.ok(36_500)

    moves = game.events[2:]
    assert [(event.type, event.cause, event.author) for event in moves] == [
        (EventType.CYCLE_SWITCHED, Cause.DEADLINE, SYSTEM)
    ] * 4
    assert [stamps(event)[0] for event in moves] == [13_000, 26_000, 31_000, 36_000]
    assert [bank(game.session, holder) for holder in holders] == [0, 0]
    assert not any(clock_of(game.session, holder).is_expired for holder in holders)
    assert (game.session.expired_participant_id, game.session.expired_group_id) == (None, None)
    assert [event.turn.granted_ms for event in moves if event.turn] == [5_000] * 4
    assert game.deadline_ms == 41_000


def test_a_switch_that_comes_after_its_turn() -> None:
    """The turn has advanced; nothing is switched a second time."""
    game = started(players(TURNS, on_expire=ADVANCE))

    refusal = game.refused(13_000, Switch())

    assert refusal.reason == "TURN_ADVANCED"
    assert game.active_id == BOB


def test_a_chain_of_turns_is_idle_in_the_end() -> None:
    """Nobody has called for 28 days."""
    game = started(players(one_stage(0, PerTurn(20 * DAY)), on_expire=ADVANCE))

    game.ok(50 * DAY)

    assert game.types()[-2:] == [EventType.CYCLE_SWITCHED, EventType.SESSION_CANCELLED]
    assert stamps(game.events[-1])[0] == 28 * DAY


def test_a_chain_that_stands() -> None:
    """What is left of a turn is left after a pause."""
    game = started(players(TURNS, on_expire=ADVANCE))
    game.ok(3_000, Pause())
    assert timing.next_boundary(game.session, game.lifetimes) == (at(3_000 + 7 * DAY), BoundaryKind.IDLE)

    game.ok(100_000, Resume())

    assert game.deadline_ms == 110_000
    assert game.session.status is Status.RUNNING


def test_players_of_different_families() -> None:
    """Odds: each is settled by its own."""
    game = started(players(one_stage(10_000, Fischer(2_000)), one_stage(0, PerTurn(5_000)), on_expire=NOTIFY))

    game.ok(4_000, Switch())
    game.ok(10_000, Switch())
    game.ok(11_000, Switch())

    assert (bank(game.session, ANN), bank(game.session, BOB)) == (9_000, 0)
    assert (clock_of(game.session, BOB).overtime_ms, game.deadline_ms) == (1_000, 16_000)
