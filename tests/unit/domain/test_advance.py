"""Turns that follow one another by themselves, a long way behind, and their last cycle."""

from typing import Final

import pytest

from synckairos.domain import overdue
from synckairos.domain.commands import Pause, Start, Switch
from synckairos.domain.events import Cause, EventType
from synckairos.domain.model import OnExpire, Status
from synckairos.domain.specification import ParticipantSpec, SessionSpec
from synckairos.domain.timing import Lifetimes
from testing.harness.builders import (
    ANN,
    BOB,
    CLEO,
    DAY,
    Game,
    at,
    countdown,
    one_of_each,
    per_cycle,
    per_participant,
    stamps,
    started,
)

SWITCHED, COMPLETED = EventType.CYCLE_SWITCHED, EventType.SESSION_COMPLETED
CROWD: Final = tuple(ParticipantSpec(f"00000000-0000-4000-8000-{number:012}") for number in range(1_000))


def _behind(game: Game, ms: int) -> int:
    return overdue.boundaries_behind(game.session, at(ms), game.lifetimes)


def test_turns_follow_one_another() -> None:
    """Each deadline ends a turn and begins the next participant's, at the due instant."""
    game = started(per_cycle(30_000, ANN, BOB, CLEO))

    session = game.ok(100_000)

    assert [(event.type, event.cause, stamps(event)[0]) for event in game.events[2:]] == [
        (SWITCHED, Cause.DEADLINE, 30_000),
        (SWITCHED, Cause.DEADLINE, 60_000),
        (SWITCHED, Cause.DEADLINE, 90_000),
    ]
    assert [event.subject.participant_id for event in game.events[2:]] == [ANN, BOB, CLEO]
    assert (game.active_id, session.cycle_number, session.cycle_started_at) == (ANN, 4, at(90_000))
    assert [one.clock.used_ms for one in session.participants] == [30_000] * 3


def test_the_last_cycle_completes_by_itself() -> None:
    """Leaving the last cycle at its deadline completes the session at that instant."""
    game = started(per_cycle(30_000, ANN, BOB, max_cycles=3))

    session = game.ok(500_000)

    assert game.types()[2:] == [SWITCHED, SWITCHED, COMPLETED]
    assert (game.events[-1].cause, stamps(game.events[-1])) == (Cause.DEADLINE, (90_000, 500_000))
    assert (session.status, session.completed_at, session.cycle_number) == (Status.COMPLETED, at(90_000), 3)
    assert (session.active, [one.cycle_count for one in session.participants]) == (None, [2, 1])


def test_the_last_cycle_completes_by_a_switch() -> None:
    """A switch out of the last cycle completes the session, by the caller and now; the cycle before does not."""
    game = started(per_cycle(30_000, ANN, BOB, max_cycles=2))

    assert game.ok(1_000, Switch()).status is Status.RUNNING
    session = game.ok(2_000, Switch())

    assert (game.events[-1].type, game.events[-1].cause, game.events[-1].fired_at) == (COMPLETED, Cause.CALL, None)
    assert (session.status, session.completed_at, session.cycle_number) == (Status.COMPLETED, at(2_000), 2)


@pytest.mark.parametrize("action", [OnExpire.END_SESSION, OnExpire.NOTIFY], ids=lambda action: action.name)
def test_max_cycles_is_no_matter_of_advancing(action: OnExpire) -> None:
    """Leaving the last cycle completes the session under every action at zero."""
    game = started(per_cycle(30_000, ANN, BOB, max_cycles=1, on_expire=action))

    assert game.ok(29_999, Switch()).status is Status.COMPLETED


@pytest.mark.parametrize(
    ("ms", "committed", "is_unfinished"),
    [(99_999, 99, False), (100_000, 100, False), (100_999, 100, False), (101_000, 100, True), (250_000, 100, True)],
)
def test_a_transaction_holds_a_hundred_boundaries(ms: int, committed: int, is_unfinished: bool) -> None:
    """A hundred are applied at once; with the hundred and first the decision says it is not finished."""
    game = started(per_cycle(1_000, ANN, BOB))

    outcome = game.decide(ms)

    assert (len(outcome.events), outcome.unfinished is not None) == (committed, is_unfinished)


def test_catching_up_ends_where_one_look_would_have() -> None:
    """In transactions of a hundred or by looking every second: the same session, the same events."""
    late, diligent = started(per_cycle(1_000, ANN, BOB)), started(per_cycle(1_000, ANN, BOB))

    while late.decide(250_500).unfinished:
        pass
    for second in range(251):
        diligent.ok(1_000 * second)

    assert late.session == diligent.session
    assert late.session.cycle_number == 251
    assert [event._replace(fired_at=0) for event in late.events] == [
        event._replace(fired_at=0) for event in diligent.events
    ]


def test_a_call_far_behind_is_judged_by_the_session_it_saw_first() -> None:
    """A switch that takes three transactions to catch up is told of the turn it meant, not of the latest."""
    game = started(per_cycle(1_000, ANN, BOB, CLEO))

    first = game.decide(250_500, Switch())
    second = game.decide(250_500, Switch(), before=first.unfinished)
    third = game.decide(250_500, Switch(), before=second.unfinished)

    assert (first.refusal, second.refusal, third.unfinished) == (None, None, None)
    assert third.refusal is not None
    assert third.refusal.reason == "TURN_ADVANCED"
    assert third.refusal.details["expired_participant_id"] == ANN
    assert third.refusal.details["active_participant_id"] == game.active_id == BOB


def test_the_expected_version_survives_catching_up() -> None:
    """The version to compare with is the one the call found, however many transactions it took."""
    game = started(per_cycle(1_000, ANN, BOB))

    first = game.decide(150_500, Pause(), expected_version=2)
    second = game.decide(150_500, Pause(), expected_version=2, before=first.unfinished)

    assert (first.unfinished is not None, second.refusal, game.session.status) == (True, None, Status.PAUSED)


@pytest.mark.parametrize(
    ("cycle_ms", "ms", "behind"),
    [
        (1_000, 0, 0), (1_000, 999, 0), (1_000, 1_000, 1), (1_000, 1_999, 1), (1_000, 2_000, 2),
        (1_000, 1_000_999, 1_000), (1_000, 1_001_000, 1_001),
        (28 * DAY - 1, 28 * DAY - 1, 1), (28 * DAY - 1, 28 * DAY, 2),
        (3_600_000, 28 * DAY, 672), (3_600_000, 100 * DAY, 672),
    ],
)  # fmt: skip
def test_how_far_behind_a_chain_is(cycle_ms: int, ms: int, behind: int) -> None:
    """The number of cycles that are due, exactly; the age of 28 days is the last boundary."""
    assert _behind(started(per_cycle(cycle_ms)), ms) == behind


@pytest.mark.parametrize("ms", [2_500, 3_500, 4_500, 5_000, 9_000, 20 * DAY, 28 * DAY, 40 * DAY])
@pytest.mark.parametrize("cycle_ms", [1_000, 5 * DAY, 7 * DAY, 9 * DAY], ids=["seconds", "5 days", "7 days", "9 days"])
@pytest.mark.parametrize("max_cycles", [0, 4], ids=["endless", "4 cycles"])
def test_the_count_agrees_with_the_boundaries_applied(ms: int, cycle_ms: int, max_cycles: int) -> None:
    """The count ends where the chain does: at its last cycle, or at 28 days."""
    game = started(per_cycle(cycle_ms, max_cycles=max_cycles))
    behind = _behind(game, ms)

    outcome = game.decide(ms)

    assert len(outcome.events) == min(behind, 100)


def test_at_28_days_a_chain_ends_even_if_a_cycle_does() -> None:
    """If an advance and the maximum age fall together, the session ends."""
    game = started(per_cycle(7 * DAY))

    session = game.ok(30 * DAY)

    assert game.types()[2:] == [*[SWITCHED] * 3, EventType.SESSION_CANCELLED]
    assert (session.completed_at, session.cycle_number) == (at(28 * DAY), 4)


@pytest.mark.parametrize("spec", [*one_of_each().values(), *one_of_each(OnExpire.NOTIFY).values()])
@pytest.mark.parametrize("is_started", [False, True], ids=["pending", "paused"])
def test_idleness_is_one_boundary(spec: SessionSpec, is_started: bool) -> None:
    """An idle session has one boundary due, however long ago, under every action at zero."""
    game = Game(spec)
    if is_started:
        game.ok(0, Start(), Pause())

    assert (_behind(game, 7 * DAY - 1), _behind(game, 7 * DAY), _behind(game, 70 * DAY)) == (0, 1, 1)


def test_a_crowd_is_not_behind() -> None:
    """A thousand participants do not make one due boundary many, and an ended session has none."""
    running = started(countdown(60_000, participants=CROWD))
    pending = Game(countdown(60_000, participants=CROWD))
    over = started(countdown(60_000, participants=CROWD, on_expire=OnExpire.NOTIFY))
    players = started(per_participant(60_000, 60_000, 60_000))

    assert (_behind(running, 60_000), _behind(pending, 7 * DAY), _behind(players, 60_000)) == (1, 1, 1)
    assert 1 <= _behind(over, 60_000) <= 2
    running.ok(60_000)
    assert _behind(running, 60_000 + Lifetimes().terminal_ms) == 0


def test_a_crowd_of_players_can_be_eliminated_by_one_call() -> None:
    """At most one boundary a player is due: a caller is never told to wait for that."""
    players = tuple(one._replace(total_time_ms=1_000) for one in CROWD)
    game = started(per_participant(participants=players, on_expire=OnExpire.ELIMINATE))

    assert 999 <= _behind(game, 2_000_000) <= 1_000


@pytest.mark.parametrize("is_settled_first", [False, True], ids=["settled by the call", "settled before"])
def test_a_late_switch_never_skips_the_next_cycle(is_settled_first: bool) -> None:
    """Whoever applied the advance, a switch that names its cycle is told that the turn has moved on."""
    game = started(per_cycle(30_000, ANN, BOB))
    if is_settled_first:
        game.ok(30_000)

    refusal = game.refused(30_005, Switch(expected_cycle_number=1))

    assert refusal.reason == "TURN_ADVANCED"
    assert (refusal.details["expected_cycle_number"], refusal.details["cycle_number"]) == ("1", "2")
    assert game.session.cycle_number == 2
    assert game.ok(30_006, Switch(expected_cycle_number=2)).cycle_number == 3
