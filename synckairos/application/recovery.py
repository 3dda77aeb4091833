"""Brings lost sessions back into the store, from their last versions in the audit trail.

What the store holds is never overwritten, and what has ended or was deleted is never revived. A session that the
store does not hold may also have ended there, and the event of it may still be on its way to the trail. So the trail
is asked last: after the store, and after the outboxes.
"""

import time
from collections.abc import Sequence
from typing import Final, Protocol

from synckairos.application.changes import MAX_BEHIND
from synckairos.application.errors import AuditUnavailable, ShardUnavailable, StoreUnavailable
from synckairos.application.ports import Decision, NewId, Reading, Receipt, Request, SessionStore
from synckairos.application.sessions import Settlements, View
from synckairos.application.trail.audit import AuditReader
from synckairos.domain import recovery
from synckairos.domain.errors import SessionAlreadyExists, SessionNotFound
from synckairos.domain.events import Author
from synckairos.domain.model import Session
from synckairos.domain.recovery import RecoveryPolicy
from synckairos.domain.settlement import MAX_BOUNDARIES
from synckairos.domain.timing import Lifetimes
from synckairos.domain.transitions import Outcome

COMMIT_BUDGET_S: Final = 10.0
WAITING: Final = "changes of the session have not reached the audit trail yet: try again when they have"


class RecoveryOver(StoreUnavailable):
    """The store is no longer as the recovery found it; another recovery goes on from there."""


class Unwritten(Protocol):
    """Tells which sessions have changes that have not reached the trail, including those that never will."""

    async def among(self, session_ids: Sequence[str]) -> set[str]:
        """Return which of the sessions have such changes, and perhaps others.

        Raises StoreUnavailable, and AuditUnavailable if there are too many changes to look through.
        """

    async def everywhere(self) -> set[str]:
        """Return all sessions that have such changes, however many there are; raises StoreUnavailable."""


class Recovery:
    """Brings single sessions back; every instant is the store's."""

    def __init__(
        self, store: SessionStore, reader: AuditReader, unwritten: Unwritten, lifetimes: Lifetimes, new_change_id: NewId
    ) -> None:
        self._store = store
        self._settlements = Settlements(store, lifetimes, new_change_id)
        self._reader = reader
        self._unwritten = unwritten
        self._lifetimes = lifetimes
        self._new_change_id = new_change_id

    async def recover(
        self,
        session_id: str,
        policy: RecoveryPolicy,
        author: Author,
        request: Request,
        until: float,
        receipt: Receipt | None = None,
    ) -> View:
        """Bring a session back by `until` (monotonic seconds), and settle what has fallen due.

        One that is more boundaries behind than a caller may wait for is answered as of the version it has come to;
        the sweep goes on from there. Raises SessionAlreadyExists if the store holds the session or its tombstone,
        SessionNotFound if the trail has never heard of it or knows it deleted, InvalidStateTransition (verb
        `recover`) if it has ended, AuditUnavailable, and what the store raises. `request` is where the call came
        from; a recovery needs no request_id, for a retry finds the session there.
        """
        last = await self.find(session_id)
        outcome = await self.bring_back(last, policy, author, request, until, receipt)
        for _ in range(MAX_BEHIND // MAX_BOUNDARIES):
            if outcome.unfinished is None:
                return View(outcome.session, outcome.now)
            settled = await self._settlements.step(session_id, until)
            if settled is None:
                raise SessionNotFound(session_id)
            outcome = settled
        return View(outcome.session, outcome.session.updated_at)

    async def find(self, session_id: str) -> Session:
        """Return the last version known of a session that the store has lost; raises as `recover`."""
        (reading,) = await self._store.read([session_id])
        if is_taken(reading):
            raise SessionAlreadyExists(session_id)
        waiting = await self._unwritten.among([session_id])
        (last,) = await self._reader.latest([session_id])
        if session_id in waiting:
            raise AuditUnavailable(WAITING, session_id=session_id)
        if last is None:
            raise SessionNotFound(session_id)
        recovery.refuse_the_ended(last)
        return last

    async def bring_back(
        self,
        last: Session,
        policy: RecoveryPolicy,
        author: Author,
        request: Request,
        until: float,
        receipt: Receipt | None = None,
    ) -> Outcome:
        """Store the session's next life in one transaction; raises as `recover`."""

        def decide(reading: Reading) -> Decision[Outcome]:
            if reading.session is not None:
                raise SessionAlreadyExists(last.session_id)
            outcome = recovery.recover(last, policy, author, reading.now_us, self._new_change_id, self._lifetimes)
            return Decision(outcome, outcome.events, answers=True)

        return await self._store.transact(last.session_id, request, decide, until, receipt=receipt)

    async def missing(self, sessions: Sequence[Session]) -> list[Session]:
        """Return the sessions that the store does not hold; raises StoreUnavailable."""
        readings = await self._store.read([session.session_id for session in sessions])
        return [session for session, reading in zip(sessions, readings, strict=True) if not is_taken(reading)]


def is_taken(reading: Reading) -> bool:
    """Whether the id is taken: by a session, a tombstone, or a value that only a newer version can read.

    Raises ShardUnavailable where nobody can tell.
    """
    if isinstance(reading.problem, ShardUnavailable):
        raise reading.problem
    return reading.session is not None or reading.problem is not None


def soon() -> float:
    """Return the deadline (monotonic seconds) of a commit for which no caller waits."""
    return time.monotonic() + COMMIT_BUDGET_S
