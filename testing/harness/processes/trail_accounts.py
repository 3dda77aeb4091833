"""A trail that is used by three accounts, as a deployment of several tenants has it: owner, worker, server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import DatabaseOptions
from synckairos.adapters.postgres.schema.book import MigrationOptions, connected
from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.adapters.postgres.schema.rights import Accounts, grant_rights
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer
from testing.harness.processes.databases import own_database, run_sql

OWNER, WORKER, SERVER = "test_owner", "test_worker", "test_server"


class TrailUrls(NamedTuple):
    """One database, as each account reaches it; `admin` may do everything, and no policy holds it."""

    admin: str
    owner: str
    worker: str
    server: str


@asynccontextmanager
async def trail_of_accounts(server: PostgresServer) -> AsyncIterator[TrailUrls]:
    """Give a database with all migrations applied by its owner, dropped afterwards; the accounts stay."""
    async with own_database(server) as url:
        for name in (OWNER, WORKER, SERVER):
            await run_sql(
                url,
                f"DO $$ BEGIN CREATE ROLE {name} LOGIN PASSWORD '{name}'; EXCEPTION WHEN duplicate_object THEN END $$",
            )
        await run_sql(url, f'ALTER DATABASE "{urlsplit(url).path[1:]}" OWNER TO {OWNER}')
        urls = TrailUrls(url, *(as_account(url, name) for name in (OWNER, WORKER, SERVER)))
        await apply_migrations(urls.owner, migrations_folder())
        async with connected(urls.owner, MigrationOptions()) as connection:
            await grant_rights(connection, Accounts(WORKER, SERVER))
        yield urls


@asynccontextmanager
async def connections(url: str) -> AsyncIterator[Database]:
    """Give connections to a database."""
    database = Database(DatabaseOptions(url, pool_min=0))
    try:
        yield database
    finally:
        await database.close()


def as_account(url: str, name: str) -> str:
    """Return the URL of a database for another account, whose password is its name."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{name}:{name}@{parts.netloc.rpartition('@')[2]}").geturl()
