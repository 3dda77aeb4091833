"""The rows of sessions and participants, deleted once the months of all their events are not kept any more.

Sessions that have neither ended nor been deleted stay however old they are: recovery brings them back from their row.
"""

import datetime as dt
from typing import TYPE_CHECKING, Final, NamedTuple

from synckairos.adapters.postgres.schema.partitions import month_of

if TYPE_CHECKING:
    from asyncpg import Connection

BATCH: Final = 5_000
"""Sessions in one transaction: their writers, if there are any, wait for it."""

_OLD: Final = """
    created_at < $1 AND last_updated_at < $1
    AND (deleted_at IS NOT NULL OR final_status IN ('expired', 'completed', 'cancelled'))
"""
_COUNT: Final = f"""
WITH old AS (SELECT tenant, session_id FROM sync_sessions WHERE {_OLD})
SELECT (SELECT count(*) FROM old), (SELECT count(*) FROM sync_participants JOIN old USING (tenant, session_id))
"""  # noqa: S608 - our own conditions
_DELETE: Final = f"""
WITH old AS (
    SELECT tenant, session_id FROM sync_sessions WHERE {_OLD}
    ORDER BY created_at, tenant, session_id
    LIMIT $2
    FOR UPDATE
),
participants AS (
    DELETE FROM sync_participants AS p USING old
    WHERE (p.tenant, p.session_id) = (old.tenant, old.session_id) RETURNING 1
),
sessions AS (
    DELETE FROM sync_sessions AS s USING old
    WHERE (s.tenant, s.session_id) = (old.tenant, old.session_id) RETURNING 1
)
SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM participants)
"""  # noqa: S608 - our own conditions


class Forgotten(NamedTuple):
    """Rows deleted, or that would be, of sessions whose last change was before `before`."""

    before: dt.datetime
    sessions: int
    participants: int


async def forget_sessions(
    connection: "Connection", keep_months: int, *, dry_run: bool = False, today: dt.date | None = None
) -> Forgotten:
    """Delete the rows of sessions that ended before the last `keep_months` months before this one, batch by batch."""
    oldest = (await month_of(connection, today)).plus(-keep_months)
    before = dt.datetime(oldest.year, oldest.number, 1, tzinfo=dt.UTC)
    if dry_run:
        ((sessions, participants),) = await connection.fetch(_COUNT, before)
        return Forgotten(before, sessions, participants)
    total = Forgotten(before, 0, 0)
    while True:
        ((sessions, participants),) = await connection.fetch(_DELETE, before, BATCH)
        total = Forgotten(before, total.sessions + sessions, total.participants + participants)
        if sessions < BATCH:
            return total
