"""Walks through the whole audit trail, or a part of it, by the identity of its events: as of one moment, page by page.

The order is that of the primary key, so that every page begins where the one before ended, in every partition.
"""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

from synckairos.adapters.postgres.database import Database, Statement
from synckairos.adapters.postgres.errors import SchemaMismatch
from synckairos.adapters.postgres.trail.rows import CAUSE_NAMES, TYPE_NAMES
from synckairos.adapters.postgres.trail.snapshot import UnreadableSnapshotError, decode_session
from synckairos.application.audit import AuditRecord, ExportQuery
from synckairos.domain.events import Author, Event, Subject

if TYPE_CHECKING:
    from asyncpg import Record as Row

PAGE: Final = 200
"""Events read at once: of the largest sessions, 50 MB."""

_TYPES: Final = {name: type_ for type_, name in TYPE_NAMES.items()}
_CAUSES: Final = {name: cause for cause, name in CAUSE_NAMES.items()}

# Whoever takes the events may take his time; without this the server would end the transaction meanwhile.
_PATIENTLY: Final = Statement("audit: export patiently", "SET LOCAL idle_in_transaction_session_timeout = 0")
_COUNT: Final = "SELECT count(*) FROM sync_events WHERE {}"
_EXPORT: Final = """
SELECT
    session_id, epoch, version, id, event_type, cause, actor, reason, participant_id::text AS participant_id,
    group_id::text AS group_id, time_elapsed_ms, time_remaining_ms,
    round(extract(epoch FROM fired_at) * 1000)::bigint AS fired_at, state_snapshot::text AS snapshot,
    request_id, peer, changed_fields
FROM sync_events
WHERE {}
ORDER BY session_id, epoch, version, id
LIMIT {}
"""


class PostgresAuditExport:
    """Hands out the whole trail, or a part of it, as of one moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, query: ExportQuery) -> int:
        """Return how many events there are now; raises AuditUnavailable."""
        which, values = _which(query)
        ((count,),) = await self._database.fetch(Statement("audit: count export", _COUNT.format(which)), *values)
        return int(count)

    async def records(self, query: ExportQuery) -> AsyncGenerator[AuditRecord, None]:
        """Yield the events in order, all as of one moment; raises AuditUnavailable."""
        which, values = _which(query)
        last: Row | None = None
        async with self._database.transaction(reading=True) as session:
            await session.execute(_PATIENTLY)
            while True:
                rows = await session.fetch(_export(which, len(values), last), *values, *_place(last))
                for row in rows:
                    yield _record(row)
                if len(rows) < PAGE:
                    return
                last = rows[-1]


def _which(query: ExportQuery) -> tuple[str, list[object]]:
    """Return the conditions of a query and their values: what is not asked for must not stand in the plan's way."""
    values: list[object] = []
    conditions = ["true"]
    for condition, value in (
        ("session_id = ANY (${}::uuid[])", list(query.session_ids) or None),
        ("\"timestamp\" >= to_timestamp(0) + ${}::bigint * interval '1 ms'", query.start),
        ("\"timestamp\" < to_timestamp(0) + ${}::bigint * interval '1 ms'", query.end),
    ):
        if value is not None:
            values.append(value)
            conditions.append(condition.format(len(values)))
    return " AND ".join(conditions), values


def _export(which: str, count: int, last: "Row | None") -> Statement:
    if last is not None:
        place = ", ".join(f"${number}" for number in range(count + 1, count + 5))
        which += f" AND (session_id, epoch, version, id) > ({place})"
    return Statement("audit: export", _EXPORT.format(which, PAGE))


def _place(last: "Row | None") -> tuple[object, ...]:
    return () if last is None else (last["session_id"], last["epoch"], last["version"], last["id"])


def _record(row: "Row") -> AuditRecord:
    subject = Subject(row["participant_id"], row["group_id"], row["time_elapsed_ms"], row["time_remaining_ms"])
    try:
        event = Event(
            _TYPES[row["event_type"]],
            _CAUSES[row["cause"]],
            Author(row["actor"], row["reason"]),
            subject,
            row["fired_at"],
            decode_session(row["snapshot"]),
        )
    except (UnreadableSnapshotError, KeyError) as error:
        raise SchemaMismatch(f"the audit trail holds what this version cannot read (audit: export): {error}") from error
    return AuditRecord(event, row["request_id"], row["peer"], tuple(row["changed_fields"]))
