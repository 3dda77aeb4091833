"""Hypothesis at the controls of a session: random commands at random times, every version audited.

`make_host` gives `SessionMachine` the keeper of the session, the pure domain or a store; it drives and checks both
through the same four methods.
"""

from typing import NamedTuple, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from hypothesis.strategies import DataObject, SearchStrategy

from synckairos.domain import timing, turns
from synckairos.domain.commands import Caller, Command
from synckairos.domain.errors import Refusal
from synckairos.domain.events import SYSTEM, Cause, Event, EventType
from synckairos.domain.model import BANK_MODES, Mode, Session, Status
from synckairos.domain.specification import SessionSpec
from synckairos.domain.timing import Lifetimes
from testing.harness.playing import session_drawing as drawing
from testing.harness.playing.session_books import Books

NOBODY = Caller(SYSTEM)


class Reply(NamedTuple):
    """The outcome of a call: the session after it, the instant that judged it, and the versions it committed."""

    session: Session
    now: int
    events: list[Event]
    refusal: Refusal | None = None


class Host(Protocol):
    """Keeps one session."""

    lifetimes: Lifetimes

    @property
    def now(self) -> int:
        """The present instant."""
        ...

    def advance(self, ms: int) -> None:
        """Let time go on; a little back if negative."""
        ...

    def create(self, spec: SessionSpec) -> Event:
        """Make the session; return its first event."""
        ...

    def execute(self, command: Command | None, caller: Caller) -> Reply:
        """Ask for a change, or with None just look."""
        ...


class Accounting(Protocol):
    """Checks the clocks of a session by an arithmetic of its own."""

    def post(self, event: Event, command: Command | None) -> None:
        """Enter a committed event."""
        ...

    def check(self, now: int) -> None:
        """Compare every clock as it looks at `now`."""
        ...


class Audit:
    """Checks everything that must hold for the events of a session, for any calls at any times."""

    def __init__(self, created: Event, books: Accounting) -> None:
        assert (created.type, created.session.version) == (EventType.SESSION_CREATED, 1)
        self.session = created.session
        self.books = books
        self.change_ids = {created.session.change_id}

    def add(self, reply: Reply, command: Command | None) -> None:
        """Check a call's versions, and the session it left behind."""
        self._check_authors(reply, command)
        for event in reply.events:
            self._check_succession(event, reply.now)
            self.books.post(event, command)
            check_shape(event.session)
            self.session = event.session
        assert reply.session == self.session, "the reply is not the last version"
        assert reply.now >= self.session.updated_at
        self.books.check(reply.now)

    def _check_authors(self, reply: Reply, command: Command | None) -> None:
        called = [event for event in reply.events if event.cause is Cause.CALL]
        if command is None or reply.refusal:
            assert not called, "a call that was refused, or none, changed something"
        else:
            assert called, "a call that succeeded left no version"
        for event in reply.events:
            assert (event.author == SYSTEM) == (event.cause is not Cause.CALL)

    def _check_succession(self, event: Event, now: int) -> None:
        before, after = self.session, event.session
        assert not before.deleted, "something happened after the deletion"
        assert after.version == before.version + 1
        assert after.change_id not in self.change_ids
        assert before.updated_at <= after.updated_at <= now
        assert (event.fired_at is None) == (event.cause is Cause.CALL)
        assert event.fired_at is None or event.fired_at >= after.updated_at
        assert (after.session_id, after.epoch, after.rules) == (before.session_id, before.epoch, before.rules)
        assert after.cycle_number >= before.cycle_number
        self.change_ids.add(after.change_id)


def check_shape(session: Session) -> None:
    """Check the invariants of a single stored session."""
    assert (session.resumed_at is not None) == (session.status is Status.RUNNING)
    assert (session.paused_at is not None) == (session.status is Status.PAUSED)
    assert (session.completed_at is not None) == session.is_terminal
    if session.is_terminal or session.status is Status.PENDING:
        assert session.active is None
        assert timing.deadline_at(session) == (None if session.is_terminal else session.rules.close_at)
    elif session.rules.mode in BANK_MODES:
        assert session.active_participant is not None
        assert not turns.is_out(session, session.active_participant)
    if session.winner_participant_id or session.winner_group_id:
        assert session.status in {Status.COMPLETED, Status.EXPIRED}
    indexes = [one.participant_index for one in session.participants]
    assert indexes == sorted(set(indexes))
    assert len({one.participant_id for one in session.participants}) == len(indexes)


def is_live(session: Session) -> bool:
    """Whether something can still become of the session."""
    return not (session.is_terminal or session.deleted)


class SessionMachine(RuleBasedStateMachine):
    """Plays sessions of one mode; a new one begins when one has ended."""

    mode: Mode
    host: Host
    audit: Audit

    def make_host(self) -> Host:
        """Return a host without a session."""
        raise NotImplementedError  # not an abstract method: Hypothesis' machines have a metaclass of their own

    def specs(self) -> SearchStrategy[SessionSpec]:
        """Draw a description of a session."""
        return drawing.specs(self.mode)

    def commands(self) -> SearchStrategy[Command]:
        """Draw a command for the session."""
        return drawing.commands(self.audit.session)

    def make_books(self, created: Session) -> Accounting:
        """Return the books of a new session."""
        return Books(created)

    @initialize(data=st.data())
    def begin(self, data: DataObject) -> None:
        """Create a session."""
        self.host = self.make_host()
        created = self.host.create(data.draw(self.specs(), "spec"))
        self.audit = Audit(created, self.make_books(created.session))

    @precondition(lambda self: not is_live(self.audit.session))
    @rule(data=st.data())
    def begin_again(self, data: DataObject) -> None:
        """Leave the ended session and create another one."""
        self.begin(data)

    @precondition(lambda self: not self.audit.session.deleted)
    @rule(data=st.data())
    def ask(self, data: DataObject) -> None:
        """Let some time pass and give a command."""
        self.pass_time(data)
        command = data.draw(self.commands(), "command")
        caller = data.draw(drawing.callers(self.audit.session), "caller")
        self.audit.add(self.host.execute(command, caller), command)

    @precondition(lambda self: is_live(self.audit.session))
    @rule(data=st.data())
    def look(self, data: DataObject) -> None:
        """Let some time pass and look."""
        self.pass_time(data)
        self.audit.add(self.host.execute(None, NOBODY), None)

    def pass_time(self, data: DataObject) -> None:
        """Let a random time pass."""
        jump = drawing.jumps(self.audit.session, self.host.now, self.host.lifetimes)
        self.host.advance(data.draw(jump, "ms"))
