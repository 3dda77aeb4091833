"""Participants coming and going, with the clock running, standing, or not yet started."""

from typing import Final

import pytest

from synckairos.domain.commands import AddParticipant, AdjustTime, Command, Pause, RemoveParticipant, Resume, Switch
from synckairos.domain.errors import InvalidField
from synckairos.domain.events import Cause, EventType
from synckairos.domain.model import Mode, OnExpire, Session, Status
from synckairos.domain.specification import GroupSpec, ParticipantSpec, SessionSpec
from testing.harness.builders import (
    ANN,
    BLUE,
    BOB,
    CLEO,
    EVE,
    GREEN,
    RED,
    UMPIRE,
    Game,
    at,
    clock_of,
    countdown,
    one_of_each,
    participant,
    per_cycle,
    per_group,
    per_participant,
    started,
    stopwatch,
)

END, ELIMINATE, NOTIFY = OnExpire.END_SESSION, OnExpire.ELIMINATE, OnExpire.NOTIFY
SINGLE_TURNS: Final = [mode for mode in Mode if mode is not Mode.PER_GROUP]
"""Modes in which a turn is one participant's, and not a team's."""
RED_ALONE: Final = ParticipantSpec(ANN, group_id=RED)
ADDED, REMOVED = EventType.PARTICIPANT_ADDED, EventType.PARTICIPANT_REMOVED
COMPLETED: Final = EventType.SESSION_COMPLETED


def _joining(mode: Mode) -> ParticipantSpec:
    """Describe EVE as this mode wants her."""
    bank = 60_000 if mode is Mode.PER_PARTICIPANT else 0
    return ParticipantSpec(EVE, None, bank, RED if mode is Mode.PER_GROUP else "")


def _names(session: Session) -> list[str]:
    return [one.participant_id for one in session.participants]


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_who_joins_joins_last(mode: Mode) -> None:
    """The newcomer stands behind everybody, and the running clock does not notice."""
    game = started(one_of_each()[mode])

    session = game.ok(10_000, AddParticipant(_joining(mode)))

    assert _names(session)[-1] == EVE
    assert session.participants[-1].participant_index == session.participants[-2].participant_index + 1
    assert (game.active_id, game.deadline_ms, session.cycle_number) == (ANN, 60_000, 1)
    assert (game.types()[2:], game.events[-1].subject.participant_id) == ([ADDED], EVE)


def test_who_joins_gets_a_turn() -> None:
    """After the last of those who were there comes the newcomer, with the bank that was brought."""
    game = started(per_participant(60_000, 60_000))
    game.ok(1_000, AddParticipant(ParticipantSpec(EVE, total_time_ms=5_000)))

    game.ok(2_000, Switch())
    game.ok(3_000, Switch())

    assert (game.active_id, game.deadline_ms) == (EVE, 8_000)


@pytest.mark.parametrize("spec", [per_cycle(60_000), countdown(60_000), stopwatch()], ids=lambda spec: spec.mode.name)
def test_the_first_to_join_a_running_session_has_the_next_turn(spec: SessionSpec) -> None:
    """A session can run without participants; who joins gets the turn with the next switch."""
    game = started(spec)

    game.ok(1_000, AddParticipant(ParticipantSpec(ANN)))
    nobody = game.session.active
    game.ok(2_000, Switch())

    assert (nobody, game.session.active, game.session.participants[0].participant_index) == (None, 0, 0)
    assert participant(game.view(5_000), ANN).clock.used_ms == 3_000


@pytest.mark.parametrize(
    ("spec", "joining", "paths"),
    [
        pytest.param(per_participant(), ParticipantSpec(EVE), ["participant.total_time_ms"], id="no bank"),
        pytest.param(
            per_participant(), ParticipantSpec(EVE, None, 999), ["participant.total_time_ms"], id="too little"
        ),
        pytest.param(
            per_participant(), ParticipantSpec(EVE, None, 60_000, RED), ["participant.group_id"], id="group unused"
        ),
        pytest.param(
            per_group(), ParticipantSpec(EVE, None, 60_000, RED), ["participant.total_time_ms"], id="bank unused"
        ),
        pytest.param(per_group(), ParticipantSpec(EVE), ["participant.group_id"], id="no group"),
        pytest.param(countdown(), ParticipantSpec(EVE, 7), ["participant.participant_index"], id="an index"),
        pytest.param(countdown(), ParticipantSpec(EVE, metadata=b"x" * 1_025), ["participant.metadata"], id="too much"),
        pytest.param(
            per_cycle(),
            ParticipantSpec(EVE, None, 1, RED),
            ["participant.group_id", "participant.total_time_ms"],
            id="both unused",
        ),
    ],
)
def test_who_joins_is_described_as_the_mode_wants(
    spec: SessionSpec, joining: ParticipantSpec, paths: list[str]
) -> None:
    """The fields of a newcomer are judged like those of the first participants."""
    refusal = started(spec).refused(1_000, AddParticipant(joining))

    assert isinstance(refusal, InvalidField)
    assert sorted(violation.path for violation in refusal.violations) == paths


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_who_waits_can_leave_unnoticed(mode: Mode) -> None:
    """Removing somebody whose turn it is not leaves the running turn alone."""
    game = started(one_of_each()[mode])
    game.ok(1_000, Switch())
    deadline = game.deadline_ms

    session = game.ok(2_000, RemoveParticipant(ANN))

    assert (ANN not in _names(session), game.active_id, game.deadline_ms) == (True, BOB, deadline)
    assert (session.cycle_number, game.types()[-1]) == (2, REMOVED)


@pytest.mark.parametrize("mode", SINGLE_TURNS, ids=lambda mode: mode.name)
def test_who_leaves_at_the_move_is_charged_and_the_next_one_starts(mode: Mode) -> None:
    """The turn ends now, charged; the next one begins at the same instant, where turns are not a team's."""
    game = started(one_of_each()[mode])

    session = game.ok(10_000, RemoveParticipant(ANN))

    subject = game.events[-1].subject
    assert (game.types()[2:], subject.participant_id, subject.elapsed_ms, subject.remaining_ms) == (
        [REMOVED],
        ANN,
        10_000,
        50_000,
    )
    assert (game.active_id, session.cycle_number, session.cycle_started_at) == (BOB, 2, at(10_000))
    fresh = mode in {Mode.PER_PARTICIPANT, Mode.PER_CYCLE}
    assert game.deadline_ms == (70_000 if fresh else 60_000)


@pytest.mark.parametrize("is_paused", [False, True], ids=["running", "paused"])
def test_a_leavers_turn_goes_on_with_his_team(is_paused: bool) -> None:
    """The group is charged, without a grant or a count; its next member goes on in the same cycle."""
    game = started(per_group(60_000, 60_000, increment_ms=5_000))
    game.ok(10_000, *([Pause()] if is_paused else []))

    session = game.ok(10_000, RemoveParticipant(ANN))

    subject = game.events[-1].subject
    assert (game.types()[-1], subject.participant_id, subject.elapsed_ms) == (REMOVED, ANN, 10_000)
    assert (clock_of(session, RED).bank_ms, clock_of(session, RED).used_ms) == (50_000, 10_000)
    assert (game.active_id, session.cycle_number, game.deadline_ms) == (CLEO, 1, None if is_paused else 60_000)
    session = game.ok(12_000, *([Resume()] if is_paused else []), Switch())
    assert participant(session, CLEO).cycle_count == 1
    assert (game.active_id, clock_of(session, RED).used_ms) == (BOB, 10_000 if is_paused else 12_000)


@pytest.mark.parametrize("mode", SINGLE_TURNS, ids=lambda mode: mode.name)
def test_leaving_while_paused_leaves_it_paused(mode: Mode) -> None:
    """The next one's turn begins with the resume, in full."""
    game = started(one_of_each()[mode])
    game.ok(10_000, Pause())

    paused = game.ok(20_000, RemoveParticipant(ANN))
    assert (paused.status, game.active_id, paused.paused_at, game.deadline_ms) == (Status.PAUSED, BOB, at(10_000), None)
    game.ok(100_000, Resume())

    fresh = mode in {Mode.PER_PARTICIPANT, Mode.PER_CYCLE}
    assert game.deadline_ms == (160_000 if fresh else 150_000)


@pytest.mark.parametrize(
    ("spec", "leaving"),
    [
        pytest.param(per_participant(60_000), ANN, id="the only player"),
        pytest.param(per_group(participants=(RED_ALONE,), groups=(GroupSpec(RED, 60_000),)), ANN, id="the only member"),
        pytest.param(per_participant(60_000, on_expire=ELIMINATE), ANN, id="the only player of an elimination"),
    ],
)
@pytest.mark.parametrize("is_started", [False, True], ids=["pending", "running"])
def test_the_last_one_needed_stays(spec: SessionSpec, leaving: str, is_started: bool) -> None:
    """A bank needs somebody to spend it: the last one cannot be removed, and nothing changes."""
    game = started(spec) if is_started else Game(spec)
    before = game.session

    refusal = game.refused(1_000, RemoveParticipant(leaving))

    assert (refusal.reason, game.session) == ("INVALID_STATE_TRANSITION", before)
    assert refusal.details == {"from": before.status.name, "verb": "remove_participant"}


def test_a_group_of_a_pending_session_keeps_its_last_member() -> None:
    """A session does not start with an empty group."""
    game = Game(per_group(participants=per_group().participants[:3]))

    refusal = game.refused(1_000, RemoveParticipant(BOB))

    assert (refusal.reason, str(refusal)) == (
        "INVALID_STATE_TRANSITION",
        f"participant {BOB} is the last one, and group {BLUE} needs at least one",
    )


@pytest.mark.parametrize("leaving", [ANN, BOB], ids=["active", "waiting"])
def test_a_group_whose_last_member_leaves_is_out(leaving: str) -> None:
    """Of three teams: the others play on, nobody may join it, and its clock cannot be adjusted."""
    groups = tuple(GroupSpec(group, 60_000) for group in (RED, BLUE, GREEN))
    members = tuple(
        ParticipantSpec(name, group_id=group.group_id) for name, group in zip((ANN, BOB, CLEO), groups, strict=True)
    )
    game = started(per_group(participants=members, groups=groups))
    team = RED if leaving == ANN else BLUE

    session = game.ok(10_000, RemoveParticipant(leaving))

    assert (session.status, game.active_id, game.types()[-1]) == (
        Status.RUNNING,
        BOB if leaving == ANN else ANN,
        REMOVED,
    )
    late: list[Command] = [AddParticipant(ParticipantSpec(EVE, group_id=team)), AdjustTime(group_id=team, delta_ms=9)]
    for command in late:
        refusal = game.refused(11_000, command)
        assert (refusal.reason, refusal.details["group_id"]) == ("PARTICIPANT_EXPIRED", team)
    game.ok(12_000, Switch())
    assert game.active_id == CLEO
    game.ok(13_000, Switch())
    assert game.active_id == (BOB if leaving == ANN else ANN)


@pytest.mark.parametrize(
    "spec", [per_cycle(60_000, ANN), countdown(60_000, ANN), stopwatch(60_000, ANN)], ids=lambda spec: spec.mode.name
)
def test_a_clock_of_the_session_needs_nobody(spec: SessionSpec) -> None:
    """Where the session has the clock, the last participant can go and the clock runs on."""
    game = started(spec)

    session = game.ok(10_000, RemoveParticipant(ANN))

    assert (session.status, session.participants, session.active) == (Status.RUNNING, (), None)
    assert game.deadline_ms == (70_000 if session.rules.mode is Mode.PER_CYCLE else 60_000)


@pytest.mark.parametrize(("leaving", "winner", "used"), [(ANN, BOB, 0), (BOB, ANN, 10_000)], ids=["active", "waiting"])
@pytest.mark.parametrize("is_paused", [False, True], ids=["running", "paused"])
@pytest.mark.parametrize("on_expire", [END, ELIMINATE, NOTIFY], ids=lambda end: end.name)
def test_the_last_one_left_wins(leaving: str, winner: str, used: int, is_paused: bool, on_expire: OnExpire) -> None:
    """Whatever happens at zero, a second version by the same caller ends the session; the one left has won."""
    game = started(per_participant(60_000, 60_000, on_expire=on_expire))
    game.ok(10_000, *([Pause()] if is_paused else []))

    session = game.ok(10_000, RemoveParticipant(leaving))

    assert game.types()[-2:] == [REMOVED, COMPLETED]
    assert [(event.cause, event.author, event.session.updated_at) for event in game.events[-2:]] == [
        (Cause.CALL, UMPIRE, at(10_000))
    ] * 2
    assert (session.status, session.winner_participant_id, session.completed_at) == (
        Status.COMPLETED,
        winner,
        at(10_000),
    )
    assert (clock_of(session, winner).used_ms, session.active) == (used, None)


def test_the_last_team_left_wins() -> None:
    """As the last participant does; in overtime, too."""
    game = started(per_group(5_000, 60_000, participants=per_group().participants[:3], on_expire=NOTIFY))

    session = game.ok(10_000, RemoveParticipant(BOB))

    assert game.types()[-2:] == [REMOVED, COMPLETED]
    assert (session.winner_group_id, session.winner_participant_id) == (RED, None)
    assert clock_of(session, RED).overtime_ms == 5_000


def test_a_resignation_of_one_in_overtime_is_the_other_ones_win() -> None:
    """The leaver's overtime stays on record with him alone."""
    game = started(per_participant(5_000, 60_000, on_expire=NOTIFY))

    session = game.ok(10_000, RemoveParticipant(ANN))

    assert (session.status, session.winner_participant_id) == (Status.COMPLETED, BOB)


def test_a_session_begun_by_one_goes_on_when_a_member_leaves() -> None:
    """One group plays alone: that another member leaves makes nobody a winner."""
    members = tuple(ParticipantSpec(name, group_id=RED) for name in (ANN, CLEO))
    game = started(per_group(participants=members, groups=(GroupSpec(RED, 60_000),)))

    session = game.ok(10_000, RemoveParticipant(ANN))

    assert (session.status, game.active_id) == (Status.RUNNING, CLEO)


def test_a_pending_session_has_no_winner() -> None:
    """Nobody has won before the start."""
    game = Game(per_participant(60_000, 60_000))

    session = game.ok(10_000, RemoveParticipant(ANN))

    assert (session.status, session.winner_participant_id) == (Status.PENDING, None)
