"""Writes events into the audit trail: any number of them, in any order, any number of times, one transaction a call.

Every transaction first locks the rows of its sessions, in the order of tenants and ids: writers of the same session
take turns, and none waits for another in a circle. Under that lock the session's row tells how far the trail goes, so
that forks have to be looked for only where something is written that is not newer than that.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from synckairos.adapters.postgres.database import Database, LentConnection
from synckairos.adapters.postgres.errors import Conflicted
from synckairos.adapters.postgres.trail.facts import NOWHERE, Place
from synckairos.adapters.postgres.trail.rows import Batch, arrange
from synckairos.adapters.postgres.trail.sql import (
    ADD_EVENTS,
    ADD_SESSIONS,
    FLAG_FORKS,
    LOCK_SESSIONS,
    PUT_PARTICIPANTS,
    UPDATE_SESSIONS,
)
from synckairos.application.trail.audit import AuditRecord, Written
from synckairos.domain.tenancy import name_of, qualify

if TYPE_CHECKING:
    from asyncpg import Record as Row

Version: TypeAlias = tuple[str, int, int]
"""Qualified id of the session, epoch, version."""

ATTEMPTS: Final = 10
"""How often a batch starts over because other writers have just added its sessions."""


class _SessionsAppearedError(Exception):
    """Another writer added a session that this one was about to add: it has to be locked in its place of the order."""


class PostgresAuditTrail:
    """The port AuditTrail on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, records: Sequence[AuditRecord]) -> Written:
        """Write the records in one transaction; raises AuditUnavailable, or AuditRefused, then nothing is written."""
        if not records:
            return Written(0, 0, 0)
        batch = arrange(records)
        for _ in range(ATTEMPTS):
            try:
                async with self._database.transaction() as connection:
                    return await _write(connection, batch)
            except _SessionsAppearedError:
                continue
        raise Conflicted("other writers kept adding the same sessions")


async def _write(connection: LentConnection, batch: Batch) -> Written:
    reached = await _lock_sessions(connection, batch)
    await _put_sessions(connection, batch, reached)
    rows = await connection.fetch(ADD_EVENTS, *zip(*batch.events, strict=True))
    forks = await _flag_forks(connection, rows, reached) if rows else 0
    if batch.participants:
        await connection.fetch(PUT_PARTICIPANTS, *zip(*batch.participants, strict=True))
    return Written(len(rows), len(batch.events) - len(rows), forks)


async def _lock_sessions(connection: LentConnection, batch: Batch) -> dict[str, Place]:
    """Lock the sessions that have a row already; return how far the trail goes for them."""
    rows = await connection.fetch(LOCK_SESSIONS, *zip(*map(name_of, batch.sessions), strict=True))
    return {qualify(row[0], row[1]): (row[2], row[3], row[4], row[5]) for row in rows}


async def _put_sessions(connection: LentConnection, batch: Batch, reached: dict[str, Place]) -> None:
    added = [row for session_id, row in batch.sessions.items() if session_id not in reached]
    moved = [batch.sessions[one] for one, place in reached.items() if batch.places[one] > place]
    if added and len(await connection.fetch(ADD_SESSIONS, *zip(*added, strict=True))) < len(added):
        raise _SessionsAppearedError
    if moved:
        await connection.fetch(UPDATE_SESSIONS, *zip(*moved, strict=True))


async def _flag_forks(connection: LentConnection, rows: "list[Row]", reached: dict[str, Place]) -> int:
    """Flag every event that shares its version with another one; return how many of the new rows do.

    A version can have another change only if the trail had reached it before, or if two new rows share it.
    """
    versions = _versions(rows)
    seen: set[Version] = set()
    suspects: set[Version] = set()
    for one in versions:
        if one in seen or one[1:] <= reached.get(one[0], NOWHERE)[:2]:
            suspects.add(one)
        seen.add(one)
    if not suspects:
        return 0
    asked = [(*name_of(qualified_id), epoch, version) for qualified_id, epoch, version in sorted(suspects)]
    forks = set(_versions(await connection.fetch(FLAG_FORKS, *zip(*asked, strict=True))))
    return sum(one in forks for one in versions)


def _versions(rows: "list[Row]") -> list[Version]:
    return [(qualify(tenant, session_id), epoch, version) for tenant, session_id, epoch, version in rows]
