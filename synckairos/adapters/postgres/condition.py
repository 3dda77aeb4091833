"""How a PostgreSQL is set up, and what its account may do."""

import time
from typing import Final, NamedTuple

from synckairos.adapters.postgres.database import Database, Statement

TABLES: Final = ("sync_sessions", "sync_participants", "sync_events")
READINGS: Final = 5
_CONDITION: Final = Statement(
    "doctor: condition",
    """
    SELECT current_setting('server_version_num')::int, current_setting('server_version'), pg_is_in_recovery(),
           (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
           (SELECT rolbypassrls FROM pg_roles WHERE rolname = current_user), current_user::text
    """,
)
_RIGHTS: Final = Statement(
    "doctor: rights",
    """
    SELECT relname::text, has_table_privilege(oid, 'SELECT'), has_table_privilege(oid, 'INSERT')
           AND has_table_privilege(oid, 'UPDATE')
    FROM pg_class
    WHERE relname = ANY ($1) AND relnamespace = to_regnamespace(quote_ident(current_schema()))
    """,
)
# An owner who has taken the right from itself can give it back.
_WRITER: Final = Statement(
    "account: rights",
    """
    SELECT current_user::text, bool_or(has_table_privilege(oid, 'INSERT') OR pg_has_role(relowner, 'MEMBER'))
    FROM pg_class
    WHERE relname = ANY ($1) AND relnamespace = to_regnamespace(quote_ident(current_schema()))
    """,
)
_CLOCK: Final = Statement("doctor: clock", "SELECT extract(epoch FROM clock_timestamp())::float8")


class DatabaseCondition(NamedTuple):
    """What the server says of itself and of the account."""

    number: int
    version: str
    is_standby: bool
    is_superuser: bool
    passes_policies: bool
    account: str


class TableRights(NamedTuple):
    """What the account may do with a table that is there."""

    table: str
    may_read: bool
    may_write: bool


async def database_condition(database: Database) -> DatabaseCondition:
    """Return how the server is set up; raises AuditUnavailable."""
    (row,) = await database.fetch(_CONDITION)
    return DatabaseCondition(*row)


async def table_rights(database: Database) -> list[TableRights]:
    """Return the rights of the account, of the tables that are there; raises AuditUnavailable."""
    return [TableRights(*row) for row in await database.fetch(_RIGHTS, TABLES)]


async def writer_of_trail(database: Database) -> str | None:
    """Return the account if it could write the trail, empty if not, None without tables; raises AuditUnavailable."""
    ((account, may_write),) = await database.fetch(_WRITER, TABLES)
    if may_write is None:
        return None
    return str(account) if may_write else ""


async def clock_ahead_ms(database: Database) -> tuple[float, float]:
    """Return by how much the server's clock is ahead of this machine's, and within what that is true.

    Raises AuditUnavailable.
    """
    readings = []
    for _ in range(READINGS):
        before = time.time()
        ((seconds,),) = await database.fetch(_CLOCK)
        after = time.time()
        readings.append(((seconds - (before + after) / 2) * 1e3, (after - before) / 2 * 1e3))
    return min(readings, key=lambda reading: reading[1])
