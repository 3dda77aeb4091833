"""Month partitions of the audit trail: made ahead of time, filled from the DEFAULT one, detached when old."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from synckairos.adapters.postgres.options import DatabaseOptions
from synckairos.adapters.postgres.schema.book import MigrationOptions, connected
from synckairos.adapters.postgres.schema.files import MigrationError
from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.adapters.postgres.schema.partitions import Detached, Month, ensure_partitions, retain
from synckairos.adapters.postgres.schema.upkeep import keep_partitions_ahead
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer
from testing.harness.processes.commands import synckairos
from testing.harness.processes.databases import own_database, write_events

TODAY = dt.date(2026, 11, 21)
AHEAD = ["sync_events_2026_11", "sync_events_2026_12", "sync_events_2027_01", "sync_events_2027_02"]
NOWHERE = "redis://127.0.0.1:1"


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The URL of a database of this test's own with the schema of the audit trail."""
    async with own_database(postgres_server) as url:
        await apply_migrations(url, migrations_folder())
        yield url


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to it."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


def day(year: int, month: int, number: int = 1) -> dt.datetime:
    """Return the first instant of a day."""
    return dt.datetime(year, month, number, tzinfo=dt.UTC)


async def partitions(connection: asyncpg.Connection) -> dict[str, int]:
    """Return the partitions and how many rows each holds, empty ones too."""
    rows = await connection.fetch(
        "SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = to_regclass('sync_events') ORDER BY 1"
    )
    return {row["name"]: await connection.fetchval(f"SELECT count(*) FROM {row['name']}") for row in rows}


async def everything(connection: asyncpg.Connection) -> list[str]:
    """Return all events, whole, as text."""
    rows = await connection.fetch("SELECT to_jsonb(sync_events)::text AS row FROM sync_events ORDER BY version")
    return [row["row"] for row in rows]


async def test_rows_go_from_the_default_partition_to_that_of_their_month(connection: asyncpg.Connection) -> None:
    """To the last instant of the month; others stay, none changes, and a second look finds nothing to do."""
    last = day(2026, 12) - dt.timedelta(microseconds=1)
    await write_events(connection, [day(2026, 10, 31), day(2026, 11), last, day(2026, 12), day(2030, 1)])
    before = await everything(connection)

    made = await ensure_partitions(connection, today=TODAY)
    again = await ensure_partitions(connection, today=TODAY)

    assert (made, again) == (AHEAD, [])
    assert await partitions(connection) == {
        "sync_events_2026_11": 2,
        "sync_events_2026_12": 1,
        "sync_events_2027_01": 0,
        "sync_events_2027_02": 0,
        "sync_events_default": 2,
    }
    assert await everything(connection) == before


async def test_a_partition_has_what_the_table_has(connection: asyncpg.Connection) -> None:
    """Indexes, checks and the identity hold there too, and an event written again is known."""
    await ensure_partitions(connection, today=TODAY)
    await write_events(connection, [day(2026, 11, 3)])
    copy = (
        "INSERT INTO sync_events (id, session_id, epoch, version, event_type, cause, actor, time_elapsed_ms,"
        " cycle_number, timestamp, state_snapshot) SELECT id, session_id, epoch, {}, event_type, cause, actor,"
        " time_elapsed_ms, cycle_number, timestamp, state_snapshot FROM sync_events"
    )

    indexes = "SELECT count(*) FROM pg_indexes WHERE tablename = $1"
    of_month = await connection.fetchval(indexes, AHEAD[0])
    of_default = await connection.fetchval(indexes, "sync_events_default")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(copy.format("version"))
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(copy.format("0"))

    assert of_month == of_default > 1


async def test_the_month_is_that_of_the_server_s_clock_in_utc(connection: asyncpg.Connection) -> None:
    """Without a day given, and whatever time zone the connection is in."""
    await connection.execute("SET timezone TO 'Pacific/Kiritimati'")
    now = await connection.fetchval("SELECT now() AT TIME ZONE 'UTC'")

    made = await ensure_partitions(connection, ahead=0)
    await write_events(connection, [day(now.year, now.month)])

    assert made == [Month(now.year, now.month).table]
    assert (await partitions(connection))[made[0]] == 1


async def test_many_processes_at_once_make_each_partition_once(database: str) -> None:
    """While events are written all the time, and none of those is lost."""
    async with asyncpg.create_pool(database, min_size=6, max_size=6) as pool:
        stop = asyncio.Event()

        async def write() -> int:
            count = 0
            while not stop.is_set():
                async with pool.acquire() as connection:
                    count += await write_events(connection, [day(2026, 11, 3), day(2027, 1, 3), day(2031, 1)])
            return count

        async def make() -> list[str]:
            async with pool.acquire() as connection:
                return await ensure_partitions(connection, today=TODAY)  # type: ignore[arg-type] # a proxy of one

        writers = [asyncio.create_task(write()) for _ in range(2)]
        made = await asyncio.gather(*(make() for _ in range(4)))
        stop.set()
        written = sum(await asyncio.gather(*writers))
        async with pool.acquire() as connection:
            held = await partitions(connection)

    assert sorted(name for names in made for name in names) == AHEAD
    assert written > 0
    assert sum(held.values()) == written
    assert held["sync_events_default"] == held["sync_events_2026_11"] == held["sync_events_2027_01"] == written / 3


async def test_a_reader_that_stays_is_not_waited_for_long(database: str, connection: asyncpg.Connection) -> None:
    """Writers would queue behind us: better to give up, having changed nothing, and to come back."""
    reader = await asyncpg.connect(database)
    transaction = reader.transaction()
    await transaction.start()
    await reader.fetch("SELECT * FROM sync_events")

    with pytest.raises(asyncpg.LockNotAvailableError):
        await ensure_partitions(connection, today=TODAY)
    given_up = await partitions(connection)
    await transaction.rollback()
    await reader.close()

    assert given_up == {"sync_events_default": 0}
    assert await ensure_partitions(connection, today=TODAY) == AHEAD


async def test_old_months_are_detached_as_a_whole(connection: asyncpg.Connection) -> None:
    """With keep 2 in November, September stays; what lay in DEFAULT is treated alike, and nothing is gone."""
    await write_events(connection, [day(2026, 7, 5), day(2026, 8, 5), day(2026, 8, 6), day(2026, 9, 1), day(2026, 11)])

    planned = await retain(connection, 2, dry_run=True, today=TODAY)
    untouched = await partitions(connection)
    done = await retain(connection, 2, today=TODAY)
    again = await retain(connection, 2, today=TODAY)

    assert untouched == {"sync_events_default": 5}
    assert done.detached == [
        Detached("public.sync_events_2026_07_detached", 1),
        Detached("public.sync_events_2026_08_detached", 2),
    ]
    assert [month.rows for month in planned.detached] == [1, 2]
    assert planned.made == done.made
    assert (again.made, again.detached, again.lying) == ([], [], done.detached)
    assert await connection.fetchval("SELECT count(*) FROM sync_events_2026_08_detached") == 2
    held = await partitions(connection)
    assert (held["sync_events_2026_09"], held["sync_events_2026_11"], sum(held.values())) == (1, 1, 2)


async def test_events_that_come_late_for_a_detached_month_are_kept_and_detached_in_turn(
    connection: asyncpg.Connection,
) -> None:
    """A worker that was down for long still writes; the second table of that month gets another name."""
    await write_events(connection, [day(2026, 7, 5)])
    await retain(connection, 2, today=TODAY)
    await write_events(connection, [day(2026, 7, 6)])

    second = await retain(connection, 2, today=TODAY)

    assert second.detached == [Detached("public.sync_events_2026_07_detached_2", 1)]
    assert [month.table for month in second.lying] == ["public.sync_events_2026_07_detached"]


async def test_only_drop_drops_and_only_what_is_detached(connection: asyncpg.Connection) -> None:
    """Those that earlier runs left behind too."""
    await write_events(connection, [day(2026, 7, 5), day(2026, 8, 5), day(2026, 10, 5)])
    await retain(connection, 3, today=TODAY)

    planned = await retain(connection, 2, drop=True, dry_run=True, today=TODAY)
    done = await retain(connection, 2, drop=True, today=TODAY)

    assert [month.rows for month in planned.dropped] == [1, 1]
    assert [month.table for month in done.dropped] == [
        "public.sync_events_2026_07_detached",
        "public.sync_events_2026_08_detached",
    ]
    assert sum((await partitions(connection)).values()) == 1
    assert not await connection.fetch("SELECT 1 FROM pg_tables WHERE tablename LIKE '%detached%'")


async def test_another_schema_is_left_alone(database: str, connection: asyncpg.Connection) -> None:
    """Only the trail that the search path leads to."""
    apart = MigrationOptions(schema="apart")
    await apply_migrations(database, migrations_folder(), apart)

    async with connected(database, apart) as in_schema:
        await ensure_partitions(in_schema, today=TODAY)
        of_schema = await partitions(in_schema)

    assert set(of_schema) == {*AHEAD, "sync_events_default"}
    assert set(await partitions(connection)) == {"sync_events_default"}


async def test_without_the_schema_the_text_says_what_to_run(postgres_server: PostgresServer) -> None:
    """An empty database is no audit trail."""
    async with own_database(postgres_server) as url:
        connection = await asyncpg.connect(url)
        with pytest.raises(MigrationError, match="synckairos migrate up"):
            await ensure_partitions(connection)
        await connection.close()


async def test_the_command_says_what_it_does_and_how_to_keep_it(
    database: str, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    """Dry run, run and drop in a row, each true to what it prints."""
    await write_events(connection, [day(2020, 1, 5), day(2020, 1, 6)])
    environment = {"redis_url": NOWHERE, "cwd": tmp_path, "SYNCKAIROS_DATABASE_URL": database}

    dry = await synckairos("audit", "retention", "--keep-months", "1", "--dry-run", **environment)
    after_dry = await partitions(connection)
    real = await synckairos("audit", "retention", "--keep-months", "1", **environment)
    drop = await synckairos("audit", "retention", "--keep-months", "1", "--drop", **environment)

    assert "would have detached public.sync_events_2020_01, 2 rows" in dry.stdout
    assert after_dry == {"sync_events_default": 2}
    assert "detached public.sync_events_2020_01_detached, 2 rows" in real.stdout
    assert "pg_dump --format=custom --table=public.sync_events_2020_01_detached" in real.stdout
    assert drop.stdout == "dropped public.sync_events_2020_01_detached, 2 rows\n"


async def test_the_command_without_a_database_or_without_one_that_answers(tmp_path: Path) -> None:
    """Both are told in one line, exit 1."""
    unset = await synckairos(
        "audit", "retention", "--keep-months", "1", redis_url=NOWHERE, cwd=tmp_path, SYNCKAIROS_DATABASE_URL=""
    )
    away = await synckairos(
        "audit", "retention", "--keep-months", "1",
        redis_url=NOWHERE, cwd=tmp_path, SYNCKAIROS_DATABASE_URL="postgresql://u:s3cret@127.0.0.1:1/audit",
    )  # fmt: skip

    assert (unset.returncode, away.returncode) == (1, 1)
    assert "SYNCKAIROS_DATABASE_URL is not set" in unset.stderr
    assert "nothing listens there" in away.stderr
    assert "s3cret" not in away.stderr


async def test_a_worker_keeps_partitions_ahead_once_there_is_a_schema(postgres_server: PostgresServer) -> None:
    """It waits for the migrations, makes what is missing, and makes it again when it is gone."""
    async with own_database(postgres_server) as url:
        upkeep = asyncio.create_task(keep_partitions_ahead(DatabaseOptions(url), every_s=0.05, retry_s=0.05))
        await apply_migrations(url, migrations_folder())
        connection = await asyncpg.connect(url)

        first = await until_made(connection)
        await connection.execute(f"DROP TABLE {min(first)}")
        second = await until_made(connection)

        upkeep.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upkeep
        await connection.close()
        assert first == second


async def until_made(connection: asyncpg.Connection) -> set[str]:
    """Wait until there are four months besides the DEFAULT partition, and return them all."""
    async with asyncio.timeout(20):
        while len(held := await partitions(connection)) < 5:  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.02)
    return set(held)
