"""Manual clocks: only calls move the session's time; what falls due on the way has its own instant."""

from typing import Final

import pytest

from synckairos.domain import overdue, timing
from synckairos.domain.commands import AdvanceClock, Cancel, Complete, Pause, Resume, Start, Switch, Update
from synckairos.domain.errors import InvalidField, InvalidStateTransition
from synckairos.domain.events import SYSTEM, Cause, EventType
from synckairos.domain.families.per_turn import PerTurn
from synckairos.domain.model import Mode, OnExpire, Status
from synckairos.domain.recovery import RecoveryPolicy, recover
from synckairos.domain.settlement import is_removable
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
    per_cycle,
    per_participant,
    stamps,
    started,
)
from tests.unit.domain.controls.control_builders import one_stage, players

HOUR: Final = 3_600_000
END, ELIMINATE, ADVANCE, NOTIFY = OnExpire


def manual(mode: Mode = Mode.PER_PARTICIPANT) -> Game:
    """Return a session with a manual clock and 60 s for everybody, started at its creation."""
    return started(one_of_each()[mode]._replace(manual_clock=True))


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_no_time_passes_by_itself(mode: Mode) -> None:
    """An hour later nothing has run out, and a call happens at the session's own time."""
    game = manual(mode)

    game.ok(HOUR, Switch())

    assert (game.session.updated_at, game.session.status) == (at(0), Status.RUNNING)
    assert game.view(2 * HOUR) == game.session


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_time_that_is_advanced_passes(mode: Mode) -> None:
    """One version that says by how much; the clock has run by that, and later calls are at that time."""
    game = manual(mode)

    game.ok(HOUR, AdvanceClock(25_000))
    event = game.events[-1]
    assert (event.type, event.cause, event.author) == (EventType.CLOCK_ADVANCED, Cause.CALL, UMPIRE)
    assert (event.advanced_ms, stamps(event)) == (25_000, (0, None))
    assert (game.session.manual_at, game.session.real_at) == (at(25_000), at(HOUR))
    assert timing.elapsed(game.session, timing.own_time(game.session, at(HOUR))) == 25_000
    game.ok(HOUR, Pause())

    assert (game.session.updated_at, game.session.carried_ms) == (at(25_000), 25_000)


def test_what_falls_due_has_its_own_instant() -> None:
    """Advancing first, and then each version at the instant it was due, noticed at the new time."""
    game = started(per_cycle(30_000, ANN, BOB)._replace(manual_clock=True))

    game.ok(HOUR, AdvanceClock(70_000))

    seen = [(event.type, stamps(event)) for event in game.events[2:]]
    switched = EventType.CYCLE_SWITCHED
    assert seen == [
        (EventType.CLOCK_ADVANCED, (0, None)),
        (switched, (30_000, 70_000)),
        (switched, (60_000, 70_000)),
    ]
    assert [event.author for event in game.events[3:]] == [SYSTEM] * 2
    assert [event.session.version for event in game.events] == [1, 2, 3, 4, 5]


def test_a_clock_that_stops_at_an_end() -> None:
    """What has ended is advanced no more."""
    game = manual()

    game.ok(0, AdvanceClock(90_000))

    assert (game.session.status, game.session.completed_at) == (Status.EXPIRED, at(60_000))
    assert game.refused(0, AdvanceClock(1)).reason == "PARTICIPANT_EXPIRED"


@pytest.mark.parametrize("status", [Status.PENDING, Status.PAUSED])
def test_time_passes_while_a_clock_stands(status: Status) -> None:
    """It is the session's time that is advanced, not the clock."""
    game = Game(per_participant(60_000, 60_000)._replace(manual_clock=True))
    if status is Status.PAUSED:
        game.ok(0, Start(), Pause())

    game.ok(0, AdvanceClock(DAY))
    game.ok(0, Resume() if status is Status.PAUSED else Start())

    assert game.session.resumed_at == at(DAY)
    assert game.deadline_ms == DAY + 60_000


@pytest.mark.parametrize("command", [Complete(), Cancel()])
def test_no_time_passes_after_the_end(command: Complete | Cancel) -> None:
    """As with every verb."""
    game = manual()
    game.ok(0, command)

    assert isinstance(game.refused(0, AdvanceClock(1)), InvalidStateTransition)


def test_only_manual_clocks_are_advanced() -> None:
    """Any other goes by itself."""
    refusal = started(per_participant()).refused(0, AdvanceClock(1))

    assert isinstance(refusal, InvalidField)
    assert [path for path, _ in refusal.violations] == ["by_ms"]


@pytest.mark.parametrize("mode", [Mode.PER_CYCLE, Mode.PER_PARTICIPANT])
def test_a_hundred_boundaries_are_one_step(mode: Mode) -> None:
    """A hundred and one are refused, with the largest step that is possible, and nothing has changed."""
    turns = players(one_stage(0, PerTurn(30_000)), on_expire=ADVANCE)
    spec = per_cycle(30_000) if mode is Mode.PER_CYCLE else turns
    game = started(spec._replace(manual_clock=True))
    before = game.session

    refusal = game.refused(5, AdvanceClock(101 * 30_000))
    assert isinstance(refusal, InvalidField)
    assert [path for path, _ in refusal.violations] == ["by_ms"]
    largest = int(refusal.details["largest_step_ms"])
    assert (game.session, largest) == (before, 101 * 30_000 - 1)
    game.ok(5, AdvanceClock(largest))

    assert game.session.version == before.version + 101
    assert game.deadline_ms == 101 * 30_000


def test_it_is_idle_in_the_world_and_not_in_its_own_time() -> None:
    """A year of its own time is nothing; seven days without a call are, and end it at its own time."""
    game = Game(per_participant()._replace(manual_clock=True))
    for _ in range(13):
        game.ok(HOUR, AdvanceClock(28 * DAY))
    assert timing.next_boundary(game.session, game.lifetimes) == (at(HOUR + 7 * DAY), BoundaryKind.IDLE)

    game.ok(HOUR + 7 * DAY)

    event = game.events[-1]
    assert (event.type, event.cause) == (EventType.SESSION_CANCELLED, Cause.IDLE)
    assert (event.session.updated_at, event.session.real_at) == (at(13 * 28 * DAY), at(HOUR + 7 * DAY))


def test_nothing_else_is_in_the_index() -> None:
    """Its deadlines come by its calls alone."""
    game = manual()
    assert timing.deadline_at(game.session) == at(60_000)

    boundary = timing.next_boundary(game.session, game.lifetimes)

    assert boundary == Boundary(at(28 * DAY), BoundaryKind.IDLE)
    assert overdue.boundaries_behind(game.session, at(HOUR), game.lifetimes) == 0


def test_it_stays_readable_after_its_real_end() -> None:
    """An hour of the world, whatever its own time was."""
    game = manual()

    game.ok(5_000, AdvanceClock(20 * DAY))

    assert timing.next_boundary(game.session, game.lifetimes) == (at(5_000 + HOUR), BoundaryKind.REMOVAL)
    assert not is_removable(game.session, at(5_000 + HOUR - 1), game.lifetimes)
    assert is_removable(game.session, at(5_000 + HOUR), game.lifetimes)


def test_the_world_steps_back() -> None:
    """The instant of the last version does not."""
    game = manual()
    game.ok(5_000, AdvanceClock(1))

    game.ok(4_000, AdvanceClock(1))

    assert game.session.real_at == at(5_000)


@pytest.mark.parametrize("policy", RecoveryPolicy, ids=lambda policy: policy.name)
def test_a_recovery_goes_on_from_its_own_time(policy: RecoveryPolicy) -> None:
    """A day in the world is none for it."""
    game = manual()
    game.ok(0, AdvanceClock(25_000))

    outcome = recover(game.session, policy, UMPIRE, at(DAY) * 1_000, game.ids.__next__, game.lifetimes)
    session = outcome.session

    assert [event.type for event in outcome.events] == [EventType.SESSION_RECOVERED]
    assert (session.updated_at, session.manual_at, session.real_at) == (at(25_000), at(25_000), at(DAY))
    assert timing.elapsed(session, at(25_000)) == 25_000
    assert timing.deadline_at(session) == (at(60_000) if policy is RecoveryPolicy.CONTINUE else None)


def test_it_closes_in_its_own_time() -> None:
    """Pending, when its time is advanced to there."""
    game = Game(per_participant()._replace(manual_clock=True, close_at=at(50_000)))
    game.ok(HOUR, AdvanceClock(49_999))
    assert game.session.status is Status.PENDING

    game.ok(HOUR, AdvanceClock(1))

    assert (game.events[-1].type, stamps(game.events[-1])) == (EventType.SESSION_EXPIRED, (50_000, 50_000))


def test_a_refused_command_leaves_the_time_alone() -> None:
    """It is no version."""
    game = manual()
    game.ok(0, AdvanceClock(1_000))

    game.refused(HOUR, Start())

    assert (game.session.manual_at, game.session.real_at) == (at(1_000), at(0))


def test_the_same_game_by_hand_and_by_the_world() -> None:
    """A manual clock changes who moves the time and nothing else."""
    spec = players(one_stage(60_000, PerTurn(10_000)), on_expire=ELIMINATE)
    world, own = started(spec), started(spec._replace(manual_clock=True))
    now = 0
    for step, command in ((12_000, Switch()), (500, Pause()), (7_000, Resume()), (1, Switch()), (90_000, Update())):
        now += step
        world.decide(now, command)
        own.decide(0, AdvanceClock(step))
        own.decide(0, command)

    seen = [(one.type, stamps(one)[0], one.session.participants) for one in own.events if not one.advanced_ms]
    assert seen == [(one.type, stamps(one)[0], one.session.participants) for one in world.events]
    assert clock_of(own.session, ANN).is_expired != clock_of(own.session, BOB).is_expired
