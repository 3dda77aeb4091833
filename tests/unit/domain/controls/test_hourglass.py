"""The hourglass: whatever a holder is charged goes to the others in play, and nothing is ever lost."""

from typing import Final

import pytest

from synckairos.domain.commands import (
    AddParticipant,
    AdjustTime,
    Cancel,
    Command,
    Complete,
    Pause,
    RemoveParticipant,
    Resume,
    Start,
    Switch,
)
from synckairos.domain.controls.time_control import LagCompensation
from synckairos.domain.events import EventType
from synckairos.domain.families.hourglass import Hourglass
from synckairos.domain.model import OnExpire, Session, Status
from synckairos.domain.specification import ParticipantSpec
from testing.harness.builders import ANN, BLUE, BOB, CLEO, DAN, RED, ZOE, Game, clock_of, started
from tests.unit.domain.controls.control_builders import bank, last_turn, left, one_stage, players, standing, teams

SAND: Final = one_stage(60_000, Hourglass())
END, ELIMINATE, ADVANCE, NOTIFY = OnExpire


def banks(session: Session) -> list[int]:
    """Return the banks of those who are in the session, in rotation order."""
    holders = session.groups or session.participants
    return [holder.clock.bank_ms or 0 for holder in holders]


def test_a_view_shows_the_division() -> None:
    """At any instant of a turn, as if it ended there; the parts add up."""
    game = started(players(SAND, SAND, SAND))

    for ms in (0, 1, 2, 3, 7_000, 7_001, 59_999):
        each, odd = divmod(ms, 2)
        assert banks(game.view(ms)) == [60_000 - ms, 60_000 + each + (odd > 0), 60_000 + each]


@pytest.mark.parametrize("command", [Cancel(), Complete()])
def test_an_end_in_the_middle_of_a_turn(command: Command) -> None:
    """What the turn was charged has gone to the others."""
    game = started(players(SAND, SAND, SAND))

    assert banks(game.ok(7_001, command)) == [52_999, 63_501, 63_500]


def test_a_pause_divides_nothing() -> None:
    """The whole charge of a turn is divided at once, however often it stood."""
    game = started(players(SAND, SAND, SAND))
    for ms in (1, 3, 5, 7):
        game.ok(10 * ms, Pause())
        game.ok(10 * ms + 9, Resume())

    game.ok(136, Switch())

    assert banks(game.session) == [59_900, 60_050, 60_050]


def test_the_first_after_the_turn_gets_the_odd_millisecond() -> None:
    """In rotation order from the one whose turn it was, not from the beginning."""
    game = started(players(SAND, SAND, SAND, SAND))

    game.ok(0, Switch())
    game.ok(5, Switch())

    assert banks(game.session) == [60_001, 59_995, 60_002, 60_002]


def test_a_flag_ends_the_session() -> None:
    """Everything has gone over."""
    game = started(players(SAND))

    game.ok(70_000)

    assert (banks(game.session), game.session.winner_participant_id) == ([0, 120_000], BOB)
    assert clock_of(game.session, ANN).used_ms == 60_000


def test_a_flag_eliminates() -> None:
    """The others share all of it, and what a later turn spends goes to those who are still in play."""
    game = started(players(SAND, SAND, SAND, on_expire=ELIMINATE))

    game.ok(61_000)
    assert banks(game.session) == [0, 90_000, 90_000]
    game.ok(70_001, Switch())

    assert banks(game.session) == [0, 79_999, 100_001]


@pytest.mark.parametrize("on_expire", [END, ELIMINATE])
def test_a_turn_limit_passes_on_what_was_charged(on_expire: OnExpire) -> None:
    """The rest stays with the one who is out."""
    game = started(players(*[one_stage(60_000, Hourglass(), turn_limit_ms=9_001)] * 3, on_expire=on_expire))

    game.ok(9_001)

    assert banks(game.session) == [50_999, 64_501, 64_500]


def test_overtime_passes_nothing_on() -> None:
    """The bank goes over at the flag; what the turn runs beyond it is nobody's."""
    game = started(players(SAND, on_expire=NOTIFY))

    game.ok(75_000, Switch())

    assert (banks(game.session), clock_of(game.session, ANN).overtime_ms) == ([0, 120_000], 15_000)


def test_sand_ends_an_overtime() -> None:
    """Who gets time back is no longer in overtime, and may run out again."""
    game = started(players(SAND, on_expire=NOTIFY))
    game.ok(75_000, Switch())
    assert clock_of(game.session, ANN).in_overtime

    game.ok(80_000, Switch())

    assert (banks(game.session), clock_of(game.session, ANN).in_overtime) == ([5_000, 115_000], False)
    assert game.deadline_ms == 85_000
    game.ok(85_000)
    assert game.types().count(EventType.OVERTIME_STARTED) == 2


def test_time_given_in_overtime_is_passed_on_once() -> None:
    """What is adjusted is new; what went over at the flag does not go over again."""
    game = started(players(SAND, on_expire=NOTIFY))
    game.ok(75_000, AdjustTime(ANN, set_ms=10_000))
    assert left(game, 75_000) == 10_000

    game.ok(79_000, Switch())

    assert banks(game.session) == [6_000, 124_000]


def test_an_adjustment_in_the_middle_of_a_turn() -> None:
    """Changes what is left, and the whole charge of the turn is still divided at its end."""
    game = started(players(SAND, SAND, SAND))

    game.ok(3_001, AdjustTime(ANN, delta_ms=5_000))
    assert (standing(game, 3_001).bank_ms, left(game, 3_001)) == (61_999, 61_999)
    game.ok(4_000, AdjustTime(BOB, set_ms=10_000))
    game.ok(6_001, Switch())

    assert banks(game.session) == [58_999, 13_001, 63_000]


def test_a_removed_participant_leaves_with_the_rest() -> None:
    """A turn that is cut short is passed on; who does not move just leaves."""
    game = started(players(SAND, SAND, SAND, SAND))

    game.ok(7_001, RemoveParticipant(ANN))
    assert banks(game.session) == [62_334, 62_334, 62_333]
    game.ok(9_000, RemoveParticipant(DAN))

    assert banks(game.session) == [62_334, 62_334]
    assert banks(game.view(9_001)) == [62_334 - 2_000, 62_334 + 2_000]


def test_who_joins_brings_sand() -> None:
    """And gets a share of what a running turn is charged in the end."""
    game = started(players(SAND))

    game.ok(1_000, AddParticipant(ParticipantSpec(ZOE, time_control=SAND)))
    game.ok(6_000, Switch())

    assert banks(game.session) == [54_000, 63_000, 63_000]


def test_a_team_divides_the_whole_turn() -> None:
    """A turn that goes over to a team mate is charged to the team, and divided when it ends."""
    game = started(teams(SAND))

    game.ok(3_001, RemoveParticipant(ANN))
    assert (banks(game.session), game.active_id) == ([60_000, 60_000], CLEO)
    assert banks(game.view(3_001)) == [56_999, 63_001]
    game.ok(5_000, Switch())

    assert [bank(game.session, team) for team in (RED, BLUE)] == [55_000, 65_000]


def test_a_team_without_members_gets_nothing() -> None:
    """It is not in play."""
    game = started(teams(SAND))
    game.ok(0, RemoveParticipant(BOB))

    game.ok(5_000, RemoveParticipant(DAN))

    assert game.session.status is Status.COMPLETED
    assert banks(game.session) == [55_000, 60_000]


def test_credited_lag_is_not_passed_on() -> None:
    """It stays with the one whose lag it was."""
    lagging = one_stage(60_000, Hourglass(), lag_compensation=LagCompensation(500, 0, 500))
    game = started(players(lagging))

    game.ok(5_000, Switch(lag_ms=900))

    assert (banks(game.session), last_turn(game).credited_ms) == ([55_500, 64_500], 500)


def test_an_hourglass_needs_two_to_begin() -> None:
    """Before the start the last two stay; who comes may replace one of them. Later the one who is left has won."""
    game = Game(players(SAND))
    refusal = game.refused(0, RemoveParticipant(ANN))
    assert refusal.reason == "INVALID_STATE_TRANSITION"
    assert "an hourglass needs at least two" in str(refusal)

    game.ok(0, AddParticipant(ParticipantSpec(ZOE, time_control=SAND)), RemoveParticipant(ANN), Start())
    game.ok(1_000, RemoveParticipant(ZOE))

    assert (game.session.status, game.session.winner_participant_id) == (Status.COMPLETED, BOB)
