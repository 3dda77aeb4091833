"""Databases with the tables of the trail."""

from collections.abc import AsyncIterator

import pytest

from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer
from testing.harness.processes.databases import own_database
from tests.e2e.audit.audit_commands import RECORDS, write


@pytest.fixture
async def empty(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with the tables of the trail, and nothing in them."""
    async with own_database(postgres_server) as url:
        await apply_migrations(url, migrations_folder())
        yield url


@pytest.fixture
async def filled(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with five lives of 7 events each."""
    async with own_database(postgres_server) as url:
        await apply_migrations(url, migrations_folder())
        await write(url, RECORDS)
        yield url
