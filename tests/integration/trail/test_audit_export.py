"""Exporting the audit trail: everything once, in order, as of one moment, whatever happens meanwhile."""

import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import chain

import pytest

from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import DatabaseOptions
from synckairos.adapters.postgres.schema.migrate import apply_migrations
from synckairos.adapters.postgres.trail import export as postgres_audit_export
from synckairos.adapters.postgres.trail.export import PostgresAuditExport
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail
from synckairos.application.errors import AuditUnavailable
from synckairos.application.trail.audit import AuditRecord, ExportQuery
from synckairos.cli.migration import migrations_folder
from synckairos.devstack import PostgresServer
from testing.harness.audit_lives import life, session_id
from testing.harness.processes.databases import own_database, run_sql

LIVES = 12
ALL = ExportQuery()


@pytest.fixture
async def url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with the tables of the trail."""
    async with own_database(postgres_server) as url:
        await apply_migrations(url, migrations_folder())
        yield url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """Connections to it."""
    database = Database(DatabaseOptions(url, pool_min=0, pool_max=3))
    yield database
    await database.close()


@pytest.fixture
async def written(database: Database) -> list[AuditRecord]:
    """Twelve lives of 7 events each, in the trail; returned in the order of an export."""
    lives = [life(number) for number in range(LIVES)]
    mixed = list(chain.from_iterable(lives))
    random.Random(7).shuffle(mixed)
    await PostgresAuditTrail(database).write(mixed)
    return list(chain.from_iterable(lives))


async def exported(database: Database, query: ExportQuery = ALL) -> list[AuditRecord]:
    """Return everything that is exported."""
    return [record async for record in PostgresAuditExport(database).records(query)]


@pytest.mark.parametrize("page", [1, 7, 83, 84, 85, 200])
async def test_every_record_comes_once_and_in_order(
    database: Database, written: list[AuditRecord], monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """Exactly as it was written, whatever fits into a page."""
    monkeypatch.setattr(postgres_audit_export, "PAGE", page)

    assert await exported(database) == written
    assert await PostgresAuditExport(database).count(ALL) == len(written)


async def test_an_empty_trail_has_nothing_to_export(database: Database) -> None:
    """No records, no error."""
    assert await exported(database) == []
    assert await PostgresAuditExport(database).count(ALL) == 0


async def test_a_part_can_be_exported(database: Database, written: list[AuditRecord]) -> None:
    """By session, by time (the end left out), and by both; the count says how many."""
    third = [record for record in written if record.event.session.session_id == session_id(3)]
    start, end = third[2].event.session.updated_at, third[-1].event.session.updated_at
    fifth = session_id(5)

    async def both(query: ExportQuery) -> list[AuditRecord]:
        records = await exported(database, query)
        assert await PostgresAuditExport(database).count(query) == len(records)
        return records

    assert await both(ExportQuery((session_id(3),))) == third
    assert await both(ExportQuery((fifth, session_id(3)))) == third + [
        record for record in written if record.event.session.session_id == fifth
    ]
    assert await both(ExportQuery((session_id(99),))) == []
    assert await both(ExportQuery(start=start, end=end)) == [
        record for record in written if start <= record.event.session.updated_at < end
    ]
    assert await both(ExportQuery((session_id(3),), start, end)) == third[2:-1]
    assert await both(ExportQuery((fifth,), start, end)) == []


async def test_an_export_shows_one_moment(
    database: Database, written: list[AuditRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written while it goes on is not in it, neither before nor behind the place it has come to."""
    monkeypatch.setattr(postgres_audit_export, "PAGE", 5)
    seen: list[AuditRecord] = []
    async with aclosing(PostgresAuditExport(database).records(ALL)) as records:
        async for record in records:
            seen.append(record)
            if len(seen) in (1, 40):
                await PostgresAuditTrail(database).write(life(LIVES + len(seen)))

    assert seen == written
    assert len(await exported(database)) == len(written) + 14


async def test_an_export_that_is_left_gives_its_connection_back(
    url: str, written: list[AuditRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that stops leaves the only connection of the pool to others."""
    database = Database(DatabaseOptions(url, pool_min=0, pool_max=1))
    monkeypatch.setattr(postgres_audit_export, "PAGE", 5)

    async with aclosing(PostgresAuditExport(database).records(ALL)) as records:
        assert await anext(records) == written[0]

    assert len(await exported(database)) == len(written)
    await database.close()


async def test_without_tables_an_export_says_what_to_do(postgres_server: PostgresServer) -> None:
    """AuditUnavailable, naming the command."""
    async with own_database(postgres_server) as url:
        database = Database(DatabaseOptions(url, pool_min=0))
        with pytest.raises(AuditUnavailable, match="synckairos migrate up"):
            await exported(database)
        await database.close()


async def test_what_a_newer_version_wrote_is_not_guessed_at(
    database: Database, url: str, written: list[AuditRecord]
) -> None:
    """A type of event that this version does not know stops the export instead of being left out."""
    await run_sql(url, f"UPDATE sync_events SET event_type = 'x' WHERE session_id = '{session_id(3)}'")

    with pytest.raises(AuditUnavailable, match="cannot read"):
        await exported(database)
    assert len(await exported(database, ExportQuery((session_id(2),)))) == len(written) // LIVES
