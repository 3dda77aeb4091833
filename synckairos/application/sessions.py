"""The unary use cases: read sessions as of now, and change them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID, uuid5

from synckairos.application.errors import CatchingUp, SessionTooLarge
from synckairos.application.ports import NewId, Plan, Reading, Request, SessionStore
from synckairos.domain import creation, timing, transitions
from synckairos.domain.commands import AddParticipant, Caller, Command, Create, Delete, Update
from synckairos.domain.errors import (
    FieldViolation,
    InvalidField,
    Refusal,
    RequestIdReused,
    SessionAlreadyExists,
    SessionNotFound,
)
from synckairos.domain.events import SYSTEM
from synckairos.domain.model import Session
from synckairos.domain.settlement import is_removable
from synckairos.domain.timing import BoundaryKind, Lifetimes
from synckairos.domain.transitions import Before, Outcome

MAX_BEHIND: Final = 1_000
"""Boundaries a caller may have settled on its own time; beyond that the sweep does it."""
READ_BUDGET_S: Final = 5.0
SESSION_OF_REQUEST: Final = UUID("6f1c1c0e-9d0c-5a57-8a43-0d6f6f1d5a10")
"""Namespace of the session ids made from request ids, so that a retried create cannot make a second session."""


class View(NamedTuple):
    """A stored session and the instant (ms) it is to be seen at."""

    session: Session
    now: int


class Answer(NamedTuple):
    """What a mutation answers; no session if a missing one was deleted with allow_missing."""

    session: Session | None
    now: int
    replayed: bool = False


@dataclass(slots=True)
class _Change:
    """One call's decision, re-run on every attempt; holds what the last attempt came to."""

    session_id: str
    command: Command | Create
    caller: Caller
    request: Request
    new_change_id: NewId
    lifetimes: Lifetimes
    before: Before | None = None
    outcome: Outcome | None = None
    refusal: Exception | None = None
    replayed: Reading | None = None

    def __call__(self, reading: Reading) -> Plan:
        self.outcome, self.refusal, self.replayed = None, None, None
        if reading.remembered is not None:
            self.replayed = reading
            return Plan()
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
    """Raise CatchingUp if more is due than a caller should wait for."""
    behind = timing.boundaries_behind(session, now, lifetimes)
    if behind > MAX_BEHIND:
        raise CatchingUp(f"session {session.session_id} is {behind} boundaries behind", session_id=session.session_id)


class Sessions:
    """Reads and changes sessions; every instant is the store's."""

    def __init__(self, store: SessionStore, lifetimes: Lifetimes, new_change_id: NewId, new_session_id: NewId) -> None:
        self._store = store
        self._lifetimes = lifetimes
        self._new_change_id = new_change_id
        self._new_session_id = new_session_id

    async def get(self, session_id: str) -> View:
        """Return a session as of now, what is due settled and stored first.

        Raises SessionNotFound, CatchingUp, StoreUnavailable.
        """
        (view,) = await self.get_many([session_id])
        if view is None:
            raise SessionNotFound(session_id)
        return view

    async def get_many(self, session_ids: Sequence[str]) -> list[View | None]:
        """Return sessions as of now in the order asked, None for those that do not exist.

        Raises CatchingUp, StoreUnavailable.
        """
        readings = await self._store.read(session_ids)
        return [await self._view(sid, reading) for sid, reading in zip(session_ids, readings, strict=True)]

    async def now(self) -> int:
        """Return the authority's time in ms; raises StoreUnavailable."""
        return await self._store.now_us() // 1_000

    async def _view(self, session_id: str, reading: Reading) -> View | None:
        session = reading.session
        if session is None or session.deleted:
            return None
        now = max(reading.now_us // 1_000, session.updated_at)
        boundary = timing.next_boundary(session, self._lifetimes)
        if boundary is None or boundary.at > now or boundary.kind is BoundaryKind.REMOVAL:
            return View(session, now)
        refuse_if_far_behind(session, now, self._lifetimes)
        return await self._settle(session_id)

    async def _settle(self, session_id: str) -> View | None:
        settlement = Settlement(session_id, self._lifetimes, self._new_change_id)
        await settlement.run(self._store, time.monotonic() + READ_BUDGET_S)
        outcome = settlement.outcome
        return View(outcome.session, outcome.now) if outcome is not None else None

    def session_id_for(self, request_id: str) -> str:
        """Return the id of a session created without one: the same for the same request_id."""
        return str(uuid5(SESSION_OF_REQUEST, request_id)) if request_id else self._new_session_id()

    async def create(self, session_id: str, command: Create, caller: Caller, request: Request, until: float) -> Answer:
        """Create a session; raises InvalidField, SessionAlreadyExists, RequestIdReused and what the store raises."""
        return await self._run(session_id, command, caller, request, until)

    async def change(self, session_id: str, command: Command, caller: Caller, request: Request, until: float) -> Answer:
        """Apply a command to a session, by `until` (monotonic seconds).

        Raises the Refusals of the domain, RequestIdReused, CatchingUp and what the store raises.
        """
        return await self._run(session_id, command, caller, request, until)

    async def delete(
        self, session_id: str, caller: Caller, request: Request, until: float, *, allow_missing: bool
    ) -> Answer:
        """Delete a session; with `allow_missing` answers without one if there is none. Raises as `change`."""
        try:
            return await self._run(session_id, Delete(), caller, request, until)
        except SessionNotFound:
            if not allow_missing:
                raise
            return Answer(None, await self.now())

    async def _run(
        self, session_id: str, command: Command | Create, caller: Caller, request: Request, until: float
    ) -> Answer:
        change = _Change(session_id, command, caller, request, self._new_change_id, self._lifetimes)
        while True:
            try:
                await self._store.transact(session_id, request, change, until)
            except SessionTooLarge as error:
                raise InvalidField([FieldViolation(_growing_field(command), str(error))]) from error
            if change.replayed is not None:
                return await self._replay(session_id, request, change.replayed)
            if change.refusal is not None:
                raise change.refusal
            assert change.outcome is not None  # noqa: S101 - neither replayed nor refused
            if change.outcome.unfinished is None:
                return Answer(change.outcome.session, change.outcome.now)
            change.before = change.outcome.unfinished

    async def _replay(self, session_id: str, request: Request, reading: Reading) -> Answer:
        """Answer a retry with the session at the version the first call led to, while that is retained."""
        assert reading.remembered is not None  # noqa: S101 - that is what makes it a replay
        if reading.remembered.fingerprint != request.fingerprint:
            raise RequestIdReused(request.request_id)
        event = await self._store.event_at(session_id, reading.remembered.version)
        if event is not None:
            return Answer(event.session, event.session.updated_at, replayed=True)
        session = reading.session
        now = reading.now_us // 1_000
        return Answer(session, max(now, session.updated_at) if session else now, replayed=True)


def _growing_field(command: Command | Create) -> str:
    match command:
        case AddParticipant():
            return "participant"
        case Update(metadata=metadata):
            return "labels" if metadata is None else "metadata"
        case _:
            return "participants"


@dataclass(slots=True)
class Settlement:
    """What is due for one session, applied and stored; the sweep's work and every read's."""

    session_id: str
    lifetimes: Lifetimes
    new_change_id: NewId
    outcome: Outcome | None = None
    is_missing: bool = False
    on_events: Callable[[Outcome], None] | None = None

    def __call__(self, reading: Reading) -> Plan:
        session = reading.session
        self.outcome, self.is_missing = None, session is None
        if session is None or session.deleted:
            return Plan()
        now = max(reading.now_us // 1_000, session.updated_at)
        if is_removable(session, now, self.lifetimes):
            self.outcome = Outcome(session, now)
            return Plan(remove=True)
        self.outcome = transitions.decide(session, None, Caller(SYSTEM), now, self.new_change_id, self.lifetimes)
        return Plan(self.outcome.events)

    async def run(self, store: SessionStore, until: float) -> None:
        """Settle until nothing is due any more; raises what the store raises."""
        while True:
            await store.transact(self.session_id, Request(), self, until)
            if self.outcome is not None and self.outcome.events and self.on_events is not None:
                self.on_events(self.outcome)
            if self.outcome is None or self.outcome.unfinished is None:
                return
