"""The unary use cases: read sessions as of now, and change them."""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID, uuid5

from synckairos.application.admission.allowances import Allowances
from synckairos.application.changes import Change, ChangeResult, Missing, Replay, growing_field, refuse_if_far_behind
from synckairos.application.errors import OfOneSession, RateLimited, SessionTooLarge, TransientError
from synckairos.application.ports import Decision, NewId, Reading, Receipt, Request, SessionStore
from synckairos.domain import timing, transitions
from synckairos.domain.commands import Caller, Command, Create, Delete, Switch
from synckairos.domain.errors import FieldViolation, InvalidField, RequestIdReused, SessionNotFound
from synckairos.domain.events import SYSTEM
from synckairos.domain.model import Durability, Session
from synckairos.domain.settlement import is_removable
from synckairos.domain.tenancy import DEFAULT_TENANT, name_of, qualify
from synckairos.domain.timing import BoundaryKind, Lifetimes
from synckairos.domain.transitions import Outcome

READ_BUDGET_S: Final = 5.0
SESSION_OF_REQUEST: Final = UUID("6f1c1c0e-9d0c-5a57-8a43-0d6f6f1d5a10")
"""Namespace of the session ids made from request ids, so that a retried create cannot make a second session."""


async def lacks_nothing(_durability: Durability) -> str:
    """Say that every durability can be reached."""
    return ""


class View(NamedTuple):
    """A stored session and the instant (ms) it is to be seen at."""

    session: Session
    now: int


class Gone(NamedTuple):
    """A version of a life that the store holds nothing of any more."""

    session_id: str
    epoch: int
    version: int


class Answer(NamedTuple):
    """The answer of a mutation as of `now` (ms).

    There is no session if a missing one was deleted with allow_missing, and none but what identified it, `gone`, if a
    retry comes after the life it had changed has left the store.
    """

    session: Session | None
    now: int
    replayed: bool = False
    gone: Gone | None = None
    durability: Durability | None = None
    """What was reached; None if nothing was to be changed."""


class Sessions:
    """Reads and changes sessions; every instant is the store's."""

    def __init__(
        self,
        store: SessionStore,
        lifetimes: Lifetimes,
        new_change_id: NewId,
        new_session_id: NewId,
        admit: Callable[[], None] = lambda: None,
        allowances: Allowances | None = None,
        lacks: Callable[[Durability], Awaitable[str]] = lacks_nothing,
    ) -> None:
        """`admit` raises while no session may be changed; without `allowances` tenants have no limits.

        `lacks` says why the store can never reach a durability, nothing if it can; it raises StoreUnavailable.
        """
        self._lacks = lacks
        self._admit = admit
        self._allowances = allowances
        self._store = store
        self._lifetimes = lifetimes
        self._settlements = Settlements(store, lifetimes, new_change_id)
        self._new_change_id = new_change_id
        self._new_session_id = new_session_id

    async def get(self, session_id: str) -> View:
        """Return a session as of now, after settling and storing what is due.

        Raises SessionNotFound, CatchingUp, StoreUnavailable.
        """
        (view,) = await self.look([session_id])
        if view is None:
            raise SessionNotFound(session_id)
        if isinstance(view, Exception):
            raise view
        return view

    async def look(self, session_ids: Sequence[str]) -> list[View | Exception | None]:
        """Return sessions as of now in the order asked, for each why it cannot be had if that is so.

        Raises StoreUnavailable.
        """
        readings = await self._store.read(session_ids)
        return [await self._look(sid, reading) for sid, reading in zip(session_ids, readings, strict=True)]

    async def _look(self, session_id: str, reading: Reading) -> View | Exception | None:
        if reading.problem is not None:
            return reading.problem
        try:
            return await self._view(session_id, reading)
        except Exception as problem:
            if isinstance(problem, TransientError) and not isinstance(problem, OfOneSession):
                raise
            return problem

    async def now(self) -> int:
        """Return the authority's time in ms; raises StoreUnavailable."""
        return await self._store.now_us() // 1_000

    async def _view(self, session_id: str, reading: Reading) -> View | None:
        session = reading.session
        if session is None or session.deleted:
            return None
        now = reading.now_us // 1_000
        boundary = timing.next_boundary(session, self._lifetimes)
        if boundary is None or boundary.at > now or boundary.kind is BoundaryKind.REMOVAL:
            return View(session, timing.own_time(session, now))
        refuse_if_far_behind(session, now, self._lifetimes)
        outcome = await self._settlements.settle(session_id, time.monotonic() + READ_BUDGET_S)
        return None if outcome is None else View(outcome.session, outcome.now)

    def session_id_for(self, request_id: str, tenant: str = DEFAULT_TENANT) -> str:
        """Return the qualified id of a tenant's session created without one: the same for the same request_id."""
        if not request_id:
            return qualify(tenant, self._new_session_id())
        return qualify(tenant, str(uuid5(SESSION_OF_REQUEST, qualify(tenant, request_id))))

    async def create(self, session_id: str, command: Create, caller: Caller, request: Request, until: float) -> Answer:
        """Create a session.

        Raises InvalidField, SessionAlreadyExists, RequestIdReused, RateLimited and what the store raises.
        """
        allow = None
        if command.spec.durability is not None and (problem := await self._lacks(command.spec.durability)):
            raise InvalidField([FieldViolation("durability", problem)])
        if self._allowances is not None:
            refusal = await self._allowances.rooms.reserve(name_of(session_id).tenant)
            allow = None if refusal is None else partial(_refuse, refusal)
        change = Change(session_id, command, caller, self._new_change_id, self._lifetimes, allow=allow)
        return await self._run(change, request, until)

    async def change(self, session_id: str, command: Command, caller: Caller, request: Request, until: float) -> Answer:
        """Apply a command to a session, by `until` (monotonic seconds).

        Raises the Refusals of the domain, RequestIdReused, CatchingUp, RateLimited and what the store raises.
        """
        allow = None
        if self._allowances is not None and isinstance(command, Switch):
            allow = self._allowances.paces.judge
        change = Change(session_id, command, caller, self._new_change_id, self._lifetimes, allow=allow)
        return await self._run(change, request, until)

    async def delete(
        self, session_id: str, caller: Caller, request: Request, until: float, *, allow_missing: bool
    ) -> Answer:
        """Delete a session; with `allow_missing` answers without one if there is none. Raises as `change`."""
        change = Change(session_id, Delete(), caller, self._new_change_id, self._lifetimes, allow_missing)
        return await self._run(change, request, until)

    async def _run(self, change: Change, request: Request, until: float) -> Answer:
        self._admit()
        receipt = Receipt()
        while True:
            try:
                outcome: ChangeResult = await self._store.transact(
                    change.session_id, request, change.decide, until, receipt=receipt
                )
            except SessionTooLarge as error:
                raise InvalidField([FieldViolation(growing_field(change.command), str(error))]) from error
            if isinstance(outcome, Replay):
                answer = await self._replay(change.session_id, request, outcome.reading)
                return answer._replace(durability=receipt.durability)
            if isinstance(outcome, Missing):
                return Answer(None, outcome.at, durability=receipt.durability)
            if outcome.refusal is not None:
                raise outcome.refusal
            if outcome.unfinished is None:
                return Answer(outcome.session, outcome.now, durability=receipt.durability)
            change = change._replace(before=outcome.unfinished)

    async def _replay(self, session_id: str, request: Request, reading: Reading) -> Answer:
        """Answer a retry with the session at the version the first call led to, while that is retained.

        After that with the session as it is now, while it lives the same life.
        """
        remembered, session, now = reading.remembered, reading.session, reading.now_us // 1_000
        assert remembered is not None  # noqa: S101 - that is what makes it a replay
        if remembered.fingerprint != request.fingerprint:
            raise RequestIdReused(request.request_id)
        if not remembered.version:
            return Answer(None, now, replayed=True)
        event = await self._store.event_at(session_id, remembered.version)
        if event is not None and event.session.epoch == remembered.epoch:
            return Answer(event.session, timing.own_time(event.session, 0), replayed=True)
        if session is not None and session.epoch == remembered.epoch:
            return Answer(session, timing.own_time(session, now), replayed=True)
        return Answer(None, now, replayed=True, gone=Gone(session_id, remembered.epoch, remembered.version))


def _refuse(refusal: RateLimited, _session_id: str, _reading: Reading) -> None:
    raise refusal


class Settlements:
    """Applies what is due for a session, and stores it; the sweep's work, and every read's."""

    def __init__(self, store: SessionStore, lifetimes: Lifetimes, new_change_id: NewId) -> None:
        self._store = store
        self._lifetimes = lifetimes
        self._new_change_id = new_change_id

    async def settle(
        self, session_id: str, until: float, on_stored: Callable[[Outcome], None] = lambda _: None
    ) -> Outcome | None:
        """Settle until nothing is due any more, telling `on_stored` of every transaction; None if there is no session.

        Raises what the store raises.
        """
        while True:
            outcome = await self.step(session_id, until)
            if outcome is None:
                return None
            on_stored(outcome)
            if outcome.unfinished is None:
                return outcome

    async def confirm(self, session_id: str, until: float) -> None:
        """Return once the session is stored as durably as it has to be; raises what the store raises."""
        await self._store.transact(session_id, Request(), lambda _: Decision(None, again=True), until)

    async def step(self, session_id: str, until: float) -> Outcome | None:
        """Settle what fits one transaction; None if there is no session. Raises what the store raises."""
        return await self._store.transact(session_id, Request(), self._decide, until, is_due=True)

    def _decide(self, reading: Reading) -> Decision[Outcome | None]:
        session = reading.session
        if session is None or session.deleted:
            return Decision(None)
        now = reading.now_us // 1_000
        if is_removable(session, now, self._lifetimes):
            return Decision(Outcome(session, now), remove=True)
        outcome = transitions.decide(session, None, Caller(SYSTEM), now, self._new_change_id, self._lifetimes)
        return Decision(outcome, outcome.events)
