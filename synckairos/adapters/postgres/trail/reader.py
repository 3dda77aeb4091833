"""Reads the audit trail page by page: every list continues after a key that an index has in the same order.

Every question is one tenant's, but for `unfinished`: its transaction names the tenant, to which the policies of the
tables hold an account that may only read.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, TypeVar

from synckairos.adapters.postgres.database import Database, LentConnection, Statement
from synckairos.adapters.postgres.errors import PrivilegeMissing, SchemaMismatch
from synckairos.adapters.postgres.trail.conditions import Conditions
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
from synckairos.domain.tenancy import name_of

if TYPE_CHECKING:
    from asyncpg import Record as Row

_R = TypeVar("_R")

_TENANT: Final = Statement("audit: tenant", "SELECT set_config('synckairos.tenant', $1, true)")
_HAS_ALL: Final = Statement("audit: all tenants", "SELECT has_table_privilege('sync_sessions', 'INSERT')")

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
        WHERE b.tenant = sync_events.tenant AND b.session_id = sync_events.session_id AND b.epoch = sync_events.epoch
            AND b.version = sync_events.version - 1 AND b."timestamp" <= sync_events."timestamp"
        ORDER BY b."timestamp" DESC, b.id DESC
        LIMIT 1
    ),
    CASE WHEN event_type = 'session_recovered' THEN (
        SELECT b.state_snapshot::text
        FROM sync_events AS b
        WHERE b.tenant = sync_events.tenant AND b.session_id = sync_events.session_id AND b.epoch < sync_events.epoch
            AND b.version = sync_events.version - 1
        ORDER BY b.epoch DESC, b."timestamp" DESC, b.id DESC
        LIMIT 1
    ) END
"""
_EVENTS_AND_BEFORE: Final = _EVENTS.replace("NULL", f"coalesce({_BEFORE})")

_SUMMARY: Final = """
SELECT
    tenant, state_snapshot::text, total_cycles, total_participants,
    round(extract(epoch FROM deleted_at) * 1000)::bigint,
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
    WHERE tenant = $1 AND session_id = $2
    ORDER BY added_at, participant_id
    """,
)

_COUNTS: Final = Statement(
    "audit: count events",
    """
    SELECT
        (SELECT count(*) FROM sync_events WHERE tenant = $1 AND session_id = $2),
        (SELECT count(*) FROM sync_events WHERE tenant = $1 AND session_id = $2 AND is_fork)
    """,
)

_LATEST: Final = Statement(
    "audit: latest",
    """
    SELECT tenant, state_snapshot::text
    FROM sync_sessions
    WHERE tenant = $1 AND session_id = ANY($2::uuid[])
    """,
)

_UNFINISHED: Final = """
SELECT tenant, state_snapshot::text
FROM sync_sessions
WHERE deleted_at IS NULL AND final_status IN ('pending', 'running', 'paused') AND {}
ORDER BY tenant, session_id
LIMIT $1
"""


def reading(name: str, read: Callable[[Any], _R], rows: "Iterable[Row]") -> list[_R]:
    """Return what the rows say; raises AuditUnavailable for what a newer version has written."""
    try:
        return [read(row) for row in rows]
    except (UnreadableSnapshotError, KeyError) as error:
        raise SchemaMismatch(f"the audit trail holds what this version cannot read ({name}): {error}") from error


async def require_all_tenants(connection: LentConnection) -> None:
    """Raise PrivilegeMissing for an account that may only read, and that so has the rows of one tenant at a time.

    What concerns the rows of all tenants is for accounts that have them: to others, policies would show nothing.
    """
    ((has_all,),) = await connection.fetch(_HAS_ALL)
    if not has_all:
        raise PrivilegeMissing("this account may read one tenant at a time only: take the one of the workers")


class PostgresAuditReader:
    """The port AuditReader on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def events(self, query: EventQuery) -> list[AuditedEvent]:
        """Return a session's events in the order of (epoch, version, change id); raises AuditUnavailable."""
        tenant, session_id = name_of(query.session_id)
        asked = Conditions(tenant, query.limit)
        asked.add("session_id = {}::uuid", session_id)
        if query.after is not None:
            asked.add("(epoch, version, id) > ({}, {}, {}::uuid)", *query.after)
        if query.types:
            asked.add("event_type = ANY({}::text[])", sorted(TYPE_NAMES[type_] for type_ in query.types))
        if query.participant_id is not None:
            asked.add("participant_id = {}::uuid", query.participant_id)
        if query.group_id is not None:
            asked.add("group_id = {}::uuid", query.group_id)
        asked.bound('"timestamp"', query.start, query.end)
        # A history is read along its index: the planner cannot tell how many events come after a key, takes them for
        # few and would fetch them all to sort them. With a filter that finds few, that is just what is wanted.
        chosen = (query.participant_id, query.group_id, query.start, query.end)
        is_whole = not query.types and all(value is None for value in chosen)
        sql = _EVENTS_AND_BEFORE if query.with_before else _EVENTS
        return await self._page("audit: events", sql, asked, _event, along_index=is_whole)

    async def participant_events(self, query: ParticipantQuery) -> list[AuditedEvent]:
        """Return a participant's events in all sessions, by (occurred_at, change id); raises AuditUnavailable."""
        asked = Conditions(query.tenant, query.limit)
        asked.add("participant_id = {}::uuid", query.participant_id)
        if query.after is not None:
            asked.add('("timestamp", id) > (to_timestamp({}::bigint / 1000.0::float8), {}::uuid)', *query.after)
        if query.types:
            asked.add("event_type = ANY({}::text[])", sorted(TYPE_NAMES[type_] for type_ in query.types))
        asked.bound('"timestamp"', query.start, query.end)
        return await self._page("audit: participant", _PARTICIPANT_EVENTS, asked, _event, along_index=True)

    async def session(self, session_id: str) -> SessionAudit | None:
        """Return what is known of a session, None if nothing is; raises AuditUnavailable."""
        name = name_of(session_id)
        asked = Conditions(name.tenant, 1)
        asked.add("session_id = {}::uuid", name.session_id)
        async with self._moment(name.tenant) as moment:
            found = await moment.fetch(asked.statement("audit: session", _SUMMARY), *asked.values)
            if not found:
                return None
            participants = await moment.fetch(_PARTICIPANTS, *name)
            ((events, forks),) = await moment.fetch(_COUNTS, *name)
        (summary,) = reading("audit: session", _session, found)
        return SessionAudit(summary, tuple(AuditedParticipant(*row) for row in participants), events, forks)

    async def sessions(self, query: SessionQuery) -> list[AuditedSession]:
        """Return sessions, newest first; raises AuditUnavailable."""
        asked = Conditions(query.tenant, query.limit)
        if query.after is not None:
            created_at, session_id = query.after.created_at, name_of(query.after.session_id).session_id
            place = "(created_at, session_id) < (to_timestamp({}::bigint / 1000.0::float8), {}::uuid)"
            asked.add(place, created_at, session_id)
        asked.choose("final_status", sorted(STATUS_NAMES[status] for status in query.statuses))
        asked.choose("sync_mode", sorted(MODE_NAMES[mode] for mode in query.modes))
        asked.bound("created_at", query.start, query.end)
        if query.omit_deleted:
            asked.add("deleted_at IS NULL")
        is_whole = not query.statuses and not query.modes and query.start is None and query.end is None
        return await self._page("audit: sessions", _SUMMARY, asked, _session, along_index=is_whole)

    async def latest(self, session_ids: Sequence[str]) -> list[Session | None]:
        """Return the sessions after their latest version, in the order asked; raises AuditUnavailable."""
        names = [name_of(one) for one in session_ids]
        rows: list[Row] = []
        async with self._database.transaction(reading=True) as connection:
            for tenant, own in groupby(sorted(names), lambda name: name.tenant):
                await connection.fetch(_TENANT, tenant)
                rows += await connection.fetch(_LATEST, tenant, [name.session_id for name in own])
        latest = {one.session_id: one for one in reading(_LATEST.name, _snapshot, rows)}
        return [latest.get(session_id) for session_id in session_ids]

    async def unfinished(self, after: str, count: int) -> list[Session]:
        """Return all tenants' sessions that have neither ended nor been deleted, by tenant and id.

        Raises AuditUnavailable, also where the account may only read: it would find none.
        """
        asked = Conditions(None, count)
        if after:
            asked.add("(tenant, session_id) > ({}, {}::uuid)", *name_of(after))
        return await self._page("audit: unfinished", _UNFINISHED, asked, _snapshot, along_index=True)

    async def _page(
        self, name: str, sql: str, asked: Conditions, read: "Callable[[Row], _R]", *, along_index: bool
    ) -> list[_R]:
        async with self._moment(asked.tenant, paging=along_index) as moment:
            rows = await moment.fetch(asked.statement(name, sql), *asked.values)
        return reading(name, read, rows)

    @asynccontextmanager
    async def _moment(self, tenant: str | None, *, paging: bool = False) -> AsyncIterator[LentConnection]:
        """Lend a connection that sees one moment, and of that one tenant's rows; None: all of them, or it raises."""
        async with self._database.transaction(reading=True, paging=paging) as connection:
            if tenant is None:
                await require_all_tenants(connection)
            else:
                await connection.fetch(_TENANT, tenant)
            yield connection


def _event(row: "Row") -> AuditedEvent:
    *columns, is_fork, recorded_at, before = row
    record = record_of(columns)
    tenant = name_of(record.event.session.session_id).tenant
    return AuditedEvent(record, is_fork, recorded_at, before and decode_session(before, tenant))


def _session(row: "Row") -> AuditedSession:
    tenant, snapshot, total_cycles, total_participants, deleted_at, recorded_at = row
    return AuditedSession(decode_session(snapshot, tenant), total_cycles, total_participants, deleted_at, recorded_at)


def _snapshot(row: "Row") -> Session:
    tenant, snapshot = row
    return decode_session(snapshot, tenant)
