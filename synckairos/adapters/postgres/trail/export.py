"""Walks through the whole audit trail, or a part of it, by the identity of its events: as of one moment, page by page.

The order is that of the primary key, so that every page begins where the one before ended, in every partition.
"""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

from synckairos.adapters.postgres.database import Database, Statement
from synckairos.adapters.postgres.trail.reader import reading
from synckairos.adapters.postgres.trail.rows import EVENT_COLUMNS, record_of
from synckairos.application.trail.audit import AuditRecord, ExportQuery

if TYPE_CHECKING:
    from asyncpg import Record as Row

PAGE: Final = 200
"""Events read at once: of the largest sessions, 50 MB."""

# The reader of the events may be slow; without this the server would end the transaction meanwhile.
_PATIENTLY: Final = Statement("audit: export patiently", "SET LOCAL idle_in_transaction_session_timeout = 0")
_COUNT: Final = "SELECT count(*) FROM sync_events WHERE {}"
_EXPORT: Final = f"""
SELECT session_id, epoch, version, id, {EVENT_COLUMNS}
FROM sync_events
WHERE {{}}
ORDER BY session_id, epoch, version, id
LIMIT {{}}
"""  # noqa: S608 - our own columns
_KEY: Final = 4
"""Columns that a page goes on after."""


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
        async with self._database.transaction(reading=True) as connection:
            await connection.execute(_PATIENTLY)
            while True:
                rows = await connection.fetch(_export(which, len(values), last), *values, *(last or ())[:_KEY])
                for record in reading("audit: export", lambda row: record_of(row[_KEY:]), rows):
                    yield record
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
        place = ", ".join(f"${number}" for number in range(count + 1, count + 1 + _KEY))
        which += f" AND (session_id, epoch, version, id) > ({place})"
    return Statement("audit: export", _EXPORT.format(which, PAGE))
