"""The way back: undone newest first, and no row is dropped that was not named before."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from synckairos.adapters.postgres.schema.losses import Loss
from synckairos.adapters.postgres.schema.migrate import (
    DataLossError,
    apply_migrations,
    rehearse_revert,
    revert_migrations,
)
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer
from testing.harness.processes.databases import ask, own_database, run_sql, write_events, write_migration

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The URL of an empty database of this test's own."""
    async with own_database(postgres_server) as url:
        yield url


async def test_the_way_back_drops_no_row_that_it_does_not_name(database: str, tmp_path: Path) -> None:
    """Dropped tables, dropped columns and deleted rows are counted; without consent nothing happens."""
    write_migration(
        tmp_path,
        "001_tables.sql",
        "CREATE TABLE filled (id int, extra int); CREATE TABLE empty (id int); CREATE TABLE kept (id int);",
        "DROP TABLE filled; DROP TABLE empty; DELETE FROM kept WHERE id > 1;",
    )
    write_migration(tmp_path, "002_column.sql", "ALTER TABLE kept ADD note text;", "ALTER TABLE kept DROP COLUMN note;")
    await apply_migrations(database, tmp_path)
    await run_sql(
        database,
        "INSERT INTO filled SELECT generate_series(1, 7)",
        "INSERT INTO kept VALUES (1, 'a'), (2, NULL), (3, NULL)",
    )

    undone, losses = await rehearse_revert(database, tmp_path, 2)
    with pytest.raises(DataLossError, match=r"column kept\.note with 1 row$"):
        await revert_migrations(database, tmp_path, 2)
    untouched = await ask(database, "SELECT (SELECT count(*) FROM filled), (SELECT count(note) FROM kept)")
    done = await revert_migrations(database, tmp_path, 2, may_lose=True)

    assert [file.name for file in undone] == ["002_column", "001_tables"] == done
    assert set(losses) == {
        Loss("table filled", 7),
        Loss("table empty", 0),
        Loss("column kept.note", 1),
        Loss("rows of table kept", 2),
    }
    assert untouched == [(7, 1)]
    assert await ask(database, "SELECT * FROM kept") == [(1,)]


async def test_rows_that_came_after_the_question_are_not_dropped_either(database: str, tmp_path: Path) -> None:
    """The tables were empty when asked, so the consent does not cover rows written since."""
    write_migration(tmp_path, "001_one.sql", "CREATE TABLE one (id int);", "DROP TABLE one;")
    await apply_migrations(database, tmp_path)
    _, losses = await rehearse_revert(database, tmp_path, 1)
    await run_sql(database, "INSERT INTO one VALUES (1)")

    with pytest.raises(DataLossError):
        await revert_migrations(database, tmp_path, 1)

    assert losses == [Loss("table one", 0)]
    assert await ask(database, "SELECT * FROM one") == [(1,)]


async def test_a_way_back_without_a_transaction_is_unknown_unless_it_drops_an_index(
    database: str, tmp_path: Path
) -> None:
    """An index holds no data; of anything else it cannot be said beforehand what it drops."""
    write_migration(
        tmp_path, "001_table.sql", "CREATE TABLE one (id int);", "DROP TABLE one;", mark=" transaction:false"
    )
    write_migration(
        tmp_path,
        "002_index.sql",
        "CREATE INDEX CONCURRENTLY by_id ON one (id);",
        "-- Without holding up writers.\nDROP INDEX CONCURRENTLY by_id;",
        mark=" transaction:false",
    )
    await apply_migrations(database, tmp_path)

    done = await revert_migrations(database, tmp_path, 1)
    _, losses = await rehearse_revert(database, tmp_path, 1)

    assert done == ["002_index"]
    assert [loss.rows for loss in losses] == [None]


async def test_the_real_schema_goes_up_down_and_up_and_says_what_it_drops(database: str) -> None:
    """With rows in every table: the rows of tables that stay are still there, those of dropped ones were announced."""
    folder = migrations_folder()
    names = await apply_migrations(database, folder)
    connection = await asyncpg.connect(database)
    written = await write_events(connection, [NOW, NOW + dt.timedelta(days=40)])
    await connection.close()

    # All but the first file: of what was written, the columns that later ones added.
    _, later = await rehearse_revert(database, folder, len(names) - 1)
    without_first = await revert_migrations(database, folder, len(names) - 1, may_lose=True)
    left = await ask(database, "SELECT (SELECT count(*) FROM sync_events), (SELECT count(*) FROM sync_participants)")
    _, losses = await rehearse_revert(database, folder, 1)
    first = await revert_migrations(database, folder, 1, may_lose=True)
    left_over = await ask(
        database,
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " UNION SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace"
        " UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    )
    again = await apply_migrations(database, folder)

    assert [*without_first, *first] == names[::-1]
    assert {loss for loss in later if loss.rows} == {
        Loss("column sync_events.call_id", written),
        Loss("column sync_events.on_behalf_of", written),
        Loss("column sync_events.tenant", written),
        Loss("column sync_participants.tenant", 1),
        Loss("column sync_sessions.tenant", 1),
    }
    assert left == [(written, 1)]
    assert set(losses) == {
        Loss("table sync_events", written),
        Loss("table sync_participants", 1),
        Loss("table sync_sessions", 1),
    }
    assert {str(name).removeprefix("_") for (name,) in left_over} <= {"schema_migrations", "schema_migrations_pkey"}
    assert again == names
