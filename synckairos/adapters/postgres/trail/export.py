"""Walks through the whole audit trail, or a part of it, by the identity of its events: as of one moment, page by page.

The order is that of the primary key, so that every page begins where the one before ended, in every partition.
"""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

from synckairos.adapters.postgres.database import Database, Statement
from synckairos.adapters.postgres.trail.conditions import Conditions
from synckairos.adapters.postgres.trail.reader import reading, require_all_tenants
from synckairos.adapters.postgres.trail.rows import EVENT_COLUMNS, record_of
from synckairos.application.trail.audit import AuditRecord, ExportQuery
from synckairos.domain.tenancy import name_of

if TYPE_CHECKING:
    from asyncpg import Record as Row

PAGE: Final = 200
"""Events read at once: of the largest sessions, 50 MB."""

# The reader of the events may be slow; without this the server would end the transaction meanwhile.
_PATIENTLY: Final = Statement("audit: export patiently", "SET LOCAL idle_in_transaction_session_timeout = 0")
_COUNT: Final = "SELECT count(*) FROM sync_events WHERE {}"
_EXPORT: Final = f"""
SELECT session_id, tenant, epoch, version, id, {EVENT_COLUMNS}
FROM sync_events
WHERE {{}}
ORDER BY session_id, tenant, epoch, version, id
"""  # noqa: S608 - our own columns
_KEY: Final = 5
"""Columns that a page goes on after."""


class PostgresAuditExport:
    """Hands out the whole trail, or a part of it, as of one moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, query: ExportQuery) -> int:
        """Return how many events there are now; raises AuditUnavailable."""
        asked = _asked(query, None)
        async with self._database.transaction(reading=True) as connection:
            await require_all_tenants(connection)
            ((count,),) = await connection.fetch(asked.statement("audit: count export", _COUNT), *asked.values)
        return int(count)

    async def records(self, query: ExportQuery) -> AsyncGenerator[AuditRecord, None]:
        """Yield the events in order, all as of one moment; raises AuditUnavailable."""
        last: Row | None = None
        async with self._database.transaction(reading=True) as connection:
            await require_all_tenants(connection)
            await connection.execute(_PATIENTLY)
            while True:
                asked = _asked(query, last)
                rows = await connection.fetch(asked.statement("audit: export", f"{_EXPORT}LIMIT {PAGE}"), *asked.values)
                for record in reading("audit: export", lambda row: record_of(row[_KEY:]), rows):
                    yield record
                if len(rows) < PAGE:
                    return
                last = rows[-1]


def _asked(query: ExportQuery, last: "Row | None") -> Conditions:
    """Return what a query asks for, of the rows after the last one."""
    asked = Conditions(query.tenant)
    names = [name_of(one) for one in query.session_ids]
    if names:
        pairs = [name.tenant for name in names], [name.session_id for name in names]
        asked.add("(tenant, session_id) IN (SELECT * FROM unnest({}::text[], {}::uuid[]))", *pairs)
    asked.bound('"timestamp"', query.start, query.end)
    if last is not None:
        asked.add("(session_id, tenant, epoch, version, id) > ({}, {}, {}, {}, {})", *last[:_KEY])
    return asked
