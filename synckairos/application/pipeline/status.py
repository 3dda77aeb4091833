"""The state of the audit pipeline: what waits, what was written, what is wrong."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol

from synckairos.application.errors import AuditUnavailable
from synckairos.application.trail.audit import Outbox, Written

LATE_MS: Final = 10_000
"""An entry that waits longer is a problem."""


class BrokerUnavailable(Exception):
    """The broker of the doorbell messages cannot be reached; events arrive later, and none is lost."""


class QueueDepth(NamedTuple):
    """The numbers of doorbell messages: to be taken, being worked on, waiting for a retry, given up."""

    waiting: int
    active: int
    delayed: int
    dead: int


class DrainTotals(NamedTuple):
    """The counts of the drains since the store was made; instants in ms since 1970, None for never.

    `written` are new rows, `known` rows that were there already, `buried` entries moved to the dead ones.
    `completed` and `failed` are messages done and attempts that failed, `exhausted` messages given up.
    """

    batches: int = 0
    written: int = 0
    known: int = 0
    forks: int = 0
    buried: int = 0
    completed: int = 0
    failed: int = 0
    exhausted: int = 0
    last_written_at: int | None = None
    last_error: str = ""
    last_error_at: int | None = None


class PipelineStatus(NamedTuple):
    """The audit pipeline at a glance; ages and instants in ms.

    `oldest_age_ms` is None if nothing waits. `queue` is None if the broker cannot be reached. `problems` are sentences;
    sessions are not affected by them.
    """

    outbox_length: int
    oldest_age_ms: int | None
    dead_entries: int
    queue: QueueDepth | None
    totals: DrainTotals
    problems: tuple[str, ...]

    @property
    def degraded(self) -> bool:
        """Whether there are problems."""
        return bool(self.problems)


class DrainCounters(Protocol):
    """Counts the work of the drains where every server can read it; raises StoreUnavailable."""

    async def wrote(self, written: Written) -> None:
        """Count a batch."""

    async def buried(self, reason: str) -> None:
        """Count a buried entry; its reason is the last error now."""

    async def completed(self) -> None:
        """Count a message done."""

    async def failed(self, problem: str, *, is_last: bool) -> None:
        """Count an attempt that failed, or (`is_last`) a message given up; the problem is the last error now."""

    async def totals(self) -> DrainTotals:
        """Return the counts."""


class MessageQueue(Protocol):
    """The queue of doorbell messages."""

    async def depth(self) -> QueueDepth:
        """Return the numbers of messages; raises BrokerUnavailable."""


class PipelineReport:
    """Puts the state together from the outboxes, the counters, the broker and the database."""

    def __init__(
        self,
        outbox: Outbox,
        counters: DrainCounters,
        queue: MessageQueue | None,
        check_database: Callable[[], Awaitable[object]] | None,
    ) -> None:
        """Without a queue or a database (None) there is no audit trail, which is a problem of its own.

        `check_database` raises AuditUnavailable if the database cannot be reached.
        """
        self._outbox = outbox
        self._counters = counters
        self._queue = queue
        self._check_database = check_database

    async def status(self) -> PipelineStatus:
        """Return the present state; raises StoreUnavailable, but nothing for a missing database or broker."""
        backlog = await self._outbox.backlog()
        totals = await self._counters.totals()
        problems: list[str] = []
        queue = await self._depth(problems)
        await self._look_at_database(problems)
        age = backlog.oldest_age_ms
        if age is not None and age > LATE_MS:
            problems.append(f"the oldest of {backlog.length} entries has waited for {age} ms")
        if backlog.dead:
            problems.append(f"{backlog.dead} entries could not be written: see `synckairos audit dead list`")
        return PipelineStatus(backlog.length, age, backlog.dead, queue, totals, tuple(problems))

    async def _depth(self, problems: list[str]) -> QueueDepth | None:
        if self._queue is None:
            return None
        try:
            return await self._queue.depth()
        except BrokerUnavailable as error:
            problems.append(str(error))
            return None

    async def _look_at_database(self, problems: list[str]) -> None:
        if self._check_database is None:
            problems.append("no database is set up: nothing takes events out of the outbox")
            return
        try:
            await self._check_database()
        except AuditUnavailable as error:
            problems.append(str(error))
