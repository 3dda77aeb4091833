"""The values of the audit trail, and the ports of its use cases.

Instants are milliseconds since 1970. Sessions are named by their qualified ids. A record's identity is (session id,
epoch, version, change id): the same version with another change id is a fork, left behind by a store that came back
without its last moments.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from synckairos.application.trail.field_changes import FieldChange, changes_between
from synckairos.domain.events import Event, EventType
from synckairos.domain.model import Mode, Session, Status
from synckairos.domain.tenancy import DEFAULT_TENANT


class AuditRecord(NamedTuple):
    """An event and where it came from; `changed` names the session's fields that it changed.

    `trace` is the traceparent of the call, if that was recorded.
    """

    event: Event
    request_id: str = ""
    peer: str = ""
    changed: tuple[str, ...] = ()
    call_id: str = ""
    trace: str = ""


class OutboxEntry(NamedTuple):
    """An entry of a partition's outbox; `record` is None if it cannot be read, `problem` says why."""

    partition: int
    entry_id: str
    record: AuditRecord | None
    problem: str = ""


class OutboxBatch(NamedTuple):
    """The oldest entries of some partitions, and which of these partitions hold more."""

    entries: list[OutboxEntry]
    more: frozenset[int]


class Backlog(NamedTuple):
    """The state of all outboxes: waiting entries, the oldest one's instant (None if there is none), dead entries.

    `waiting` are the partitions with entries, `now` is the authority's instant of the look.
    """

    length: int
    oldest_at: int | None
    dead: int
    waiting: tuple[int, ...] = ()
    now: int = 0

    @property
    def oldest_age_ms(self) -> int | None:
        """How long the oldest entry has waited; None if none waits."""
        return None if self.oldest_at is None else max(0, self.now - self.oldest_at)


class Outbox(Protocol):
    """Committed events on their way to the audit trail."""

    async def read(self, partitions: Sequence[int], count: int) -> OutboxBatch:
        """Return up to `count` of the oldest entries of each partition, in order; fewer if they are large.

        Raises StoreUnavailable.
        """

    async def remove(self, entries: Sequence[OutboxEntry]) -> None:
        """Remove entries that have been written; raises StoreUnavailable, and then some may be left."""

    async def bury(self, entry: OutboxEntry, reason: str) -> None:
        """Move an entry that can never be written to the dead ones of its partition, in one transaction.

        A second call finds nothing to move. Raises StoreUnavailable.
        """

    async def backlog(self) -> Backlog:
        """Return the state of all partitions; raises StoreUnavailable."""


class DeadEntry(NamedTuple):
    """An entry that was taken out of its outbox because it can never be written.

    `dead_id` is its id among the dead ones of its partition, `entry` its state in the outbox, and `fields` are its raw
    names and values.
    """

    dead_id: str
    buried_at: int
    reason: str
    entry: OutboxEntry
    fields: tuple[tuple[bytes, bytes], ...]


class OperatorAction(NamedTuple):
    """What an operator did to a tenant's trail; the same action has the same UUID. `details` are what JSON has."""

    action_id: str
    name: str
    operator: str
    reason: str
    details: Mapping[str, object]
    tenant: str = DEFAULT_TENANT


class Written(NamedTuple):
    """The result of a batch: new rows, rows that were there already, and those of the new rows that are forks."""

    new: int
    known: int
    forks: int


class AuditTrail(Protocol):
    """Keeps events for ever; writing is idempotent and in any order."""

    async def write(self, records: Sequence[AuditRecord]) -> Written:
        """Write the records in one transaction.

        Raises AuditUnavailable if the moment is bad (connection, SQLSTATE classes 40, 53, 57, a missing schema) and
        AuditRefused if the data are (classes 22, 23); then nothing is written.
        """


class AuditedEvent(NamedTuple):
    """A record as the trail holds it; `before` is the session of the version before, if asked for and there."""

    record: AuditRecord
    is_fork: bool
    recorded_at: int
    before: Session | None = None

    @property
    def changes(self) -> list[FieldChange]:
        """What it changed, from what to what; nothing without the version before."""
        return [] if self.before is None else changes_between(self.before, self.record.event.session)


class EventKey(NamedTuple):
    """A place in the order of one session's events."""

    epoch: int
    version: int
    change_id: str


class EventQuery(NamedTuple):
    """Which events of a session, oldest first; `start` and `end` bound occurred_at: start <= occurred_at < end.

    `with_before` asks for the session of the version before each event.
    """

    session_id: str
    after: EventKey | None
    limit: int
    types: frozenset[EventType] = frozenset()
    participant_id: str | None = None
    start: int | None = None
    end: int | None = None
    with_before: bool = False
    group_id: str | None = None


class ParticipantKey(NamedTuple):
    """A place in the order of one participant's events, over all sessions."""

    occurred_at: int
    change_id: str


class ParticipantQuery(NamedTuple):
    """Which events about a participant in any session of a tenant, oldest first; bounds as in EventQuery."""

    participant_id: str
    after: ParticipantKey | None
    limit: int
    types: frozenset[EventType] = frozenset()
    start: int | None = None
    end: int | None = None
    tenant: str = DEFAULT_TENANT


class SessionKey(NamedTuple):
    """A place in the order of audited sessions."""

    created_at: int
    session_id: str


class SessionQuery(NamedTuple):
    """Which sessions of a tenant, newest first; `start` and `end` bound created_at: start <= created_at < end.

    `omit_deleted` leaves out those that were deleted.
    """

    after: SessionKey | None
    limit: int
    statuses: frozenset[Status] = frozenset()
    modes: frozenset[Mode] = frozenset()
    start: int | None = None
    end: int | None = None
    omit_deleted: bool = False
    tenant: str = DEFAULT_TENANT


class AuditedSession(NamedTuple):
    """The summary of a session: its latest state in the trail, and what became of it.

    `session` is the state after the latest version; `deleted_at` is set once it was deleted. `recorded_at` is when
    that version was written.
    """

    session: Session
    total_cycles: int
    total_participants: int
    deleted_at: int | None
    recorded_at: int


class AuditedParticipant(NamedTuple):
    """The statistics of one participant, removed or not; times in ms."""

    participant_id: str
    group_id: str | None
    total_time_ms: int | None
    total_cycles: int
    total_time_active_ms: int
    added_at: int
    removed_at: int | None
    first_active_at: int | None
    last_active_at: int | None


class SessionAudit(NamedTuple):
    """All that the trail holds of a session except its events."""

    summary: AuditedSession
    participants: tuple[AuditedParticipant, ...]
    event_count: int
    fork_count: int


class AuditReader(Protocol):
    """Answers from the trail; every method raises AuditUnavailable."""

    async def events(self, query: EventQuery) -> list[AuditedEvent]:
        """Return a session's events in the order of (epoch, version, change id); none for an unknown session."""

    async def participant_events(self, query: ParticipantQuery) -> list[AuditedEvent]:
        """Return a participant's events in all sessions, in the order of (occurred_at, change id)."""

    async def session(self, session_id: str) -> SessionAudit | None:
        """Return all that the trail holds of a session except its events; None if it holds nothing."""

    async def sessions(self, query: SessionQuery) -> list[AuditedSession]:
        """Return sessions, newest first."""

    async def latest(self, session_ids: Sequence[str]) -> list[Session | None]:
        """Return the sessions after their latest version, in the order asked; a deleted one has `deleted` set."""

    async def unfinished(self, after: str, count: int) -> list[Session]:
        """Return all tenants' sessions that have neither ended nor been deleted, from `after` (exclusive) on.

        They come by tenant and by id.
        """


class ExportQuery(NamedTuple):
    """Which events of which sessions (none named: all); bounds as in EventQuery. None as tenant stands for all."""

    session_ids: tuple[str, ...] = ()
    start: int | None = None
    end: int | None = None
    tenant: str | None = None
