"""Sessions without an end of their own: idleness, age, and how long an ended session can be read."""

import pytest

from synckairos.domain.commands import Cancel, Command, Complete, Delete, Pause, Resume, Start, Switch, Update
from synckairos.domain.events import Cause, EventType
from synckairos.domain.model import Mode, OnExpire, Status
from synckairos.domain.settlement import is_removable
from synckairos.domain.specification import SessionSpec
from synckairos.domain.timing import Lifetimes, next_boundary
from testing.harness.builders import (
    ANN,
    BOB,
    DAY,
    Game,
    at,
    countdown,
    one_of_each,
    per_cycle,
    per_participant,
    stamps,
    started,
    stopwatch,
)

WEEK, FOUR_WEEKS = 7 * DAY, 28 * DAY
CANCELLED = EventType.SESSION_CANCELLED


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_a_pending_session_is_cancelled_after_a_week(mode: Mode) -> None:
    """Never started, it is cancelled a week after its creation, with an event that says why."""
    game = Game(one_of_each()[mode])
    assert game.ok(WEEK - 1).status is Status.PENDING

    session = game.ok(WEEK + 5)

    event = game.events[-1]
    assert (event.type, event.cause, event.author.actor) == (CANCELLED, Cause.IDLE, "system")
    assert (stamps(event), session.completed_at) == ((WEEK, WEEK + 5), at(WEEK))
    assert (session.status, session.version) == (Status.CANCELLED, 2)


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_a_paused_session_is_cancelled_after_a_week(mode: Mode) -> None:
    """Paused and forgotten: cancelled a week after the pause, at the very millisecond."""
    game = started(one_of_each()[mode])
    game.ok(10_000, Pause())

    assert game.ok(10_000 + WEEK - 1).status is Status.PAUSED
    session = game.ok(10_000 + WEEK)

    assert (game.events[-1].type, game.events[-1].cause) == (CANCELLED, Cause.IDLE)
    assert (session.status, session.active, session.paused_at) == (Status.CANCELLED, None, None)


def test_any_change_extends_a_read_does_not() -> None:
    """The week counts from the last change; looking at the session is none."""
    game = Game(per_participant())
    game.ok(3 * DAY, Update(metadata=b"x"))

    game.ok(9 * DAY)

    assert game.ok(10 * DAY - 1).status is Status.PENDING
    assert game.ok(10 * DAY).completed_at == at(10 * DAY)


@pytest.mark.parametrize(
    ("spec", "before"),
    [
        pytest.param(stopwatch(0, ANN), [], id="stopwatch"),
        pytest.param(per_cycle(10 * DAY), [EventType.CYCLE_SWITCHED] * 2, id="advancing"),
        pytest.param(countdown(5 * DAY, on_expire=OnExpire.NOTIFY), [EventType.OVERTIME_STARTED], id="overtime"),
        pytest.param(
            per_participant(DAY, DAY, on_expire=OnExpire.NOTIFY), [EventType.OVERTIME_STARTED], id="bank overtime"
        ),
        pytest.param(per_cycle(DAY, on_expire=OnExpire.NOTIFY), [EventType.OVERTIME_STARTED], id="cycle in overtime"),
    ],
)
def test_a_session_without_an_end_of_its_own_ends_at_28_days(spec: SessionSpec, before: list[EventType]) -> None:
    """Running without a deadline, or from cycle to cycle: cancelled 28 days after the start."""
    game = Game(spec, created_ms=-3 * DAY)
    game.ok(0, Start())
    assert game.ok(FOUR_WEEKS - 1).status is Status.RUNNING

    session = game.ok(FOUR_WEEKS + 9)

    assert game.types()[2:] == [*before, CANCELLED]
    assert (game.events[-1].cause, stamps(game.events[-1])) == (Cause.MAX_AGE, (FOUR_WEEKS, FOUR_WEEKS + 9))
    assert (session.status, session.completed_at) == (Status.CANCELLED, at(FOUR_WEEKS))


def test_a_deadline_is_end_enough() -> None:
    """A session that will end by its own clock is left alone, also beyond 28 days."""
    game = started(countdown(FOUR_WEEKS))
    game.ok(DAY, Pause())
    game.ok(5 * DAY, Resume())

    assert game.ok(FOUR_WEEKS + DAY).status is Status.RUNNING
    assert game.ok(40 * DAY).completed_at == at(32 * DAY)


def test_overtime_that_begins_after_28_days_ends_at_once() -> None:
    """A session that loses its deadline beyond the maximum age ends at that instant."""
    game = started(countdown(FOUR_WEEKS, on_expire=OnExpire.NOTIFY))
    game.ok(DAY, Pause())
    game.ok(5 * DAY, Resume())

    session = game.ok(40 * DAY)

    assert game.types()[4:] == [EventType.OVERTIME_STARTED, CANCELLED]
    assert [stamps(event)[0] for event in game.events[4:]] == [32 * DAY] * 2
    assert session.completed_at == at(32 * DAY)


def test_lifetimes_are_settings() -> None:
    """Idleness, age and retention follow the deployment's settings."""
    lifetimes = Lifetimes(idle_ms=1_000, max_age_ms=5_000, terminal_ms=100)
    idle, old = Game(stopwatch(), lifetimes), started(stopwatch(), lifetimes)

    assert idle.ok(9_000).completed_at == at(1_000)
    assert old.ok(9_000).completed_at == at(5_000)
    assert [is_removable(idle.session, at(ms), lifetimes) for ms in (1_099, 1_100)] == [False, True]


@pytest.mark.parametrize("verb", [Complete(), Cancel(), None], ids=["completed", "cancelled", "expired"])
def test_an_ended_session_can_be_read_for_an_hour(verb: Complete | Cancel | None) -> None:
    """An hour after its end, to the millisecond, a terminal session may be removed; reads do not extend that."""
    game = started(countdown(60_000))
    game.ok(60_000 if verb is None else 59_000, *([verb] if verb else []))
    ended = 60_000 if verb is None else 59_000

    game.ok(ended + 3_000_000)

    assert not is_removable(game.session, at(ended + 3_599_999), game.lifetimes)
    assert is_removable(game.session, at(ended + 3_600_000), game.lifetimes)


def test_the_hour_counts_from_when_the_end_was_due() -> None:
    """An expiry noticed two hours late is removable at once: it has been over for that long."""
    game = started(countdown(60_000))

    session = game.ok(60_000 + 7_200_000)

    assert session.status is Status.EXPIRED
    assert is_removable(session, at(60_000 + 7_200_000), game.lifetimes)


@pytest.mark.parametrize("ms", [0, WEEK, 100 * DAY])
def test_a_session_that_has_not_ended_is_never_removed(ms: int) -> None:
    """A session vanishes only after an end that has its event."""
    running, pending = started(stopwatch()), Game(stopwatch())

    assert not is_removable(running.session, at(ms), running.lifetimes)
    assert not is_removable(pending.session, at(ms), pending.lifetimes)


@pytest.mark.parametrize("spec", one_of_each().values(), ids=lambda spec: spec.mode.name)
def test_every_session_that_lives_has_a_boundary(spec: SessionSpec) -> None:
    """Pending, running, paused, ended: something will happen to it; deleted: nothing will."""
    game = Game(spec)
    boundaries = [next_boundary(game.session, game.lifetimes)]

    commands: list[Command] = [Start(), Switch(), Pause(), Complete()]
    for second, command in enumerate(commands, start=1):
        boundaries.append(next_boundary(game.ok(1_000 * second, command), game.lifetimes))

    assert None not in boundaries
    assert next_boundary(game.ok(5_000, Delete()), game.lifetimes) is None


def test_reading_an_ended_session_changes_nothing() -> None:
    """However late, a terminal session stays as it ended until it is removed."""
    game = started(countdown(60_000, ANN, BOB))
    ended = game.ok(60_000)

    outcome = game.decide(100 * DAY)

    assert (outcome.events, outcome.session) == ([], ended)


def test_a_deadline_at_28_days_comes_before_the_age() -> None:
    """A session whose deadline falls on that very instant completes and is not cancelled."""
    game = started(per_cycle(FOUR_WEEKS, max_cycles=1))

    session = game.ok(FOUR_WEEKS)

    assert (session.status, session.completed_at) == (Status.COMPLETED, at(FOUR_WEEKS))
