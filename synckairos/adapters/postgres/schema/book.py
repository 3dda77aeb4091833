"""A connection for one command on the schema: its settings, its lock, and the table of applied migrations."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import asyncpg

from synckairos.adapters.postgres.connection import open_connection
from synckairos.adapters.postgres.errors import (
    DATABASE_ERRORS,
    ConnectionFailed,
    DatabaseMissing,
    OutOfResources,
    explain,
    named_error,
)
from synckairos.adapters.postgres.schema.files import Migration, MigrationError
from synckairos.adapters.postgres.schema.history import Applied

if TYPE_CHECKING:
    from asyncpg import Connection

    from synckairos.adapters.postgres.connection import OwnConnection
    from synckairos.adapters.postgres.options import Tls

LOCK_CLASS: Final = 0x5359_4E43
LOCK_POLL_S: Final = 0.2
CONNECT_POLL_S: Final = 0.5
_LOCK_KEY: Final = "hashtext(coalesce(current_schema(), '')) & 2147483647"

# dbmate reads and writes `version`; the other columns are ours.
_TABLE: Final = """
CREATE TABLE schema_migrations (
    version     VARCHAR(128) PRIMARY KEY,
    name        TEXT,
    checksum    TEXT,
    applied_at  TIMESTAMPTZ DEFAULT now(),
    duration_ms BIGINT
)
"""
_MORE_COLUMNS: Final = """
ALTER TABLE schema_migrations
    ADD COLUMN IF NOT EXISTS name TEXT,
    ADD COLUMN IF NOT EXISTS checksum TEXT,
    ADD COLUMN IF NOT EXISTS applied_at TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS duration_ms BIGINT,
    ALTER COLUMN applied_at SET DEFAULT now()
"""
# By way of JSON, since a table that dbmate made lacks columns.
_APPLIED: Final = """
SELECT found ->> 'version', found ->> 'name', found ->> 'checksum',
       (found ->> 'applied_at')::timestamptz, (found ->> 'duration_ms')::bigint
FROM (SELECT to_jsonb(schema_migrations) AS found FROM schema_migrations) AS book
"""
_COLUMNS: Final = """
SELECT count(*) FROM pg_attribute
WHERE attrelid = to_regclass('schema_migrations') AND attnum > 0 AND NOT attisdropped
  AND attname IN ('version', 'name', 'checksum', 'applied_at', 'duration_ms')
"""


def _silent(_: str) -> None:
    """Discard the text."""


class MigrationOptions(NamedTuple):
    """How a command works on the schema; times in seconds, 0 for no limit.

    `schema` None leaves the search path as the URL and the server have it. `tell` takes a line of text for every step.
    """

    schema: str | None = None
    tls: "Tls | None" = None
    connect_s: float = 5.0
    lock_s: float = 10.0
    statement_s: float = 0.0
    tell: Callable[[str], None] = _silent
    ssh: str = ""


@asynccontextmanager
async def connected(database_url: str, options: MigrationOptions) -> "AsyncIterator[Connection]":
    """Give a connection whose search path is the schema; raises MigrationError where PostgreSQL refuses anything."""
    connection = None
    try:
        connection = await _open(database_url, options)
        yield connection
        await connection.close(timeout=options.connect_s)
    except DATABASE_ERRORS as error:
        raise MigrationError(explain(error, database_url)) from error
    finally:
        if connection is not None:
            # Does nothing after a close; else does not wait for a statement that was cut short.
            connection.terminate()


async def await_database(database_url: str, options: MigrationOptions, patience_s: float) -> None:
    """Wait until the database takes connections, for `patience_s` at most; raises MigrationError.

    Waits only for what passes by itself: nothing listens yet, the server is starting, its connections are taken, the
    database is yet to be made.
    """
    until = time.monotonic() + patience_s
    is_waiting = False
    while True:
        try:
            connection = await _open(database_url, options)
        except DATABASE_ERRORS as error:
            passes = isinstance(named_error(error), ConnectionFailed | DatabaseMissing | OutOfResources)
            if not passes or time.monotonic() >= until:
                raise MigrationError(explain(error, database_url)) from error
            if not is_waiting:
                options.tell(f"{explain(error, database_url)}: waiting for it")
                is_waiting = True
        else:
            await connection.close(timeout=options.connect_s)
            return
        await asyncio.sleep(CONNECT_POLL_S)


async def _open(database_url: str, options: MigrationOptions) -> "OwnConnection":
    settings = {
        "application_name": "synckairos-migrate",
        "lock_timeout": f"{int(options.lock_s * 1_000)}ms",
        "statement_timeout": f"{int(options.statement_s * 1_000)}ms",
    }
    if options.schema is not None:
        quoted = options.schema.replace('"', '""')
        settings["search_path"] = f'"{quoted}"'
    return await open_connection(database_url, options.tls, options.connect_s, settings, ssh=options.ssh)


async def take_lock(connection: "Connection", options: MigrationOptions) -> None:
    """Take the lock of this schema until the connection ends; waits for another runner as long as it takes.

    The lock is asked for again and again rather than waited for: a waiting statement holds a snapshot, for which a
    `CREATE INDEX CONCURRENTLY` of the other runner would wait in turn.
    """
    is_waiting = False
    while not await connection.fetchval(f"SELECT pg_try_advisory_lock($1, {_LOCK_KEY})", LOCK_CLASS):
        if not is_waiting:
            options.tell("another runner is at work on this schema: waiting until it is done")
            is_waiting = True
        await asyncio.sleep(LOCK_POLL_S)


async def create_schema(connection: "Connection", options: MigrationOptions) -> None:
    """Create the schema that the options name, unless it is there."""
    # Asked first: IF NOT EXISTS wants the privilege even where there is nothing to do.
    known = await connection.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", options.schema)
    if options.schema is None or known:
        return
    quoted = await connection.fetchval("SELECT quote_ident($1)", options.schema)
    try:
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted}")
    except asyncpg.UniqueViolationError:
        options.tell(f"another runner has just created the schema {options.schema}")


async def prepare_book(connection: "Connection") -> None:
    """Create `schema_migrations`, or bring one that dbmate made up to ours."""
    if not await connection.fetchval("SELECT to_regclass('schema_migrations')"):
        await connection.execute(_TABLE)
    elif await connection.fetchval(_COLUMNS) < len(Applied._fields):
        await connection.execute(_MORE_COLUMNS)


async def read_book(connection: "Connection") -> list[Applied]:
    """Return the applied migrations; none if there is no table yet. Changes nothing."""
    if not await connection.fetchval("SELECT to_regclass('schema_migrations')"):
        return []
    return [Applied(*row) for row in await connection.fetch(_APPLIED)]


async def note(connection: "Connection", migration: Migration, took_ms: int) -> None:
    """Write down that a migration is applied."""
    await connection.execute(
        "INSERT INTO schema_migrations (version, name, checksum, duration_ms) VALUES ($1, $2, $3, $4)",
        migration.version,
        migration.name,
        migration.checksum,
        took_ms,
    )


async def forget(connection: "Connection", migration: Migration, _: int) -> None:
    """Write down that a migration is not applied any more."""
    await connection.execute("DELETE FROM schema_migrations WHERE version::bigint = $1", int(migration.version))
