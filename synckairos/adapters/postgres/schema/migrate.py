"""Applies `migrations/NNN_what.sql` in order and undoes them: one transaction a file, under a lock, checksums kept."""

import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from synckairos.adapters.postgres.errors import explain
from synckairos.adapters.postgres.schema import history
from synckairos.adapters.postgres.schema.book import (
    MigrationOptions,
    await_database,
    connected,
    create_schema,
    forget,
    note,
    prepare_book,
    read_book,
    take_lock,
)
from synckairos.adapters.postgres.schema.files import Migration, MigrationError, Section, read_migrations
from synckairos.adapters.postgres.schema.history import Entry
from synckairos.adapters.postgres.schema.losses import Loss, losses_of

if TYPE_CHECKING:
    from asyncpg import Connection

DEFAULT = MigrationOptions()


class DataLossError(MigrationError):
    """The way down would drop data without consent; `losses` names them."""

    def __init__(self, losses: list[Loss]) -> None:
        super().__init__("nothing was undone: that would drop " + ", ".join(map(str, losses)))
        self.losses = losses


async def apply_migrations(
    database_url: str, folder: Path, options: MigrationOptions = DEFAULT, *, patience_s: float = 0.0
) -> list[str]:
    """Apply what is not applied yet and return the names; a second runner waits for the first.

    A database that cannot be reached yet is waited for, for `patience_s` at most.

    Raises MigrationError for an applied file that was edited or is missing, for one whose turn has passed (then
    nothing is applied), and for what PostgreSQL refuses (then nothing of that file is kept).
    """
    files = read_migrations(folder)
    if patience_s:
        await await_database(database_url, options, patience_s)
    async with connected(database_url, options) as connection:
        await create_schema(connection, options)
        await take_lock(connection, options)
        await prepare_book(connection)
        pending = history.pending(history.compare(files, await read_book(connection)))
        for migration in pending:
            took_ms = await _run(connection, database_url, migration, migration.up, note)
            options.tell(f"applied {migration.name} in {took_ms} ms")
        return [migration.name for migration in pending]


async def read_status(database_url: str, folder: Path, options: MigrationOptions = DEFAULT) -> list[Entry]:
    """Return how every migration stands, by number; changes nothing and waits for no other runner."""
    files = read_migrations(folder)
    async with connected(database_url, options) as connection:
        return history.compare(files, await read_book(connection))


async def rehearse_revert(
    database_url: str, folder: Path, steps: int, options: MigrationOptions = DEFAULT
) -> tuple[list[Migration], list[Loss]]:
    """Return which migrations `revert_migrations` would undo, and the data that would go; nothing stays changed."""
    files = read_migrations(folder)
    async with connected(database_url, options) as connection:
        await take_lock(connection, options)
        undone = history.latest(history.compare(files, await read_book(connection)), steps)
        async with connection.transaction():
            return undone, await losses_of(connection, undone)


async def revert_migrations(
    database_url: str, folder: Path, steps: int, options: MigrationOptions = DEFAULT, *, may_lose: bool = False
) -> list[str]:
    """Undo the last `steps` migrations, newest first, and return the names.

    Raises DataLossError before a file that would drop rows, unless `may_lose`; what was undone before it stays undone.
    """
    files = read_migrations(folder)
    async with connected(database_url, options) as connection:
        await take_lock(connection, options)
        undone = history.latest(history.compare(files, await read_book(connection)), steps)
        for migration in undone:
            took_ms = await _run(connection, database_url, migration, migration.down, forget, guarded=not may_lose)
            options.tell(f"undid {migration.name} in {took_ms} ms")
        return [migration.name for migration in undone]


async def _run(
    connection: "Connection",
    database_url: str,
    migration: Migration,
    section: Section,
    write_down: Callable[["Connection", Migration, int], Awaitable[None]],
    *,
    guarded: bool = False,
) -> int:
    """Run a section and write that down, both or neither where it allows a transaction; return how many ms it took."""
    started = time.perf_counter()
    search_path = await connection.fetchval("SHOW search_path")
    try:
        async with connection.transaction() if section.in_transaction else nullcontext():
            losses = await losses_of(connection, [migration]) if guarded else []
            if any(loss.rows != 0 for loss in losses):
                raise DataLossError(losses)
            await _execute(connection, section)
            # A file may set a search path for itself, but not for the book and those after it.
            await connection.execute("SELECT set_config('search_path', $1, false)", search_path)
            took_ms = int((time.perf_counter() - started) * 1_000)
            await write_down(connection, migration, took_ms)
    except asyncpg.PostgresError as error:
        raise MigrationError(_failure(error, database_url, migration, section)) from error
    return took_ms


async def _execute(connection: "Connection", section: Section) -> None:
    if section.in_transaction:
        await connection.execute(section.sql)
        return
    # An index is built concurrently by waiting for others, for as long as they take.
    limit = await connection.fetchval("SHOW lock_timeout")
    await connection.execute("SET lock_timeout = 0")
    await connection.execute(section.sql)
    await connection.execute("SELECT set_config('lock_timeout', $1, false)", limit)


def _failure(error: asyncpg.PostgresError, database_url: str, migration: Migration, section: Section) -> str:
    line = ""
    if position := getattr(error, "position", None):
        line = f", line {section.line + section.sql[: int(position) - 1].count(chr(10))}"
    kept = (
        "nothing of this file was kept, what was applied before it stays"
        if section.in_transaction
        else "this file runs without a transaction: look for what it left behind, such as an invalid index"
    )
    return f"{migration.name}.sql{line}: {explain(error, database_url)}\n({kept})"
