"""Reads the audit trail page by page: every list continues after a key that an index has in the same order."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from synckairos.adapters.postgres.database import Database, Statement
from synckairos.adapters.postgres.errors import SchemaMismatch
from synckairos.adapters.postgres.trail.rows import EVENT_COLUMNS, TYPE_NAMES, record_of
from synckairos.adapters.postgres.trail.session_json import MODE_NAMES, STATUS_NAMES
from synckairos.adapters.postgres.trail.snapshot import UnreadableSnapshotError, decode_session
from synckairos.application.trail.audit import (
    AuditedEvent,
    AuditedParticipant,
    AuditedSession,
    EventQuery,
    ParticipantQuery,
    SessionAudit,
    SessionQuery,
)
from synckairos.domain.model import Session

if TYPE_CHECKING:
    from asyncpg import Record as Row

_R = TypeVar("_R")

# `{}` takes the conditions that a query has, each with the number of its value: a query without a filter must not be
# planned as if it might have one.
_EVENTS: Final = f"""
SELECT {EVENT_COLUMNS}, is_fork, round(extract(epoch FROM recorded_at) * 1000)::bigint, NULL
FROM sync_events
WHERE {{}}
ORDER BY epoch, version, id
LIMIT $1
"""  # noqa: S608 - our own columns

_PARTICIPANT_EVENTS: Final = _EVENTS.replace("ORDER BY epoch, version, id", 'ORDER BY "timestamp", id')

# The version before is in the same life, but for the first one of a recovered session.
_BEFORE: Final = """
    (
        SELECT b.state_snapshot::text
        FROM sync_events AS b
        WHERE b.session_id = sync_events.session_id AND b.epoch = sync_events.epoch
            AND b.version = sync_events.version - 1 AND b."timestamp" <= sync_events."timestamp"
        ORDER BY b."timestamp" DESC, b.id DESC
        LIMIT 1
    ),
    CASE WHEN event_type = 'session_recovered' THEN (
        SELECT b.state_snapshot::text
        FROM sync_events AS b
        WHERE b.session_id = sync_events.session_id AND b.epoch < sync_events.epoch
            AND b.version = sync_events.version - 1
        ORDER BY b.epoch DESC, b."timestamp" DESC, b.id DESC
        LIMIT 1
    ) END
"""
_EVENTS_AND_BEFORE: Final = _EVENTS.replace("NULL", f"coalesce({_BEFORE})")

_SUMMARY: Final = """
SELECT
    state_snapshot::text, total_cycles, total_participants, round(extract(epoch FROM deleted_at) * 1000)::bigint,
    round(extract(epoch FROM recorded_at) * 1000)::bigint
FROM sync_sessions
WHERE {}
ORDER BY created_at DESC, session_id DESC
LIMIT $1
"""

_PARTICIPANTS: Final = Statement(
    "audit: participants",
    """
    SELECT
        participant_id::text, group_id::text, total_time_ms, total_cycles, total_time_active_ms,
        round(extract(epoch FROM added_at) * 1000)::bigint, round(extract(epoch FROM removed_at) * 1000)::bigint,
        round(extract(epoch FROM first_active_at) * 1000)::bigint,
        round(extract(epoch FROM last_active_at) * 1000)::bigint
    FROM sync_participants
    WHERE session_id = $1
    ORDER BY added_at, participant_id
    """,
)

_COUNTS: Final = Statement(
    "audit: count events",
    """
    SELECT
        (SELECT count(*) FROM sync_events WHERE session_id = $1),
        (SELECT count(*) FROM sync_events WHERE session_id = $1 AND is_fork)
    """,
)

_LATEST: Final = Statement(
    "audit: latest",
    "SELECT session_id::text, state_snapshot::text FROM sync_sessions WHERE session_id = ANY($1::uuid[])",
)

_UNFINISHED: Final = """
SELECT state_snapshot::text
FROM sync_sessions
WHERE deleted_at IS NULL AND final_status IN ('pending', 'running', 'paused') AND {}
ORDER BY session_id
LIMIT $1
"""


class _Conditions:
    """What a query asks for, and the values of it; the first value is the limit."""

    def __init__(self, limit: int) -> None:
        self.values: list[object] = [limit]
        self._texts: list[str] = []

    def add(self, text: str, *values: object) -> None:
        """Ask for this too; `{}` in it stands for the values, in order."""
        numbers = range(len(self.values) + 1, len(self.values) + 1 + len(values))
        self._texts.append(text.format(*(f"${number}" for number in numbers)))
        self.values += values

    def statement(self, name: str, sql: str) -> Statement:
        """Return the statement with these conditions."""
        return Statement(name, sql.format(" AND ".join(self._texts) or "true"))


def reading(name: str, read: Callable[[Any], _R], rows: "Iterable[Row]") -> list[_R]:
    """Return what the rows say; raises AuditUnavailable for what a newer version has written."""
    try:
        return [read(row) for row in rows]
    except (UnreadableSnapshotError, KeyError) as error:
        raise SchemaMismatch(f"the audit trail holds what this version cannot read ({name}): {error}") from error


class PostgresAuditReader:
    """The port AuditReader on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def events(self, query: EventQuery) -> list[AuditedEvent]:
        """Return a session's events in the order of (epoch, version, change id); raises AuditUnavailable."""
        asked = _Conditions(query.limit)
        asked.add("session_id = {}::uuid", query.session_id)
        if query.after is not None:
            asked.add("(epoch, version, id) > ({}, {}, {}::uuid)", *query.after)
        if query.types:
            asked.add("event_type = ANY({}::text[])", sorted(TYPE_NAMES[type_] for type_ in query.types))
        if query.participant_id is not None:
            asked.add("participant_id = {}::uuid", query.participant_id)
        if query.group_id is not None:
            asked.add("group_id = {}::uuid", query.group_id)
        _bound(asked, '"timestamp"', query.start, query.end)
        # A history is read along its index: the planner cannot tell how many events come after a key, takes them for
        # few and would fetch them all to sort them. With a filter that finds few, that is just what is wanted.
        chosen = (query.participant_id, query.group_id, query.start, query.end)
        is_whole = not query.types and all(value is None for value in chosen)
        sql = _EVENTS_AND_BEFORE if query.with_before else _EVENTS
        return await self._page("audit: events", sql, asked, _event, along_index=is_whole)

    async def participant_events(self, query: ParticipantQuery) -> list[AuditedEvent]:
        """Return a participant's events in all sessions, by (occurred_at, change id); raises AuditUnavailable."""
        asked = _Conditions(query.limit)
        asked.add("participant_id = {}::uuid", query.participant_id)
        if query.after is not None:
            asked.add('("timestamp", id) > (to_timestamp({}::bigint / 1000.0::float8), {}::uuid)', *query.after)
        if query.types:
            asked.add("event_type = ANY({}::text[])", sorted(TYPE_NAMES[type_] for type_ in query.types))
        _bound(asked, '"timestamp"', query.start, query.end)
        return await self._page("audit: participant", _PARTICIPANT_EVENTS, asked, _event, along_index=True)

    async def session(self, session_id: str) -> SessionAudit | None:
        """Return what is known of a session, None if nothing is; raises AuditUnavailable."""
        asked = _Conditions(1)
        asked.add("session_id = {}::uuid", session_id)
        async with self._database.transaction(reading=True) as moment:
            found = await moment.fetch(asked.statement("audit: session", _SUMMARY), *asked.values)
            if not found:
                return None
            participants = await moment.fetch(_PARTICIPANTS, session_id)
            ((events, forks),) = await moment.fetch(_COUNTS, session_id)
        (summary,) = reading("audit: session", _session, found)
        return SessionAudit(summary, tuple(AuditedParticipant(*row) for row in participants), events, forks)

    async def sessions(self, query: SessionQuery) -> list[AuditedSession]:
        """Return sessions, newest first; raises AuditUnavailable."""
        asked = _Conditions(query.limit)
        if query.after is not None:
            asked.add("(created_at, session_id) < (to_timestamp({}::bigint / 1000.0::float8), {}::uuid)", *query.after)
        _choose(asked, "final_status", "sync_status", sorted(STATUS_NAMES[status] for status in query.statuses))
        _choose(asked, "sync_mode", "sync_mode", sorted(MODE_NAMES[mode] for mode in query.modes))
        _bound(asked, "created_at", query.start, query.end)
        if query.omit_deleted:
            asked.add("deleted_at IS NULL")
        is_whole = not query.statuses and not query.modes and query.start is None and query.end is None
        return await self._page("audit: sessions", _SUMMARY, asked, _session, along_index=is_whole)

    async def latest(self, session_ids: Sequence[str]) -> list[Session | None]:
        """Return the sessions after their latest version, in the order asked; raises AuditUnavailable."""
        rows = await self._database.fetch(_LATEST, list(session_ids))
        found = dict(reading(_LATEST.name, lambda row: (row[0], decode_session(row[1])), rows))
        return [found.get(session_id) for session_id in session_ids]

    async def unfinished(self, after: str, count: int) -> list[Session]:
        """Return sessions that have neither ended nor been deleted, by id; raises AuditUnavailable."""
        asked = _Conditions(count)
        if after:
            asked.add("session_id > {}::uuid", after)
        return await self._page("audit: unfinished", _UNFINISHED, asked, _snapshot, along_index=True)

    async def _page(
        self, name: str, sql: str, asked: _Conditions, read: "Callable[[Row], _R]", *, along_index: bool
    ) -> list[_R]:
        async with self._database.transaction(reading=True, paging=along_index) as moment:
            rows = await moment.fetch(asked.statement(name, sql), *asked.values)
        return reading(name, read, rows)


def _bound(asked: _Conditions, column: str, start: int | None, end: int | None) -> None:
    if start is not None:
        asked.add(column + " >= to_timestamp({}::bigint / 1000.0::float8)", start)
    if end is not None:
        asked.add(column + " < to_timestamp({}::bigint / 1000.0::float8)", end)


def _choose(asked: _Conditions, column: str, type_: str, names: list[str]) -> None:
    if len(names) == 1:
        # Not as a list of one: an index gives its order for equality only.
        asked.add(f"{column} = {{}}::text::{type_}", names[0])
    elif names:
        asked.add(f"{column} = ANY({{}}::text[]::{type_}[])", names)


def _event(row: "Row") -> AuditedEvent:
    *columns, is_fork, recorded_at, before = row
    return AuditedEvent(record_of(columns), is_fork, recorded_at, before and decode_session(before))


def _session(row: "Row") -> AuditedSession:
    snapshot, total_cycles, total_participants, deleted_at, recorded_at = row
    return AuditedSession(decode_session(snapshot), total_cycles, total_participants, deleted_at, recorded_at)


def _snapshot(row: "Row") -> Session:
    return decode_session(row[0])
