"""Sessions without an end of their own: idle time, and how long an ended session can be read."""

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


def test_any_call_extends_a_read_does_not() -> None:
    """The week counts from the last call; looking at the session is none in this sense."""
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
def test_a_running_session_without_an_end_of_its_own_is_cancelled_when_nobody_calls(
    spec: SessionSpec, before: list[EventType]
) -> None:
    """Running without a deadline, or from cycle to cycle: cancelled 28 days after the last call."""
    game = Game(spec, created_ms=-3 * DAY)
    game.ok(0, Start())
    assert game.ok(FOUR_WEEKS - 1).status is Status.RUNNING

    session = game.ok(FOUR_WEEKS + 9)

    assert game.types()[2:] == [*before, CANCELLED]
    assert (game.events[-1].cause, stamps(game.events[-1])) == (Cause.IDLE, (FOUR_WEEKS, FOUR_WEEKS + 9))
    assert (session.status, session.completed_at) == (Status.CANCELLED, at(FOUR_WEEKS))


def test_a_deadline_is_end_enough() -> None:
    """A session that will end by its own clock is left alone, however long that takes."""
    game = started(countdown(FOUR_WEEKS))
    game.ok(DAY, Pause())
    game.ok(5 * DAY, Resume())

    assert game.ok(FOUR_WEEKS + DAY).status is Status.RUNNING
    assert game.ok(40 * DAY).completed_at == at(32 * DAY)


def test_overtime_that_begins_after_the_idle_time_ends_at_once() -> None:
    """A session that nobody has called for that long when it loses its deadline ends at that instant."""
    game = started(countdown(2 * DAY, on_expire=OnExpire.NOTIFY, idle_ttl_ms=DAY))

    session = game.ok(5 * DAY)

    assert game.types()[2:] == [EventType.OVERTIME_STARTED, CANCELLED]
    assert [stamps(event)[0] for event in game.events[2:]] == [2 * DAY] * 2
    assert session.completed_at == at(2 * DAY)


def test_a_chain_with_a_last_cycle_is_never_idle() -> None:
    """Ten weeks from cycle to cycle: it completes with the last one, though nobody has called since the start."""
    game = started(per_cycle(WEEK, max_cycles=10))

    session = game.ok(80 * DAY)

    assert game.types()[2:] == [EventType.CYCLE_SWITCHED] * 9 + [EventType.SESSION_COMPLETED]
    assert (session.status, session.completed_at) == (Status.COMPLETED, at(10 * WEEK))


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(stopwatch(0, ANN, BOB), id="stopwatch"),
        pytest.param(per_cycle(DAY, ANN, BOB), id="advancing"),
        pytest.param(countdown(DAY, ANN, BOB, on_expire=OnExpire.NOTIFY), id="overtime"),
        pytest.param(per_participant(DAY, DAY, on_expire=OnExpire.NOTIFY), id="bank overtime"),
        pytest.param(per_cycle(FOUR_WEEKS, ANN, BOB, max_cycles=1_000), id="counted"),
    ],
)
def test_a_session_in_use_is_never_cancelled(spec: SessionSpec) -> None:
    """A move every three weeks, for half a year."""
    game = started(spec)

    for turn in range(1, 9):
        game.ok(turn * 21 * DAY, Update(labels=(("turn", str(turn)),)))

    assert game.session.status is Status.RUNNING


def test_a_reply_never_says_ok_with_what_the_call_made_impossible() -> None:
    """A stopwatch paused early, kept alive by updates and resumed on day 30 runs."""
    game = started(stopwatch(0, ANN))
    game.ok(1_000, Pause())
    for day in range(6, 30, 6):
        game.ok(day * DAY, Update(labels=(("day", str(day)),)))

    session = game.ok(30 * DAY, Resume())

    assert (session.status, game.types()[-1]) == (Status.RUNNING, EventType.SESSION_RESUMED)
    assert game.ok(58 * DAY - 1).status is Status.RUNNING
    assert game.ok(58 * DAY).completed_at == at(58 * DAY)


@pytest.mark.parametrize("commands", [(), (Start(),), (Start(), Pause())], ids=["pending", "running", "paused"])
def test_a_session_may_have_an_idle_time_of_its_own(commands: tuple[Command, ...]) -> None:
    """In every state in which it can be idle, instead of the deployment's."""
    game = Game(stopwatch(idle_ttl_ms=90_000))
    game.ok(1_000, *commands)
    called = 1_000 if commands else 0

    assert not game.ok(called + 89_999).is_terminal
    session = game.ok(called + 90_000)

    assert (session.status, game.events[-1].cause) == (Status.CANCELLED, Cause.IDLE)
    assert session.completed_at == at(called + 90_000)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(per_cycle(DAY, max_cycles=9), id="chain with a last cycle"),
        pytest.param(per_participant(DAY, 3 * DAY, 3 * DAY, on_expire=OnExpire.ELIMINATE), id="elimination"),
    ],
)
def test_no_call_is_kept_where_a_clock_brings_the_end(spec: SessionSpec) -> None:
    """Such sessions need no fact that a server of the version before cannot read, and stay as it writes them."""
    game = started(spec)
    session = game.ok(DAY + 5)

    assert (session.updated_at, session.status) == (at(DAY), Status.RUNNING)
    assert session.called_at is None


def test_lifetimes_are_settings() -> None:
    """Idle times and retention follow the deployment's settings."""
    lifetimes = Lifetimes(idle_ms=1_000, running_idle_ms=5_000, terminal_ms=100)
    idle, old = Game(stopwatch(), lifetimes), started(stopwatch(), lifetimes)

    assert idle.ok(9_000).completed_at == at(1_000)
    assert old.ok(9_000).completed_at == at(5_000)
    assert [is_removable(idle.session, at(ms), lifetimes) for ms in (9_099, 9_100)] == [False, True]


@pytest.mark.parametrize("verb", [Complete(), Cancel(), None], ids=["completed", "cancelled", "expired"])
def test_an_ended_session_can_be_read_for_an_hour(verb: Complete | Cancel | None) -> None:
    """An hour after its end, to the millisecond, a terminal session may be removed; reads do not extend that."""
    game = started(countdown(60_000))
    game.ok(60_000 if verb is None else 59_000, *([verb] if verb else []))
    ended = 60_000 if verb is None else 59_000

    game.ok(ended + 3_000_000)

    assert not is_removable(game.session, at(ended + 3_599_999), game.lifetimes)
    assert is_removable(game.session, at(ended + 3_600_000), game.lifetimes)


def test_the_hour_counts_from_when_the_end_was_stored() -> None:
    """An expiry noticed two hours late has been over for that long, and is readable for an hour from now."""
    game = started(countdown(60_000))
    noticed = 60_000 + 7_200_000

    session = game.ok(noticed)

    assert (session.status, session.completed_at) == (Status.EXPIRED, at(60_000))
    assert not is_removable(session, at(noticed + 3_599_999), game.lifetimes)
    assert is_removable(session, at(noticed + 3_600_000), game.lifetimes)


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


def test_a_deadline_at_28_days_is_no_idle_time() -> None:
    """A session whose deadline falls on that very instant completes and is not cancelled."""
    game = started(per_cycle(FOUR_WEEKS, max_cycles=1))

    session = game.ok(FOUR_WEEKS)

    assert (session.status, session.completed_at) == (Status.COMPLETED, at(FOUR_WEEKS))
