"""Rows from before there were tenants: they become default's, can be read at once, and the way back loses none."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import copy

import asyncpg
import pytest

from synckairos.adapters.postgres.schema.migrate import apply_migrations, revert_migrations
from synckairos.adapters.postgres.schema.partitions import ensure_partitions
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer
from testing.harness.processes.databases import ask, own_database, write_events

BEFORE = 6
"""The last migration without tenants."""
NOW = dt.datetime.now(dt.UTC)
TABLES = ("sync_sessions", "sync_participants", "sync_events")


@pytest.fixture
async def url(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[str]:
    """A trail as the version before left it, with rows in a month's partition and in the DEFAULT one."""
    for path in sorted(migrations_folder().glob("*.sql"))[:BEFORE]:
        copy(path, tmp_path)
    async with own_database(postgres_server) as url:
        await apply_migrations(url, tmp_path)
        connection = await asyncpg.connect(url)
        await ensure_partitions(connection)
        for _ in range(3):
            await write_events(connection, [NOW, NOW - dt.timedelta(days=400)])
        await connection.close()
        yield url


async def content(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of every table without the columns that are new."""
    new = " - 'tenant' - 'on_behalf_of'"
    return {one: await ask(url, f"SELECT (to_jsonb(t){new})::text FROM {one} AS t ORDER BY 1") for one in TABLES}


async def test_old_rows_are_those_of_default(url: str) -> None:
    """Nothing else about them changes, there or back."""
    before = await content(url)

    await apply_migrations(url, migrations_folder())
    after = await content(url)
    tenants = [await ask(url, f"SELECT tenant, count(*) FROM {one} GROUP BY 1") for one in TABLES]
    whom = await ask(url, "SELECT DISTINCT on_behalf_of FROM sync_events")
    undone = await revert_migrations(url, migrations_folder(), 4, may_lose=True)

    assert (after, whom) == (before, [("",)])
    assert tenants == [[("default", 3)], [("default", 3)], [("default", 6)]]
    assert len(undone) == 4
    assert await content(url) == before


async def test_the_program_before_can_read_and_its_writes_wait(url: str) -> None:
    """Its reads name no tenant, and find what they found; its writes fail for the moment, and are not thrown away."""
    await apply_migrations(url, migrations_folder())
    connection = await asyncpg.connect(url)
    read = await connection.fetch(
        "SELECT version FROM sync_events WHERE session_id IN (SELECT session_id FROM sync_sessions)"
    )

    with pytest.raises(asyncpg.InvalidColumnReferenceError) as refused:
        await connection.execute(
            "INSERT INTO sync_sessions (session_id) VALUES (gen_random_uuid()) ON CONFLICT (session_id) DO NOTHING"
        )

    await connection.close()
    assert len(read) == 6
    assert str(refused.value.sqlstate).startswith("42")
