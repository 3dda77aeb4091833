"""Migrations against a real PostgreSQL: in order, once, all or nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from synckairos.adapters.postgres_migrations import MigrationError, apply_migrations
from synckairos.devstack import PostgresServer


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The URL of an empty database of this test's own."""
    name = f"t{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres_server.url)
    await admin.execute(f'CREATE DATABASE "{name}"')
    yield postgres_server.url.rsplit("/", 1)[0] + f"/{name}"
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


def write(folder: Path, name: str, up: str) -> None:
    """Write a migration file."""
    (folder / name).write_text(f"-- migrate:up\n{up}\n-- migrate:down\nSELECT 1;\n")


async def tables(url: str) -> set[str]:
    """Return the tables of the public schema."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    return {row["tablename"] for row in rows}


async def test_files_are_applied_in_order_and_once(database: str, tmp_path: Path) -> None:
    """The second run finds nothing to do, and a new file is all the third one applies."""
    write(tmp_path, "001_one.sql", "CREATE TABLE one (id int);")
    write(tmp_path, "002_two.sql", "ALTER TABLE one ADD COLUMN more int;")

    first = await apply_migrations(database, tmp_path)
    second = await apply_migrations(database, tmp_path)
    write(tmp_path, "003_three.sql", "CREATE TABLE three (id int);")
    third = await apply_migrations(database, tmp_path)

    assert (first, second, third) == (["001_one", "002_two"], [], ["003_three"])
    assert await tables(database) == {"one", "three", "schema_migrations"}


async def test_a_failing_file_leaves_nothing_of_itself(database: str, tmp_path: Path) -> None:
    """One transaction a file: what came before stays, half a file does not."""
    write(tmp_path, "001_good.sql", "CREATE TABLE good (id int);")
    write(tmp_path, "002_bad.sql", "CREATE TABLE half (id int); SELECT 1/0;")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await apply_migrations(database, tmp_path)

    assert await tables(database) == {"good", "schema_migrations"}


async def test_an_edited_file_is_refused(database: str, tmp_path: Path) -> None:
    """What was applied is what the file says, or nothing more is applied."""
    write(tmp_path, "001_one.sql", "CREATE TABLE one (id int);")
    await apply_migrations(database, tmp_path)
    write(tmp_path, "001_one.sql", "CREATE TABLE one (id bigint);")
    write(tmp_path, "002_two.sql", "CREATE TABLE two (id int);")

    with pytest.raises(MigrationError, match="001_one was edited"):
        await apply_migrations(database, tmp_path)

    assert "two" not in await tables(database)


async def test_two_runners_at_once_apply_every_file_once(database: str, tmp_path: Path) -> None:
    """The second waits for the first and finds nothing left."""
    write(tmp_path, "001_slow.sql", "CREATE TABLE slow (id int); SELECT pg_sleep(0.5);")

    outcomes = await asyncio.gather(apply_migrations(database, tmp_path), apply_migrations(database, tmp_path))

    assert sorted(outcomes) == [[], ["001_slow"]]


@pytest.mark.parametrize(("name", "text"), [("one.sql", "-- migrate:up\n"), ("001_one.sql", "CREATE TABLE one ();")])
async def test_a_file_of_another_form_is_refused(database: str, tmp_path: Path, name: str, text: str) -> None:
    """Neither a name without a number nor a file without its sections is guessed at."""
    (tmp_path / name).write_text(text)

    with pytest.raises(MigrationError, match=name):
        await apply_migrations(database, tmp_path)
