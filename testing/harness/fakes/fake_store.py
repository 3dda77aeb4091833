"""The store in memory: the same ports, the same contract tests, no Redis.

What `FakeData` holds is shared by any number of `FakeSessionStore`s, as one Redis is by server processes.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, TypeVar

from synckairos.application.errors import Contention, DurabilityUnmet, StoreUnavailable
from synckairos.application.ports import (
    Decide,
    Decision,
    Hint,
    Position,
    Reading,
    Receipt,
    Remembered,
    Request,
    ResultT,
    Since,
)
from synckairos.domain import timing
from synckairos.domain.events import Event
from synckairos.domain.model import DAY_MS, DurabilityLevel, Head, Session
from synckairos.domain.tenancy import DEFAULT_TENANT, name_of
from synckairos.domain.timing import Lifetimes
from testing.harness.fakes.fake_clock import FakeClock

NEVER: Final = 2**63
ValueT = TypeVar("ValueT")


class Kept(NamedTuple, Generic[ValueT]):
    """A value, and the instant (ms) it vanishes at."""

    value: ValueT
    until: int


class Outgoing(NamedTuple):
    """An event on its way to the audit trail, and where it came from."""

    event: Event
    request: Request


@dataclass
class FakeData:
    """Everything the store holds; while `is_away` nobody can reach it, while `is_unmet` nothing is durable."""

    clock: FakeClock = field(default_factory=FakeClock)
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    event_window: int = 16
    request_ttl_ms: int = 3_600_000
    is_away: bool = False
    is_unmet: bool = False
    sessions: dict[str, Kept[Session]] = field(default_factory=dict)
    requests: dict[tuple[str, str], Kept[Remembered]] = field(default_factory=dict)
    events: dict[str, Kept[tuple[Event, ...]]] = field(default_factory=dict)
    followed: dict[tuple[str, int, int], str] = field(default_factory=dict)
    """The change id of the version before one, by session, epoch and version."""
    outbox: list[Outgoing] = field(default_factory=list)
    deadlines: dict[str, int] = field(default_factory=dict)
    live: set[Position] = field(default_factory=set)
    listeners: list[Callable[[Hint], None]] = field(default_factory=list)

    def reach(self) -> None:
        """Raise StoreUnavailable while the store is away, and let go what has had its time."""
        if self.is_away:
            raise StoreUnavailable("the store is away")
        kept: dict[str, Kept[object]]
        for kept in (self.sessions, self.requests, self.events):  # type: ignore[assignment] # keys and values of any kind
            for key in [key for key, one in kept.items() if one.until <= self.clock.ms]:
                del kept[key]

    def session(self, session_id: str) -> Session | None:
        """Return what is held of a session."""
        kept = self.sessions.get(session_id)
        return kept.value if kept else None

    def retained(self, session_id: str) -> tuple[Event, ...]:
        """Return the events held of a session, oldest first."""
        kept = self.events.get(session_id)
        return kept.value if kept else ()

    def apply(self, session_id: str, request: Request, before: Session | None, decision: Decision[Any]) -> None:
        """Store a decision that was made for the session `before` it."""
        if decision.remove and before is not None:
            self._remove(session_id, before)
            return
        if not decision.events:
            self._remember(session_id, request, 0, 0)
            return
        last = decision.events[-1].session
        is_new_life = before is None or before.epoch != last.epoch
        events = (() if is_new_life else self.retained(session_id)) + tuple(decision.events)
        until = self.clock.ms + 600_000 if last.deleted else self._until(last)
        self.events[session_id] = Kept(events[-self.event_window :], until)
        self.put(last)
        self.outbox += [Outgoing(event, request) for event in decision.events]
        if decision.answers and request.request_id:
            self._remember(session_id, request, last.epoch, last.version)
        for event in decision.events:
            if before is not None:
                self.followed[session_id, event.session.epoch, event.session.version] = before.change_id
            before = event.session
            self._hint(Hint(session_id, event))

    def _remember(self, session_id: str, request: Request, epoch: int, version: int) -> None:
        remembered = Remembered(request.fingerprint, epoch, version)
        self.requests[session_id, request.request_id] = Kept(remembered, self.clock.ms + self.request_ttl_ms)

    def put(self, session: Session) -> None:
        """Hold a session, and its entries in both indexes."""
        boundary = timing.next_boundary(session, self.lifetimes)
        self.sessions[session.session_id] = Kept(session, self._until(session))
        position = Position(session.created_at, session.session_id)
        if boundary is None:
            self.deadlines.pop(session.session_id, None)
            self.live.discard(position)
        else:
            self.deadlines[session.session_id] = boundary.at
            self.live.add(position)

    def _until(self, session: Session) -> int:
        """Return when a session is let go, should nobody remove it: never, before it has ended."""
        if session.deleted:
            return self.clock.ms + DAY_MS
        return self.clock.ms + DAY_MS + self.lifetimes.terminal_ms if session.is_terminal else NEVER

    def _remove(self, session_id: str, session: Session) -> None:
        del self.sessions[session_id]
        self.events.pop(session_id, None)
        self.deadlines.pop(session_id, None)
        self.live.discard(Position(session.created_at, session_id))
        self._hint(Hint(session_id, None))

    def _hint(self, hint: Hint) -> None:
        for listener in list(self.listeners):
            listener(hint)


class FakeSessionStore:
    """One process' store on shared data."""

    def __init__(self, data: FakeData) -> None:
        self._data = data

    async def read(self, session_ids: Sequence[str]) -> list[Reading]:
        """Return the sessions in the order asked; raises StoreUnavailable."""
        self._data.reach()
        now_us = self._data.clock.now_us()
        return [Reading(self._data.session(session_id), now_us) for session_id in session_ids]

    async def now_us(self) -> int:
        """Return the clock's time; raises StoreUnavailable."""
        self._data.reach()
        return self._data.clock.now_us()

    async def event_at(self, session_id: str, version: int) -> Event | None:
        """Return the event that led to a version, None if it has left the window; raises StoreUnavailable."""
        self._data.reach()
        retained = self._data.retained(session_id)
        return next((event for event in retained if event.session.version == version), None)

    async def transact(
        self,
        session_id: str,
        request: Request,
        decide: Decide[ResultT],
        until: float,
        *,
        is_due: bool = False,
        receipt: Receipt | None = None,
    ) -> ResultT:
        """Commit a decision; another store's commit between its reading and its writing is a conflict.

        What a session asks for is reached, unless `is_unmet`.
        """
        while True:
            self._data.reach()
            reading = self._reading(session_id, request)
            await asyncio.sleep(0)  # the round trip, in which others get their turn
            decision = decide(reading)
            after = decision.events[-1].session if decision.events else reading.session
            if decision.again:
                self._reach(after, receipt, is_due=is_due)
                return decision.result
            is_remembered = decision.answers and bool(request.request_id)
            if not decision.events and not (decision.remove and reading.session) and not is_remembered:
                return decision.result
            if self._data.session(session_id) is reading.session:
                self._data.apply(session_id, request, reading.session, decision)
                self._reach(after, receipt, is_due=is_due)
                return decision.result
            if time.monotonic() >= until:
                raise Contention(f"session {session_id} kept changing", session_id=session_id)

    def _reach(self, session: Session | None, receipt: Receipt | None, *, is_due: bool) -> None:
        asked = session.rules.durability if session else None
        if asked is None or asked.level is DurabilityLevel.MEMORY or is_due:
            return
        if self._data.is_unmet:
            raise DurabilityUnmet("not durable")
        if receipt is not None:
            receipt.durability = asked

    def _reading(self, session_id: str, request: Request) -> Reading:
        kept = self._data.requests.get((session_id, request.request_id))
        return Reading(self._data.session(session_id), self._data.clock.now_us(), kept.value if kept else None)


class FakeSessionIndex:
    """Which sessions a tenant has, newest first."""

    def __init__(self, data: FakeData) -> None:
        self._data = data

    async def page(self, after: Position | None, count: int, tenant: str = DEFAULT_TENANT) -> list[Position]:
        """Return up to `count` positions older than `after`; raises StoreUnavailable."""
        self._data.reach()
        its_own = [position for position in self._data.live if name_of(position.session_id).tenant == tenant]
        newest_first = sorted(its_own, reverse=True)
        return [position for position in newest_first if after is None or position < after][:count]


class FakeDeadlineIndex:
    """Which sessions change by themselves, and when."""

    def __init__(self, data: FakeData) -> None:
        self._data = data

    async def due_before(self, instant: int, count: int) -> list[tuple[str, int]]:
        """Return (session id, boundary) of what is due at or before the instant; raises StoreUnavailable."""
        self._data.reach()
        due = [(session_id, at) for session_id, at in self._data.deadlines.items() if at <= instant]
        return sorted(due, key=lambda one: one[1])[:count]

    async def drop(self, session_id: str) -> None:
        """Forget a session the store does not hold; raises StoreUnavailable."""
        self._data.reach()
        if self._data.session(session_id) is None:
            self._data.deadlines.pop(session_id, None)

    async def repair(self) -> int:
        """Re-check every entry; return how many sessions were put right. Raises StoreUnavailable."""
        self._data.reach()
        seen = {*self._data.deadlines, *(position.session_id for position in self._data.live)}
        return sum(self._put_right(session_id) for session_id in seen)

    def _put_right(self, session_id: str) -> bool:
        data = self._data
        before = dict(data.deadlines), set(data.live)
        data.live = {position for position in data.live if position.session_id != session_id}
        data.deadlines.pop(session_id, None)
        session = data.session(session_id)
        if session is not None:
            data.put(session)
        return before != (data.deadlines, data.live)


class FakeSessionFeed:
    """Hints about sessions, delivered at once."""

    def __init__(self, data: FakeData) -> None:
        self._data = data
        self._wanted: set[str] = set()

    async def subscribe(self, session_id: str) -> None:
        """Ask for hints about a session; raises StoreUnavailable."""
        self._data.reach()
        self._wanted.add(session_id)

    def unsubscribe(self, session_id: str) -> None:
        """Stop asking for hints about a session."""
        self._wanted.discard(session_id)

    async def since(self, session_id: str, version: int) -> Since:
        """Return the retained events from a version on, and the session; raises StoreUnavailable."""
        self._data.reach()
        retained = self._data.retained(session_id)
        events = [event for event in retained if event.session.version >= version]
        first = events[0].session if events else None
        before = self._data.followed.get((session_id, first.epoch, first.version), "") if first else ""
        return Since(events, self._data.session(session_id), before)

    async def heads(self, session_ids: Sequence[str]) -> list[Head | None]:
        """Return what identifies the sessions now; raises StoreUnavailable."""
        self._data.reach()
        found = [self._data.session(session_id) for session_id in session_ids]
        return [one.head if one else None for one in found]

    async def listen(self, on_hint: Callable[[Hint], None]) -> None:
        """Deliver hints until cancelled."""

        def deliver(hint: Hint) -> None:
            if hint.session_id in self._wanted:
                on_hint(hint)

        self._data.listeners.append(deliver)
        try:
            on_hint(Hint("", None))
            await asyncio.Event().wait()
        finally:
            self._data.listeners.remove(deliver)
