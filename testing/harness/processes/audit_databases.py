"""Databases with the tables of the audit trail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import DatabaseOptions
from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer
from testing.harness.processes.databases import own_database, run_sql


@asynccontextmanager
async def audit_database(server: PostgresServer) -> AsyncIterator[str]:
    """Give the URL of a database with all migrations applied, dropped afterwards."""
    async with own_database(server) as url:
        await apply_migrations(url, migrations_folder())
        yield url


@asynccontextmanager
async def emptied(url: str, pool_max: int = 8) -> AsyncIterator[Database]:
    """Give connections to such a database with nothing in it."""
    await run_sql(url, "TRUNCATE sync_sessions, sync_participants, sync_events")
    database = Database(DatabaseOptions(url, pool_min=0, pool_max=pool_max))
    try:
        yield database
    finally:
        await database.close()
