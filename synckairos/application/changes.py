"""One call's change of a session, decided anew on every attempt of its transaction."""

from dataclasses import dataclass
from typing import Final

from synckairos.application.errors import CatchingUp
from synckairos.application.ports import NewId, Plan, Reading, Request
from synckairos.domain import creation, timing, transitions
from synckairos.domain.commands import AddParticipant, Caller, Command, Create, Update
from synckairos.domain.errors import Refusal, SessionAlreadyExists, SessionNotFound
from synckairos.domain.model import OnExpire, Session
from synckairos.domain.timing import Lifetimes
from synckairos.domain.transitions import Before, Outcome

MAX_BEHIND: Final = 1_000
"""Boundaries a caller may have settled on its own time; beyond that the sweep does it."""


@dataclass(slots=True)
class Change:
    """One call's decision, re-run on every attempt; holds what the last attempt came to.

    `missing_at` is when (ms) a call that may miss its session missed it.
    """

    session_id: str
    command: Command | Create
    caller: Caller
    request: Request
    new_change_id: NewId
    lifetimes: Lifetimes
    allow_missing: bool = False
    before: Before | None = None
    outcome: Outcome | None = None
    refusal: Exception | None = None
    replayed: Reading | None = None
    missing_at: int | None = None

    def __call__(self, reading: Reading) -> Plan:
        self.outcome = self.refusal = self.replayed = self.missing_at = None
        if reading.remembered is not None:
            self.replayed = reading
            return Plan()
        if self.allow_missing and (reading.session is None or reading.session.deleted):
            # Remembered like any other answer: the retry of a delete must not meet a session created in between.
            self.missing_at = reading.now_us // 1_000
            return Plan(answers=True)
        try:
            return self._create(reading) if isinstance(self.command, Create) else self._apply(reading, self.command)
        except (Refusal, CatchingUp) as refusal:
            self.refusal = refusal
            return Plan()

    def _create(self, reading: Reading) -> Plan:
        if reading.session is not None:
            raise SessionAlreadyExists(self.session_id)
        assert isinstance(self.command, Create)  # noqa: S101 - narrows the type, the caller has looked
        event = creation.create(self.session_id, self.command.spec, self.caller, reading.now_us, self.new_change_id)
        self.outcome = Outcome(event.session, event.session.updated_at, [event])
        return Plan([event], answers=True)

    def _apply(self, reading: Reading, command: Command) -> Plan:
        session = existing(self.session_id, reading)
        now = reading.now_us // 1_000
        if self.before is None:
            refuse_if_far_behind(session, now, self.lifetimes)
        outcome = transitions.decide(
            session, command, self.caller, now, self.new_change_id, self.lifetimes, self.before
        )
        self.outcome, self.refusal = outcome, outcome.refusal
        return Plan(outcome.events, answers=outcome.refusal is None and outcome.unfinished is None)


def existing(session_id: str, reading: Reading) -> Session:
    """Return the session read; raises SessionNotFound if there is none, or only its tombstone."""
    if reading.session is None or reading.session.deleted:
        raise SessionNotFound(session_id)
    return reading.session


def refuse_if_far_behind(session: Session, now: int, lifetimes: Lifetimes) -> None:
    """Raise CatchingUp if more is due than a caller should wait for.

    Only a chain of cycles can be: anything else has at most a boundary for every holder, of which there are no more.
    """
    if session.rules.on_expire is not OnExpire.ADVANCE:
        return
    behind = timing.boundaries_behind(session, now, lifetimes)
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
