"""One call's change of a session, decided anew on every attempt of its transaction."""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from synckairos.application.errors import CatchingUp
from synckairos.application.ports import Decision, NewId, Reading
from synckairos.domain import creation, overdue, transitions
from synckairos.domain.commands import AddParticipant, Caller, Command, Create, Update
from synckairos.domain.errors import SessionAlreadyExists, SessionNotFound
from synckairos.domain.model import OnExpire, Session
from synckairos.domain.timing import Lifetimes
from synckairos.domain.transitions import Before, Outcome

MAX_BEHIND: Final = 1_000
"""Boundaries a caller may have settled on its own time; beyond that the sweep does it."""


class Replay(NamedTuple):
    """The request has been answered before, as the reading says."""

    reading: Reading


class Missing(NamedTuple):
    """There is no session, which the call allows; `at` is the instant (ms)."""

    at: int


ChangeResult: TypeAlias = Outcome | Replay | Missing


class Change(NamedTuple):
    """The decision of one call; `before` is where an unfinished settlement of the same call began."""

    session_id: str
    command: Command | Create
    caller: Caller
    new_change_id: NewId
    lifetimes: Lifetimes
    allow_missing: bool = False
    before: Before | None = None
    allow: Callable[[str, Reading], None] | None = None
    """Given the session's id, raises if the call asks for more than it may: a retry of what has been done does not."""

    def decide(self, reading: Reading) -> Decision[ChangeResult]:
        """Decide from what the store holds; raises the Refusals of the domain, and CatchingUp."""
        if reading.remembered is not None:
            return Decision(Replay(reading), again=True)
        if self.allow is not None:
            self.allow(self.session_id, reading)
        if self.allow_missing and (reading.session is None or reading.session.deleted):
            # Remembered like any other answer: the retry of a delete must not meet a session created in between.
            return Decision(Missing(reading.now_us // 1_000), answers=True)
        if isinstance(self.command, Create):
            return self._create(reading, self.command)
        return self._apply(reading, self.command)

    def _create(self, reading: Reading, command: Create) -> Decision[ChangeResult]:
        if reading.session is not None:
            raise SessionAlreadyExists(self.session_id)
        event = creation.create(self.session_id, command.spec, self.caller, reading.now_us, self.new_change_id)
        return Decision(Outcome(event.session, event.session.updated_at, [event]), [event], answers=True)

    def _apply(self, reading: Reading, command: Command) -> Decision[ChangeResult]:
        session, now = reading.session, reading.now_us // 1_000
        if session is None or session.deleted:
            raise SessionNotFound(self.session_id)
        if self.before is None:
            refuse_if_far_behind(session, now, self.lifetimes)
        outcome = transitions.decide(
            session, command, self.caller, now, self.new_change_id, self.lifetimes, self.before
        )
        answers = outcome.refusal is None and outcome.unfinished is None
        return Decision(outcome, outcome.events, answers=answers)


def refuse_if_far_behind(session: Session, now: int, lifetimes: Lifetimes) -> None:
    """Raise CatchingUp if more is due than a caller should wait for.

    Only a chain of cycles can be: anything else has at most a boundary for every holder, of which there are no more.
    """
    if session.rules.on_expire is not OnExpire.ADVANCE:
        return
    behind = overdue.boundaries_behind(session, now, lifetimes)
    if behind > MAX_BEHIND:
        raise CatchingUp(f"session {session.session_id} is {behind} boundaries behind", session_id=session.session_id)


def growing_field(command: Command | Create) -> str:
    """Return the field of a request that makes its session grow."""
    match command:
        case AddParticipant():
            return "participant"
        case Update(metadata=metadata):
            return "labels" if metadata is None else "metadata"
        case _:
            return "participants"
