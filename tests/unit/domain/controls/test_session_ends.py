"""Ends of a whole session: a limit of its running time, and an instant at which it closes."""

from typing import Final

import pytest

from synckairos.domain import overdue, timing
from synckairos.domain.commands import (
    AdjustTime,
    Cancel,
    Command,
    Complete,
    Delete,
    Pause,
    RemoveParticipant,
    Resume,
    Start,
    Switch,
    Update,
)
from synckairos.domain.errors import Refusal
from synckairos.domain.events import SYSTEM, Cause, EventType
from synckairos.domain.families.penalty import Penalty
from synckairos.domain.families.per_turn import PerTurn
from synckairos.domain.model import Mode, OnExpire, Session, Status
from synckairos.domain.recovery import RecoveryPolicy, recover
from synckairos.domain.timing import Boundary, BoundaryKind
from testing.harness.builders import (
    ANN,
    BOB,
    DAY,
    UMPIRE,
    Game,
    at,
    clock_of,
    one_of_each,
    participant,
    per_cycle,
    per_participant,
    stamps,
    started,
)
from tests.unit.domain.controls.control_builders import one_stage, players

END, ELIMINATE, ADVANCE, NOTIFY = OnExpire
LIMITED: Final = {
    mode: spec._replace(session_limit_ms=50_000)
    for mode, spec in one_of_each().items()
    if mode in {Mode.PER_PARTICIPANT, Mode.PER_GROUP, Mode.PER_CYCLE}
}
CLOSING: Final = {mode: spec._replace(close_at=at(50_000)) for mode, spec in one_of_each().items()}


def ended_by_itself(game: Game, due: int, noticed: int) -> None:
    """Check that the session has expired as a whole at this time."""
    event, session = game.events[-1], game.session
    assert (event.type, event.cause, event.author) == (EventType.SESSION_EXPIRED, Cause.DEADLINE, SYSTEM)
    assert (session.status, session.completed_at, stamps(event)) == (Status.EXPIRED, at(due), (due, noticed))
    assert (session.expired_participant_id, session.expired_group_id) == (None, None)
    assert (session.winner_participant_id, session.winner_group_id) == (None, None)
    assert (session.active, timing.deadline_at(session)) == (None, None)


def refusals(game: Game, ms: int) -> list[Refusal]:
    """Return what becomes of every verb but delete."""
    commands: list[Command] = [Start(), Switch(), Pause(), Resume(), Complete(), Cancel(), Update(labels=())]
    return [game.refused(ms, command) for command in commands]


@pytest.mark.parametrize("mode", LIMITED, ids=lambda mode: mode.name)
def test_a_limit_of_running_time(mode: Mode) -> None:
    """Pauses do not count, turns add up, and the slice that ran is charged."""
    game = started(LIMITED[mode])
    game.ok(10_000, Switch())
    game.ok(25_000, Pause())
    game.ok(125_000, Resume())
    assert game.deadline_ms == 150_000

    game.ok(160_000)

    ended_by_itself(game, 150_000, 160_000)
    assert participant(game.session, BOB).clock.used_ms == 40_000
    assert {one.reason for one in refusals(game, 160_000)} == {"SESSION_EXPIRED"}
    game.ok(160_000, Delete())


@pytest.mark.parametrize("mode", CLOSING, ids=lambda mode: mode.name)
@pytest.mark.parametrize("status", [Status.PENDING, Status.RUNNING, Status.PAUSED])
def test_an_instant_of_closing(mode: Mode, status: Status) -> None:
    """It comes for what waits and what stands as for what runs, and a pause does not move it."""
    game = Game(CLOSING[mode])
    if status is not Status.PENDING:
        game.ok(1_000, Start())
    if status is Status.PAUSED:
        game.ok(21_000, Pause())
    assert timing.next_boundary(game.session, game.lifetimes) == (at(50_000), BoundaryKind.SESSION_LIMIT)
    assert overdue.boundaries_behind(game.session, at(60_000), game.lifetimes) == 1

    game.ok(60_000)

    ended_by_itself(game, 50_000, 60_000)
    ran = {Status.PENDING: 0, Status.RUNNING: 49_000, Status.PAUSED: 20_000}[status]
    assert participant(game.session, ANN).clock.used_ms == ran
    assert game.refused(60_000, Update(labels=())).reason == "SESSION_EXPIRED"


def test_a_session_that_closes_is_never_idle() -> None:
    """Not in a year, pending, running without a deadline, or paused."""
    spec = players(one_stage(0, Penalty(0, 1_000, 1)))._replace(close_at=at(360 * DAY))
    game = Game(spec)

    for ms, command in ((90 * DAY, Start()), (180 * DAY, Pause()), (300 * DAY, Resume())):
        game.ok(ms, command)
    game.ok(360 * DAY)

    ended_by_itself(game, 360 * DAY, 360 * DAY)


def test_an_endless_chain_with_an_end() -> None:
    """It advances until the limit, however long nobody calls, and is not idle on the way."""
    game = started(per_cycle(30_000)._replace(session_limit_ms=95_000, idle_ttl_ms=60_000))

    game.ok(500_000)

    assert game.types()[2:] == [EventType.CYCLE_SWITCHED] * 3 + [EventType.SESSION_EXPIRED]
    ended_by_itself(game, 95_000, 500_000)


def test_the_earliest_end_counts() -> None:
    """Of the limit, the instant and the clocks."""
    spec = players(one_stage(60_000), session_limit_ms=50_000, close_at=at(55_000))
    running = started(spec)
    assert running.deadline_ms == 50_000
    running.ok(1_000, Pause())
    running.ok(11_000, Resume())

    assert running.deadline_ms == 55_000


def first(game: Game) -> Boundary | None:
    """Return the next boundary of a session."""
    return timing.clock_boundary(game.session)


def test_the_session_comes_before_the_holder_before_the_turn() -> None:
    """Of one millisecond: nobody is named where the session itself has ended."""
    whole = started(players(one_stage(50_000, turn_limit_ms=50_000), session_limit_ms=50_000))
    closing = started(players(one_stage(50_000, turn_limit_ms=50_000), close_at=at(50_000)))
    holder = started(players(one_stage(50_000, turn_limit_ms=50_000)))
    assert [first(game) for game in (whole, closing, holder)] == [
        (at(50_000), BoundaryKind.SESSION_LIMIT),
        (at(50_000), BoundaryKind.SESSION_LIMIT),
        (at(50_000), BoundaryKind.EXPIRY),
    ]

    for game in (whole, closing):
        assert game.refused(50_000, Switch()).reason == "SESSION_EXPIRED"
        ended_by_itself(game, 50_000, 50_000)
        assert not clock_of(game.session, ANN).is_expired
    assert holder.refused(50_000, Switch()).reason == "PARTICIPANT_EXPIRED"


@pytest.mark.parametrize("on_expire", [ELIMINATE, NOTIFY])
def test_nobody_is_named_who_ran_out_before(on_expire: OnExpire) -> None:
    """Somebody who ran out on the way did not end the session."""
    game = started(per_participant(10_000, 100_000, 100_000, on_expire=on_expire)._replace(session_limit_ms=50_000))
    game.ok(20_000)
    assert game.session.expired_participant_id == ANN

    game.ok(50_000)

    ended_by_itself(game, 50_000, 50_000)
    assert game.refused(51_000, Switch()).reason == "SESSION_EXPIRED"


def test_adjustments_move_neither() -> None:
    """More time for a holder is no more for the session."""
    game = started(players(one_stage(60_000), session_limit_ms=50_000, close_at=at(70_000)))

    game.ok(20_000, AdjustTime(ANN, delta_ms=60_000))

    assert game.deadline_ms == 50_000


def test_a_turn_cut_short_counts_for_the_session() -> None:
    """What a removed participant ran is running time too."""
    game = started(players(*[one_stage(60_000)] * 3, session_limit_ms=50_000))

    game.ok(20_000, RemoveParticipant(ANN))

    assert game.deadline_ms == 50_000


def test_turns_of_an_eliminated_holder_count_for_the_session() -> None:
    """What an eliminated participant ran is running time too."""
    game = started(players(one_stage(20_000), *[one_stage(60_000)] * 2, on_expire=ELIMINATE, session_limit_ms=50_000))

    game.ok(30_000)

    assert (game.active_id, game.deadline_ms) == (BOB, 50_000)


def brought_back(game: Game, ms: int, policy: RecoveryPolicy = RecoveryPolicy.CONTINUE) -> Session:
    """Bring the session back at this time."""
    outcome = recover(game.session, policy, UMPIRE, at(ms) * 1_000, game.ids.__next__, game.lifetimes)
    instants = [event.session.updated_at for event in outcome.events]
    assert instants == sorted(instants), "time ran backwards"
    assert outcome.unfinished is None
    game.session = outcome.session
    game.events += outcome.events
    return outcome.session


@pytest.mark.parametrize("policy", RecoveryPolicy, ids=lambda policy: policy.name)
@pytest.mark.parametrize("status", [Status.PENDING, Status.RUNNING, Status.PAUSED])
def test_what_closed_while_it_was_lost(status: Status, policy: RecoveryPolicy) -> None:
    """The recovery comes before the end, which keeps its own instant."""
    game = Game(players(one_stage(600_000), close_at=at(50_000)))
    if status is not Status.PENDING:
        game.ok(1_000, Start())
    if status is Status.PAUSED:
        game.ok(21_000, Pause())

    brought_back(game, 90_000, policy)

    ended_by_itself(game, 50_000, 90_000)
    assert game.events[-2].type is EventType.SESSION_RECOVERED


def test_what_closes_after_its_recovery() -> None:
    """What has not closed yet comes back with the present, and closes when it is due."""
    game = Game(players(one_stage(600_000), close_at=at(50_000)))

    session = brought_back(game, 40_000)

    assert (session.status, session.updated_at) == (Status.PENDING, at(40_000))
    assert first(game) == (at(50_000), BoundaryKind.SESSION_LIMIT)


def test_a_chain_of_turns_is_counted_to_its_end() -> None:
    """At most so many boundaries are due: reserves only make a chain shorter."""
    spec = players(one_stage(60_000, PerTurn(10_000)), on_expire=ADVANCE)
    game, limited = started(spec), started(spec._replace(session_limit_ms=200_000))

    for one, events in ((game, 88), (limited, 8)):
        assert overdue.boundaries_behind(one.session, at(1_000_000), one.lifetimes) >= events
        one.ok(1_000_000)
        assert len(one.events) - 2 == events
