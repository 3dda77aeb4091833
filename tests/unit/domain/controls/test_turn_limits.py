"""Free turns and the limits of turns."""

import pytest

from synckairos.domain import timing
from synckairos.domain.commands import AdjustTime, Pause, RemoveParticipant, Resume, Switch
from synckairos.domain.controls.time_control import LagCompensation, Stage, TimeControl
from synckairos.domain.events import EventType
from synckairos.domain.families.canadian import Canadian
from synckairos.domain.families.delays import SimpleDelay
from synckairos.domain.families.fischer import Fischer
from synckairos.domain.families.per_turn import PerTurn
from synckairos.domain.model import OnExpire, Status
from synckairos.domain.timing import BoundaryKind
from testing.harness.builders import ANN, BOB, CLEO, DAY, RED, at, clock_of, stamps, started
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

END, ELIMINATE, ADVANCE, NOTIFY = OnExpire
LAG = LagCompensation(1_000, 100, 1_000)


def test_a_turn_limit_ends_the_session() -> None:
    """The holder is named as expired, the other has won, and the bank keeps what it has."""
    game = started(players(one_stage(60_000, Fischer(5_000), turn_limit_ms=20_000), on_expire=END))
    assert game.deadline_ms == 20_000
    assert left(game, 19_999) == 40_001

    game.ok(25_000)

    session = game.session
    assert (session.status, stamps(game.events[-1])) == (Status.EXPIRED, (20_000, 25_000))
    assert (session.expired_participant_id, session.winner_participant_id) == (ANN, BOB)
    assert (left(game, 25_000), clock_of(session, ANN).used_ms) == (40_000, 20_000)


def test_a_turn_limit_eliminates() -> None:
    """The next turn begins at the limit; the clock of the one who is out stands with what it has."""
    game = started(players(*[one_stage(60_000, turn_limit_ms=20_000)] * 3, on_expire=ELIMINATE))

    game.ok(30_000)

    assert (game.events[-1].type, game.active_id, game.deadline_ms) == (EventType.PARTICIPANT_EXPIRED, BOB, 40_000)
    assert (clock_of(game.session, ANN).is_expired, left(game, 30_000)) == (True, 40_000)
    assert game.refused(30_000, AdjustTime(ANN, delta_ms=1)).reason == "PARTICIPANT_EXPIRED"


def test_a_turn_limit_under_notify() -> None:
    """One overtime_started a turn; the clock is charged on as before, and the turn grants nothing."""
    lagging = one_stage(60_000, Fischer(5_000), turn_limit_ms=20_000, lag_compensation=LAG)
    game = started(players(lagging, on_expire=NOTIFY))

    game.ok(30_000)
    assert (game.events[-1].type, stamps(game.events[-1])) == (EventType.OVERTIME_STARTED, (20_000, 30_000))
    assert (game.session.limit_passed, clock_of(game.session, ANN).in_overtime) == (True, False)
    assert (game.deadline_ms, left(game, 30_000)) == (60_000, 30_000)
    assert not game.session.expired_participant_id
    game.ok(30_000, Switch(lag_ms=500))

    assert bank(game.session) == 30_000
    assert (last_turn(game).granted_ms, last_turn(game).credited_ms) == (0, 0)
    assert game.deadline_ms == 50_000
    game.ok(31_000, Switch(), Switch())
    assert game.types().count(EventType.OVERTIME_STARTED) == 1


def test_a_turn_limit_after_the_bank() -> None:
    """Who is in overtime passes the turn's limit as well, and is idle from the latest call on."""
    game = started(players(one_stage(10_000, turn_limit_ms=20_000), on_expire=NOTIFY))

    game.ok(30_000)

    started_at = [stamps(one)[0] for one in game.events if one.type is EventType.OVERTIME_STARTED]
    assert started_at == [10_000, 20_000]
    assert (game.clock(30_000, ANN).overtime_ms, game.deadline_ms) == (20_000, None)
    assert timing.latest_call(game.session) == at(0)


def test_a_turn_limit_under_advance() -> None:
    """The turn is over; the reserve keeps what it has."""
    game = started(players(one_stage(60_000, PerTurn(10_000), turn_limit_ms=30_000), on_expire=ADVANCE))

    game.ok(30_000)

    assert (game.events[-1].type, game.active_id, game.deadline_ms) == (EventType.CYCLE_SWITCHED, BOB, 60_000)
    assert (bank(game.session), game.session.expired_participant_id) == (40_000, None)


def test_a_turn_limit_counts_the_whole_turn() -> None:
    """Delay and pauses included: what ran counts, and nothing that stood."""
    game = started(players(one_stage(60_000, SimpleDelay(15_000), turn_limit_ms=20_000)))

    game.ok(12_000, Pause())
    game.ok(500_000, Resume())

    assert game.deadline_ms == 508_000


def test_a_turn_limit_goes_over_to_a_team_mate() -> None:
    """A turn that is handed on is the same turn."""
    game = started(teams(one_stage(60_000, turn_limit_ms=20_000)))

    game.ok(12_000, RemoveParticipant(ANN))

    assert (game.active_id, game.deadline_ms) == (CLEO, 20_000)


def test_adjustments_do_not_move_a_turn_limit() -> None:
    """A turn with more time on the clock is no longer."""
    game = started(players(one_stage(60_000, turn_limit_ms=20_000)))

    game.ok(15_000, AdjustTime(ANN, delta_ms=60_000))

    assert (game.deadline_ms, left(game, 15_000)) == (20_000, 105_000)


def test_the_holder_comes_before_the_turn() -> None:
    """Where both run out at the same millisecond, it was the holder: the clock has used all it had."""
    game = started(players(one_stage(20_000, turn_limit_ms=20_000), on_expire=NOTIFY))
    boundary = timing.clock_boundary(game.session)
    assert boundary is not None
    assert boundary.kind is BoundaryKind.EXPIRY

    game.ok(20_000)

    assert game.types()[-2:] == [EventType.OVERTIME_STARTED] * 2
    assert clock_of(game.events[-2].session, ANN).in_overtime


def test_free_turns_charge_and_grant_nothing() -> None:
    """The first turns of every holder count for nobody's clock."""
    free = one_stage(10_000, Fischer(5_000), free_turns=2, lag_compensation=LAG)
    game = started(players(free))

    for now in (50_000, 90_000, 91_000, 92_000):
        game.ok(now, Switch(lag_ms=10))
        assert [bank(game.session, name) for name in (ANN, BOB)] == [10_000, 10_000]
        assert (last_turn(game).granted_ms, last_turn(game).credited_ms) == (0, 0)
    assert (clock_of(game.session, ANN).used_ms, progress_of(clock_of(game.session, ANN)).lag_quota_ms) == (0, 1_000)
    assert game.deadline_ms == 102_000
    game.ok(93_000, Switch())

    assert bank(game.session) == 14_000


def test_free_turns_have_a_limit_of_their_own() -> None:
    """Beside that of every turn: the earlier one counts."""
    game = started(players(one_stage(10_000, turn_limit_ms=30_000, free_turns=1, free_turn_limit_ms=8_000)))
    assert game.deadline_ms == 8_000

    game.ok(7_000, Switch(), Switch())

    assert game.deadline_ms == 17_000


def test_a_free_turn_that_passes_its_limit_loses() -> None:
    """The clock that was not charged keeps all of its time."""
    game = started(players(one_stage(10_000, free_turns=1, free_turn_limit_ms=8_000)))

    game.ok(8_000)

    assert (game.session.expired_participant_id, left(game, 8_000)) == (ANN, 10_000)


def test_free_turns_count_for_stages_and_not_for_blocks() -> None:
    """A stage of two turns ends after two free ones; a block of two turns is still whole."""
    stages = TimeControl((Stage(10_000, 2), Stage(5_000)), free_turns=2)
    game = started(players(stages, one_stage(0, Canadian(2, 60_000), free_turns=2)))

    game.ok(1_000, Switch(), Switch(), Switch(), Switch())

    assert bank(game.session) == 15_000
    assert (standing(game, 1_000, BOB).period_turns_left, standing(game, 1_000, BOB).period_remaining_ms) == (2, 60_000)


def test_the_free_turns_of_a_team() -> None:
    """A group has its free turns together."""
    game = started(teams(one_stage(10_000, free_turns=1)))

    game.ok(3_000, Switch(), Switch())
    game.ok(4_000, Switch())

    assert bank(game.session, RED) == 9_000


def test_a_clock_that_stands_in_a_free_turn_keeps_a_millisecond() -> None:
    """It does not run, so it is not brought to zero: nothing would happen then."""
    game = started(players(one_stage(10_000, free_turns=1)))

    game.ok(3_000, AdjustTime(ANN, set_ms=0))

    assert (bank(game.session), game.session.status) == (1, Status.RUNNING)


@pytest.mark.parametrize("on_expire", [END, ELIMINATE, NOTIFY])
def test_a_free_turn_without_a_limit_lasts(on_expire: OnExpire) -> None:
    """No clock brings it to an end, only calls keep such a session alive."""
    game = started(players(one_stage(10_000, free_turns=1), on_expire=on_expire))

    assert game.deadline_ms is None
    boundary = timing.next_boundary(game.session, game.lifetimes)
    assert boundary == (at(28 * DAY), BoundaryKind.IDLE)
