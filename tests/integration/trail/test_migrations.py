"""Migrations against a real PostgreSQL: in order, once, all or nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from synckairos.adapters.postgres.schema.book import MigrationOptions
from synckairos.adapters.postgres.schema.files import MigrationError
from synckairos.adapters.postgres.schema.history import State
from synckairos.adapters.postgres.schema.migrate import (
    apply_migrations,
    read_status,
    revert_migrations,
)
from synckairos.devstack import PostgresServer
from testing.harness.processes.databases import ask, own_database, run_sql, tables, write_migration
from testing.harness.waiting import eventually


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The URL of an empty database of this test's own."""
    async with own_database(postgres_server) as url:
        yield url


async def test_files_are_applied_in_order_and_once(database: str, tmp_path: Path) -> None:
    """The second run finds nothing to do, and a new file is all the third one applies."""
    write_migration(tmp_path, "001_one.sql", "CREATE TABLE one (id int);")
    write_migration(tmp_path, "002_two.sql", "ALTER TABLE one ADD COLUMN more int;")

    first = await apply_migrations(database, tmp_path)
    second = await apply_migrations(database, tmp_path)
    write_migration(tmp_path, "003_three.sql", "CREATE TABLE three (id int);")
    third = await apply_migrations(database, tmp_path)

    assert (first, second, third) == (["001_one", "002_two"], [], ["003_three"])
    assert await tables(database) == {"one", "three", "schema_migrations"}


async def test_what_was_applied_is_written_down(database: str, tmp_path: Path) -> None:
    """Version, name, when and how long it took; files of five digits come after those of three."""
    write_migration(tmp_path, "00900_late.sql", "SELECT 1;")
    write_migration(tmp_path, "002_early.sql", "SELECT pg_sleep(0.02);")

    await apply_migrations(database, tmp_path)
    early, late = await read_status(database, tmp_path)

    assert (early.name, early.state, late.name) == ("002_early", State.APPLIED, "00900_late")
    assert early.row is not None
    assert early.row.duration_ms is not None
    assert early.row.duration_ms >= 20
    assert early.row.applied_at is not None
    assert early.row.applied_at.tzinfo is not None


async def test_a_failing_file_leaves_nothing_of_itself(database: str, tmp_path: Path) -> None:
    """One transaction a file: what came before stays, half a file does not; the file and the line are named."""
    write_migration(tmp_path, "001_good.sql", "CREATE TABLE good (id int);")
    write_migration(tmp_path, "002_bad.sql", "CREATE TABLE half (id int);\nSELECT nothing_like_it;")

    with pytest.raises(MigrationError, match=r"002_bad\.sql, line 3: .*nothing_like_it.*SQLSTATE 42703"):
        await apply_migrations(database, tmp_path)

    assert await tables(database) == {"good", "schema_migrations"}
    assert [entry.state for entry in await read_status(database, tmp_path)] == [State.APPLIED, State.PENDING]


async def test_two_runners_at_once_apply_every_file_once(database: str, tmp_path: Path) -> None:
    """The second waits for the first, says so, and finds nothing left."""
    write_migration(tmp_path, "001_slow.sql", "CREATE TABLE slow (id int); SELECT pg_sleep(0.5);")
    told: list[str] = []
    options = MigrationOptions(tell=told.append)

    outcomes = await asyncio.gather(*(apply_migrations(database, tmp_path, options) for _ in range(2)))

    assert sorted(outcomes) == [[], ["001_slow"]]
    assert sum("waiting" in text for text in told) == 1


async def test_a_waiting_runner_does_not_hold_up_a_concurrent_index(database: str, tmp_path: Path) -> None:
    """An index built concurrently waits for every snapshot: a runner that waits for the lock must hold none."""
    write_migration(
        tmp_path, "001_table.sql", "CREATE TABLE wide (id int); INSERT INTO wide SELECT generate_series(1, 50000);"
    )
    write_migration(
        tmp_path, "002_index.sql", "CREATE INDEX CONCURRENTLY by_id ON wide (id);", mark=" transaction:false"
    )

    outcomes = await asyncio.gather(*(apply_migrations(database, tmp_path) for _ in range(3)))

    assert sorted(outcomes) == [[], [], ["001_table", "002_index"]]


async def test_a_lock_ends_with_its_runner(database: str, tmp_path: Path) -> None:
    """A runner that was cut off leaves no lock behind, and nothing half done."""
    write_migration(tmp_path, "001_slow.sql", "CREATE TABLE slow (id int); SELECT pg_sleep(30);")
    runner = asyncio.create_task(apply_migrations(database, tmp_path))
    at_work = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()"
    await eventually(lambda: ask(database, at_work), pause_s=0.02)
    runner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await runner
    write_migration(tmp_path, "001_slow.sql", "CREATE TABLE slow (id int);")

    async with asyncio.timeout(20):
        again = await apply_migrations(database, tmp_path)

    assert again == ["001_slow"]


async def test_a_schema_of_its_own_is_made_and_kept_apart(database: str, tmp_path: Path) -> None:
    """The same files in two schemas: tables and book twice, each undone for itself."""
    write_migration(tmp_path, "001_one.sql", "CREATE TABLE one (id int);", "DROP TABLE one;")
    apart = MigrationOptions(schema="of test")

    await apply_migrations(database, tmp_path)
    in_schema = await apply_migrations(database, tmp_path, apart)
    undone = await revert_migrations(database, tmp_path, 1)

    assert (in_schema, undone) == (["001_one"], ["001_one"])
    assert await tables(database, "of test") == {"one", "schema_migrations"}
    assert await tables(database) == {"schema_migrations"}


async def test_a_table_in_use_is_not_waited_for_forever(database: str, tmp_path: Path) -> None:
    """The lock timeout ends the wait, the file leaves nothing, and the text says what to do."""
    await run_sql(database, "CREATE TABLE busy (id int)")
    write_migration(tmp_path, "001_alter.sql", "CREATE TABLE other (id int); ALTER TABLE busy ADD COLUMN more int;")
    reader = await asyncpg.connect(database)
    transaction = reader.transaction()
    await transaction.start()
    await reader.fetch("SELECT * FROM busy")

    with pytest.raises(MigrationError, match="something else uses the table"):
        await apply_migrations(database, tmp_path, MigrationOptions(lock_s=0.2))
    await transaction.rollback()
    await reader.close()

    assert await tables(database) == {"busy", "schema_migrations"}


async def test_a_book_of_dbmate_is_read_and_completed(database: str, tmp_path: Path) -> None:
    """What another tool applied counts as applied; it has no checksum to compare."""
    await run_sql(
        database,
        "CREATE TABLE schema_migrations (version varchar(128) primary key)",
        "INSERT INTO schema_migrations (version) VALUES ('001')",
    )
    write_migration(tmp_path, "001_one.sql", "SELECT 1/0;")
    write_migration(tmp_path, "002_two.sql", "CREATE TABLE two (id int);")

    before = await read_status(database, tmp_path)
    applied = await apply_migrations(database, tmp_path)

    assert [entry.state for entry in before] == [State.APPLIED, State.PENDING]
    assert applied == ["002_two"]
    # As dbmate does it: with the version only.
    await run_sql(database, "INSERT INTO schema_migrations (version) VALUES ('003')")
    assert await ask(database, "SELECT version FROM schema_migrations ORDER BY 1") == [("001",), ("002",), ("003",)]


async def test_reading_the_status_changes_nothing(database: str, tmp_path: Path) -> None:
    """Neither the book nor the schema is made by looking."""
    write_migration(tmp_path, "001_one.sql", "CREATE TABLE one (id int);")

    (entry,) = await read_status(database, tmp_path, MigrationOptions(schema="absent"))

    assert entry.state is State.PENDING
    assert await tables(database) == set()
    assert await ask(database, "SELECT 1 FROM pg_namespace WHERE nspname = 'absent'") == []


async def test_a_file_that_sets_a_search_path_does_not_move_the_book(database: str, tmp_path: Path) -> None:
    """The next file runs where it would have run anyway."""
    write_migration(
        tmp_path, "001_one.sql", "CREATE SCHEMA other; SET search_path TO other; CREATE TABLE one (id int);"
    )
    write_migration(tmp_path, "002_two.sql", "CREATE TABLE two (id int);")

    await apply_migrations(database, tmp_path)

    assert await tables(database) == {"two", "schema_migrations"}
    assert await tables(database, "other") == {"one"}
