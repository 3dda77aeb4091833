"""A caller completes a session and says who has won."""

import pytest

from synckairos.domain.commands import Complete, RemoveParticipant
from synckairos.domain.errors import InvalidField
from synckairos.domain.model import Mode, OnExpire, Status
from testing.harness.builders import ANN, BLUE, BOB, RED, ZOE, one_of_each, per_group, per_participant, started


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_a_participant_wins_in_every_mode(mode: Mode) -> None:
    """A mate on the board, the highest bid, the first at the finish: the caller knows."""
    game = started(one_of_each()[mode])

    session = game.ok(10_000, Complete(winner_participant_id=BOB))

    assert (session.status, session.winner_participant_id, session.winner_group_id) == (Status.COMPLETED, BOB, None)


def test_a_group_wins() -> None:
    """Where groups hold the banks."""
    session = started(per_group(60_000, 60_000)).ok(10_000, Complete(winner_group_id=BLUE))

    assert (session.winner_participant_id, session.winner_group_id) == (None, BLUE)


def test_nobody_wins_unless_named() -> None:
    """As before."""
    session = started(per_participant(60_000, 60_000)).ok(10_000, Complete())

    assert (session.status, session.winner_participant_id) == (Status.COMPLETED, None)


def test_a_stranger_cannot_win() -> None:
    """NOT_FOUND, for a participant and for a group."""
    game = started(per_group(60_000, 60_000))

    refusals = [game.refused(1_000, Complete(winner_participant_id=ZOE)), game.refused(1_000, Complete("", ZOE))]

    assert [one.reason for one in refusals] == ["PARTICIPANT_NOT_FOUND", "GROUP_NOT_FOUND"]


def test_one_that_is_out_cannot_win() -> None:
    """An eliminated participant keeps its place in the session, and no more."""
    alone = started(per_participant(10_000, 60_000, 60_000, on_expire=OnExpire.ELIMINATE))
    alone.ok(10_000)

    assert alone.refused(11_000, Complete(winner_participant_id=ANN)).reason == "PARTICIPANT_EXPIRED"


def test_a_group_wins_only_where_there_are_groups() -> None:
    """The field is refused, by its name."""
    refusal = started(per_participant(60_000, 60_000)).refused(1_000, Complete(winner_group_id=RED))

    assert isinstance(refusal, InvalidField)
    assert [one.path for one in refusal.violations] == ["winner_group_id"]


def test_one_who_has_left_cannot_win() -> None:
    """Of three; it is not in the session any more."""
    game = started(per_participant(60_000, 60_000, 60_000))
    game.ok(1_000, RemoveParticipant(BOB))

    assert game.refused(2_000, Complete(winner_participant_id=BOB)).reason == "PARTICIPANT_NOT_FOUND"
