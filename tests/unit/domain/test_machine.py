"""The domain under random play: nothing is lost, nothing is counted twice, and looking changes nothing."""

from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test
from hypothesis.strategies import DataObject

from synckairos.domain import timing
from synckairos.domain.commands import Caller, Command
from synckairos.domain.creation import create
from synckairos.domain.events import Author, Cause, Event
from synckairos.domain.model import Mode, Session
from synckairos.domain.specification import SessionSpec
from synckairos.domain.timing import Lifetimes
from synckairos.domain.transitions import Outcome, decide
from testing.harness.builders import ORIGIN, SESSION_ID, change_ids
from testing.harness.playing import session_drawing as drawing
from tests.unit.domain.session_machine import NOBODY, Host, Reply, SessionMachine, is_live

LONG: Final = "laws"
GAMES: Final = 40
PLAY: Final = settings(stateful_step_count=40, derandomize=True, database=None)
"""The same games on every machine, with nothing remembered between runs."""


def plays(games: int = GAMES) -> settings:
    """Return how much is played: so many games, or as many as the long profile asks for."""
    return settings(PLAY, max_examples=1_000 if settings.get_current_profile_name() == LONG else games)


def decide_fully(
    session: Session, command: Command | None, caller: Caller, now: int, ids: Iterator[str], lifetimes: Lifetimes
) -> Outcome:
    """Decide as often as it takes to catch up; the outcome has all of the events."""
    events, before = list[Event](), None
    while True:
        outcome = decide(session, command, caller, now, ids.__next__, lifetimes, before)
        assert len(outcome.events) <= 102, "more than a transaction may hold"
        events += outcome.events
        if outcome.unfinished is None:
            return Outcome(outcome.session, outcome.now, events, outcome.refusal)
        session, before = outcome.session, outcome.unfinished


def nameless(session: Session) -> Session:
    """Return the session without its random id, and without what tells when its end was noticed."""
    return session._replace(change_id="", ended_at=None)


def unnoticed(events: list[Event]) -> list[Event]:
    """Return the events without what tells who noticed them when."""
    return [event._replace(fired_at=None, session=nameless(event.session)) for event in events]


class PureHost:
    """Keeps a session in a variable and time in another."""

    def __init__(self) -> None:
        self.lifetimes = Lifetimes()
        self.now = ORIGIN
        self.ids = change_ids()
        self.session: Session

    def advance(self, ms: int) -> None:
        """Set the clock forward, or a little back."""
        self.now += ms

    def create(self, spec: SessionSpec) -> Event:
        """Make the session."""
        event = create(SESSION_ID, spec, Caller(Author("player")), self.now * 1_000, self.ids.__next__)
        self.session = event.session
        return event

    def execute(self, command: Command | None, caller: Caller) -> Reply:
        """Decide and commit."""
        outcome = decide_fully(self.session, command, caller, self.now, self.ids, self.lifetimes)
        self.session = outcome.session
        return Reply(outcome.session, outcome.now, outcome.events, outcome.refusal)


class DomainMachine(SessionMachine):
    """The machine on the pure domain, which can also be asked what it would do, without doing it."""

    def make_host(self) -> Host:
        """Keep the session in memory."""
        return PureHost()

    def would(self, session: Session, now: int, command: Command | None = None, caller: Caller = NOBODY) -> Outcome:
        """Decide without committing."""
        return decide_fully(session, command, caller, now, change_ids(), self.host.lifetimes)

    @precondition(lambda self: is_live(self.audit.session))
    @rule(data=st.data())
    def look_in_between(self, data: DataObject) -> None:
        """Looking at any number of instants leads to what one look at the last of them does."""
        start, session, seen = self.host.now, self.audit.session, list[Event]()
        jump = max(0, data.draw(drawing.jumps(session, start, self.host.lifetimes), "ms"))
        looks = data.draw(st.lists(st.integers(start, start + jump), max_size=4), "looks")

        for instant in (*sorted(looks), start + jump):
            outcome = self.would(session, instant)
            session, seen = outcome.session, seen + outcome.events
        at_once = self.would(self.audit.session, start + jump)

        assert nameless(session) == nameless(at_once.session)
        assert unnoticed(seen) == unnoticed(at_once.events)

    @precondition(lambda self: is_live(self.audit.session))
    @rule(data=st.data())
    def be_refused(self, data: DataObject) -> None:
        """A refusal leaves exactly the session that looking would have left."""
        now = self.host.now + data.draw(drawing.jumps(self.audit.session, self.host.now, self.host.lifetimes), "ms")
        command = data.draw(self.commands(), "command")
        caller = data.draw(drawing.callers(self.audit.session), "caller")

        called, looked = (
            self.would(self.audit.session, now, command, caller),
            self.would(self.audit.session, now),
        )

        if called.refusal:
            assert (called.session, called.events) == (looked.session, looked.events)
        else:
            assert called.session.version > looked.session.version

    @invariant()
    def deadlines_are_kept(self) -> None:
        """A millisecond before the deadline nothing has run out, at the deadline something has."""
        session = self.audit.session
        deadline = timing.deadline_at(session)
        if deadline is None or session.deleted:
            return

        early, on_time = self.would(session, deadline - 1), self.would(session, deadline)

        assert Cause.DEADLINE not in {event.cause for event in early.events}
        assert on_time.events
        first = on_time.events[0]
        assert first.cause is Cause.DEADLINE or (first.cause is Cause.IDLE and first.session.updated_at <= deadline)
        assert first.session.updated_at == deadline or first.cause is Cause.IDLE


@pytest.mark.random_play
@pytest.mark.timeout(600)  # a failure takes a while to be shrunk to the shortest game
@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.name)
def test_random_play(mode: Mode) -> None:
    """Whatever is asked whenever: the books balance, versions follow one another, expiries come when due."""
    machine = type(f"{mode.name}Machine", (DomainMachine,), {"mode": mode})

    run_state_machine_as_test(machine, settings=plays())
