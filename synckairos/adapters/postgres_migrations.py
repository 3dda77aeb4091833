"""Applies `migrations/NNN_what.sql` in order: one transaction a file, under an advisory lock, checksums kept."""

import hashlib
import re
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg

LOCK_KEY: Final = 0x5359_4E43
CONNECT_S: Final = 5.0
_NAME: Final = re.compile(r"(\d{3,})_[a-z0-9_]+\.sql")
_UP: Final = "-- migrate:up"
_DOWN: Final = "-- migrate:down"

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    checksum   TEXT NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
)
"""


class MigrationError(Exception):
    """The files and the database do not go together."""


class Migration(NamedTuple):
    """One file."""

    version: str
    name: str
    up: str
    checksum: str


def read_migrations(folder: Path) -> list[Migration]:
    """Return the folder's migrations in order; raises MigrationError for a file that is none."""
    return [_read(path) for path in sorted(folder.glob("*.sql"))]


def _read(path: Path) -> Migration:
    match = _NAME.fullmatch(path.name)
    text = path.read_text(encoding="utf-8")
    if match is None or _UP not in text:
        raise MigrationError(f"{path.name}: must be named NNN_what.sql and have a `{_UP}` section")
    up = text.split(_UP, 1)[1].split(_DOWN, 1)[0]
    return Migration(match[1], path.stem, up, hashlib.sha256(text.encode()).hexdigest())


async def apply_migrations(database_url: str, folder: Path) -> list[str]:
    """Apply what is not applied yet and return the names; a second runner waits for the first.

    Raises MigrationError for an applied file that was edited since; then nothing is applied.
    """
    migrations = read_migrations(folder)
    connection = await asyncpg.connect(database_url, timeout=CONNECT_S)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        await connection.execute(_TABLE)
        rows = await connection.fetch("SELECT version, checksum FROM schema_migrations")
        applied = {row["version"]: row["checksum"] for row in rows}
        for migration in migrations:
            if applied.get(migration.version, migration.checksum) != migration.checksum:
                raise MigrationError(f"{migration.name} was edited after it had been applied")
        pending = [migration for migration in migrations if migration.version not in applied]
        for migration in pending:
            await _apply(connection, migration)
        return [migration.name for migration in pending]
    finally:
        await connection.close()


async def _apply(connection: "asyncpg.Connection", migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.up)
        await connection.execute(
            "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
            migration.version,
            migration.name,
            migration.checksum,
        )
