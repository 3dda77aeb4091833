"""Time runs out: the session ends, or the holder is eliminated, at the instant it was due."""

import pytest

from synckairos.domain.commands import AddParticipant, AdjustTime, RemoveParticipant
from synckairos.domain.events import SYSTEM, Cause, EventType, Subject
from synckairos.domain.model import Mode, OnExpire, Session, Status
from synckairos.domain.specification import ParticipantSpec, SessionSpec
from testing.harness.builders import (
    ANN,
    BLUE,
    BOB,
    CLEO,
    EVE,
    RED,
    at,
    clock_of,
    countdown,
    one_of_each,
    participant,
    per_cycle,
    per_group,
    per_participant,
    stamps,
    started,
)

ELIMINATE = OnExpire.ELIMINATE
END = OnExpire.END_SESSION
HOLDERS = {Mode.PER_PARTICIPANT: ANN, Mode.PER_GROUP: RED}
EXPIRED, COMPLETED = EventType.SESSION_EXPIRED, EventType.SESSION_COMPLETED
OUT = EventType.PARTICIPANT_EXPIRED


def _winners(session: Session) -> tuple[str | None, str | None]:
    return session.winner_participant_id, session.winner_group_id


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_the_session_ends_when_it_was_due(mode: Mode) -> None:
    """Noticed 15 s late, the end is stamped on time, names the holder, and leaves the clock at exactly its budget."""
    game = started(one_of_each(END)[mode])

    session = game.ok(75_000)

    event, clock = game.events[-1], clock_of(session, HOLDERS.get(mode, ""))
    assert game.types()[2:] == [EXPIRED]
    assert (event.cause, event.author, stamps(event)) == (Cause.DEADLINE, SYSTEM, (60_000, 75_000))
    assert (session.status, session.completed_at, session.version) == (Status.EXPIRED, at(60_000), 3)
    assert (clock.bank_ms, clock.used_ms, clock.overtime_ms, clock.is_expired) == (0, 60_000, 0, True)
    assert (session.active, session.cycle_number, game.deadline_ms) == (None, 1, None)
    named = {Mode.PER_PARTICIPANT: (ANN, None), Mode.PER_CYCLE: (ANN, None), Mode.PER_GROUP: (None, RED)}
    assert (session.expired_participant_id, session.expired_group_id) == named.get(mode, (None, None))
    assert event.subject == Subject(ANN, RED if mode is Mode.PER_GROUP else None, 60_000, 0)
    assert participant(session, BOB).clock.used_ms == participant(session, BOB).cycle_count == 0


@pytest.mark.parametrize(
    ("spec", "winners"),
    [
        pytest.param(per_participant(60_000, 60_000), (BOB, None), id="the other of two"),
        pytest.param(per_participant(60_000, 60_000, first_participant_id=BOB), (ANN, None), id="the first of two"),
        pytest.param(per_participant(60_000, 60_000, 60_000), (None, None), id="nobody of three"),
        pytest.param(per_participant(60_000), (None, None), id="nobody else"),
        pytest.param(per_participant(60_000, on_expire=ELIMINATE), (None, None), id="nobody left"),
        pytest.param(per_group(60_000, 60_000), (None, BLUE), id="the other of two groups"),
        pytest.param(per_cycle(60_000, ANN, BOB, on_expire=END), (BOB, None), id="the other of two in cycles"),
        pytest.param(per_cycle(60_000, ANN, BOB, CLEO, on_expire=END), (None, None), id="nobody of three in cycles"),
        pytest.param(per_cycle(60_000, on_expire=END), (None, None), id="nobody's cycle"),
        pytest.param(countdown(60_000, ANN, BOB), (None, None), id="nobody of a countdown"),
    ],
)
def test_the_winner_is_the_other_of_two_holders(spec: SessionSpec, winners: tuple[str | None, str | None]) -> None:
    """Two clock holders, or two whose cycles they are, make a winner; one, three, or a clock of all do not."""
    game = started(spec)

    session = game.ok(60_000)

    assert (session.status, _winners(session)) == (Status.EXPIRED, winners)


def test_the_holders_at_the_end_count() -> None:
    """Of three players one left before the end: the other one who stayed wins; with a third one joined, none does."""
    left, joined = started(per_participant(60_000, 60_000, 60_000)), started(per_participant(60_000, 60_000))
    left.ok(1_000, RemoveParticipant(BOB))
    joined.ok(1_000, AddParticipant(ParticipantSpec(EVE, total_time_ms=60_000)))

    assert (_winners(left.ok(60_000)), _winners(joined.ok(60_000))) == ((CLEO, None), (None, None))


def test_the_eliminated_leaves_and_the_next_starts_at_once() -> None:
    """ANN is out at her deadline; BOB's turn begins that very instant, however late a call notices."""
    game = started(per_participant(10_000, 20_000, 30_000, on_expire=ELIMINATE, increment_ms=5_000))

    session = game.ok(12_000)

    ann = participant(session, ANN)
    assert (game.types()[2:], stamps(game.events[-1])) == ([OUT], (10_000, 12_000))
    assert (ann.clock.is_expired, ann.clock.bank_ms, ann.clock.used_ms, ann.cycle_count) == (True, 0, 10_000, 0)
    assert (session.status, game.active_id, session.cycle_number) == (Status.RUNNING, BOB, 2)
    assert (session.cycle_started_at, game.deadline_ms, session.expired_participant_id) == (at(10_000), 30_000, ANN)


def test_the_last_one_left_wins_in_a_second_version() -> None:
    """A whole chain noticed at once: each elimination at its due instant, then the end with the winner."""
    game = started(per_participant(10_000, 20_000, 30_000, on_expire=ELIMINATE))

    session = game.ok(500_000)

    assert [(event.type, *stamps(event)) for event in game.events[2:]] == [
        (OUT, 10_000, 500_000),
        (OUT, 30_000, 500_000),
        (COMPLETED, 30_000, 500_000),
    ]
    assert {event.cause for event in game.events[2:]} == {Cause.DEADLINE}
    assert {event.author.actor for event in game.events[2:]} == {"system"}
    assert [event.subject.participant_id for event in game.events[2:4]] == [ANN, BOB]
    assert (session.status, session.completed_at, _winners(session)) == (Status.COMPLETED, at(30_000), (CLEO, None))
    assert (session.version, session.active, clock_of(session, CLEO).bank_ms) == (5, None, 30_000)


def test_the_other_group_wins() -> None:
    """A group is eliminated with all of its members."""
    game = started(per_group(10_000, 60_000, on_expire=ELIMINATE))

    session = game.ok(11_000)

    assert game.types()[2:] == [OUT, COMPLETED]
    assert (game.events[2].subject.group_id, session.expired_group_id) == (RED, RED)
    assert (session.status, session.completed_at, _winners(session)) == (Status.COMPLETED, at(10_000), (None, BLUE))


@pytest.mark.parametrize(
    ("spec", "command", "expected"),
    [
        pytest.param(per_participant(), AdjustTime(ANN, set_ms=0), [EXPIRED], id="ends"),
        pytest.param(
            per_participant(9_000, 9_000, on_expire=ELIMINATE), AdjustTime(ANN, set_ms=0), [OUT, COMPLETED], id="is out"
        ),
        pytest.param(per_group(), AdjustTime(group_id=RED, delta_ms=-900_000), [EXPIRED], id="group ends"),
        pytest.param(per_cycle(), AdjustTime(set_ms=0), [EventType.CYCLE_SWITCHED], id="advances"),
        pytest.param(countdown(), AdjustTime(delta_ms=-600_000), [EXPIRED], id="countdown ends"),
        pytest.param(
            countdown(on_expire=OnExpire.NOTIFY), AdjustTime(set_ms=0), [EventType.OVERTIME_STARTED], id="runs over"
        ),
    ],
)
def test_brought_to_zero_expires_now(spec: SessionSpec, command: AdjustTime, expected: list[EventType]) -> None:
    """The adjustment and the expiry are versions of their own, both of the instant of the call."""
    game = started(spec)

    game.ok(5_000, command)

    assert game.types()[2:] == [EventType.TIME_ADJUSTED, *expected]
    assert [stamps(event) for event in game.events[2:]] == [(5_000, None)] + [(5_000, 5_000)] * len(expected)
    assert [event.cause for event in game.events[2:]] == [Cause.CALL] + [Cause.DEADLINE] * len(expected)
