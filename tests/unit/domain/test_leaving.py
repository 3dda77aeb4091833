"""The effects of leaving: winners, groups, the last cycle, places in the rotation."""

from typing import Final

from synckairos.domain.commands import AddParticipant, RemoveParticipant, Start
from synckairos.domain.events import Cause, EventType
from synckairos.domain.model import OnExpire, Status
from synckairos.domain.specification import GroupSpec, ParticipantSpec, SessionSpec
from testing.harness.builders import (
    ANN,
    BOB,
    CLEO,
    EVE,
    RED,
    Game,
    at,
    per_cycle,
    per_group,
    per_participant,
    started,
)

ELIMINATE: Final = OnExpire.ELIMINATE


def _one_group() -> SessionSpec:
    """Describe a single group of three."""
    members = tuple(ParticipantSpec(name, group_id=RED) for name in (ANN, BOB, CLEO))
    return per_group(participants=members, groups=(GroupSpec(RED, 60_000),), on_expire=ELIMINATE)


def test_the_eliminated_do_not_count() -> None:
    """One eliminated, one removed: the third one has won."""
    game = started(per_participant(10_000, 60_000, 60_000, on_expire=ELIMINATE))
    game.ok(10_000)

    session = game.ok(15_000, RemoveParticipant(CLEO))

    assert (session.status, session.winner_participant_id) == (Status.COMPLETED, BOB)


def test_an_eliminated_player_leaves_without_consequence() -> None:
    """Removing an eliminated player changes nothing for the others."""
    game = started(per_participant(10_000, 60_000, 60_000, on_expire=ELIMINATE))
    game.ok(10_000)

    session = game.ok(15_000, RemoveParticipant(ANN))

    assert (session.status, game.active_id, game.deadline_ms) == (Status.RUNNING, BOB, 70_000)


def test_a_member_leaving_a_group_of_two_sides_decides_nothing() -> None:
    """Both groups still play, so neither has won."""
    game = started(per_group(on_expire=ELIMINATE))

    session = game.ok(15_000, RemoveParticipant(CLEO))

    assert (session.status, session.winner_group_id) == (Status.RUNNING, None)


def test_a_group_that_plays_alone_does_not_win_by_losing_a_member() -> None:
    """Where only one group plays from the beginning, a member who leaves makes no winner."""
    game = started(_one_group())

    waiting = game.ok(15_000, RemoveParticipant(CLEO))
    active = game.ok(16_000, RemoveParticipant(ANN))

    assert (waiting.status, active.status, active.winner_group_id) == (Status.RUNNING, Status.RUNNING, None)
    assert (game.active_id, game.ok(60_000).status) == (BOB, Status.EXPIRED)


def test_leaving_before_the_start_decides_nothing() -> None:
    """A pending session cannot be completed: others may still join."""
    game = Game(per_participant(60_000, 60_000, on_expire=ELIMINATE))

    game.ok(1_000, RemoveParticipant(BOB))
    assert game.session.status is Status.PENDING
    game.ok(2_000, AddParticipant(ParticipantSpec(EVE, total_time_ms=60_000)))
    game.ok(3_000, Start())

    assert game.ok(63_000).winner_participant_id == EVE


def test_leaving_at_the_last_cycle_completes_it() -> None:
    """The cycle is left all the same: after the last one the session is completed, by the caller."""
    game = started(per_cycle(60_000, ANN, BOB, max_cycles=1))

    session = game.ok(15_000, RemoveParticipant(ANN))

    assert game.types()[2:] == [EventType.PARTICIPANT_REMOVED, EventType.SESSION_COMPLETED]
    assert {event.cause for event in game.events} == {Cause.CALL}
    assert (session.status, session.completed_at, session.cycle_number) == (Status.COMPLETED, at(15_000), 1)


def test_the_first_to_start_may_leave_before_the_start() -> None:
    """If the participant that was to start has left, the first in the rotation starts."""
    game = Game(per_participant(60_000, 60_000, 60_000, first_participant_id=CLEO))

    session = game.ok(1_000, RemoveParticipant(CLEO))
    game.ok(2_000, Start())

    assert (session.first_participant_id, game.active_id) == (None, ANN)


def test_the_last_in_the_rotation_leaves_at_the_move() -> None:
    """Behind the last one comes the first one again."""
    game = started(per_cycle(60_000, ANN, BOB, CLEO, first_participant_id=CLEO))

    game.ok(1_000, RemoveParticipant(CLEO))

    assert game.active_id == ANN


def test_a_participant_that_left_can_come_back() -> None:
    """A participant that joins again stands last and begins anew."""
    game = started(per_participant(60_000, 60_000, 60_000))
    game.ok(1_000, RemoveParticipant(ANN))

    session = game.ok(2_000, AddParticipant(ParticipantSpec(ANN, total_time_ms=30_000)))

    assert [one.participant_id for one in session.participants] == [BOB, CLEO, ANN]
    assert (session.participants[-1].clock.bank_ms, session.participants[-1].clock.used_ms) == (30_000, 0)
