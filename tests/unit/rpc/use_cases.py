"""The use cases on ports in memory, whose failures are the test's to choose."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

from synckairos.application.listing import Listing
from synckairos.application.pipeline.status import DrainTotals, PipelineStatus
from synckairos.application.ports import Decision, Request
from synckairos.application.recovery import Recovery
from synckairos.application.sessions import Sessions
from synckairos.application.streams.watching import Watching
from synckairos.application.trail.audit import AuditRecord
from synckairos.domain.events import Event
from synckairos.domain.model import Session
from testing.harness.fakes.fake_audit_trail import FakeAuditTrail
from testing.harness.fakes.fake_clock import FakeClock
from testing.harness.fakes.fake_store import FakeData, FakeSessionFeed, FakeSessionIndex, FakeSessionStore


@dataclass
class FailingData(FakeData):
    """Data that fails with the test's error, or takes time to be stored."""

    failure: Exception | None = None
    storing_takes_ms: int = 0

    def apply(self, session_id: str, request: Request, before: Session | None, decision: Decision[Any]) -> None:
        """Store a decision, and let time pass."""
        super().apply(session_id, request, before, decision)
        self.clock.advance(self.storing_takes_ms)

    def reach(self) -> None:
        """Raise the failure, if there is one."""
        if self.failure is not None:
            raise self.failure
        super().reach()


class SettableClock(FakeClock):
    """A clock that may not have been read yet."""

    has_been_read = True

    @property
    def is_set(self) -> bool:
        """Whether it has been read."""
        return self.has_been_read


class Observed:
    """Notes the reports of calls, watchers and gaps."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.open = 0
        self.gaps: list[str] = []
        self._news = threading.Condition()

    def until_nobody_watches(self, seconds: float = 5.0) -> None:
        """Wait, outside the event loop, until every subscription is gone."""
        with self._news:
            assert self._news.wait_for(lambda: self.open == 0, seconds), f"{self.open} still watch"

    def call(self, method: str, code: str, reason: str, seconds: float) -> None:
        """Note a finished call."""
        assert seconds >= 0
        self.calls.append((method.rsplit("/", 1)[1], code, reason))

    def watchers(self, count: int) -> None:
        """Note how many watch."""
        with self._news:
            self.open = count
            self._news.notify_all()

    def tick_dropped(self) -> None:
        """Take no note of a tick that gave way."""

    def gap(self, reason: str) -> None:
        """Note a gap."""
        self.gaps.append(reason)


class SettablePipeline:
    """A pipeline whose status the test sets."""

    answer: PipelineStatus | Exception = PipelineStatus(0, None, 0, None, DrainTotals(), ())

    async def status(self) -> PipelineStatus:
        """Return the status that was set, or raise the error."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class SettableOutbox:
    """Tells of changes that have not reached the trail."""

    waiting: frozenset[str] = frozenset()

    async def among(self, session_ids: Sequence[str]) -> set[str]:
        """Return which of the sessions have such changes."""
        return self.waiting.intersection(session_ids)

    async def everywhere(self) -> set[str]:
        """Return all sessions that have such changes."""
        return set(self.waiting)


class UseCases:
    """The use cases, and the ports in memory below them."""

    def __init__(self, window: int = 16) -> None:
        ids = count(1)
        self.clock = SettableClock()
        self.data = FailingData(clock=self.clock, event_window=window)
        self.feed = FakeSessionFeed(self.data)
        self.observed = Observed()
        store = FakeSessionStore(self.data)
        self.sessions = Sessions(store, self.data.lifetimes, lambda: str(UUID(int=next(ids))), lambda: str(UUID(int=7)))
        self.listing = Listing(self.sessions, FakeSessionIndex(self.data))
        self.watching = Watching(self.sessions, self.feed, self.clock, self.observed)
        self.data.listeners.append(self.watching.hint)
        self.trail = FakeAuditTrail(self.clock)
        self.pipeline = SettablePipeline()
        lifetimes = self.data.lifetimes
        self.outbox = SettableOutbox()
        self.recovery = Recovery(store, self.trail, self.outbox, lifetimes, lambda: str(UUID(int=next(ids))))

    async def drain(self) -> None:
        """Write everything committed to the trail."""
        await self.trail.write(
            [AuditRecord(event, request.request_id, request.peer, ("status",)) for event, request in self.data.outbox]
        )

    def events(self, session_id: str) -> tuple[Event, ...]:
        """Return the retained events."""
        return self.data.retained(session_id)

    def stored(self, session_id: str) -> Session | None:
        """Return the stored session."""
        return self.data.session(session_id)

    @property
    def subscribed(self) -> set[str]:
        """The sessions this process listens to."""
        return self.feed._wanted
