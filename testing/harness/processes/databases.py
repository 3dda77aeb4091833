"""PostgreSQL databases of one test's own, rows to lose in them, and migrations to run on them."""

import datetime as dt
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg

from synckairos.devstack import PostgresServer


@asynccontextmanager
async def own_database(server: PostgresServer) -> AsyncIterator[str]:
    """Give the URL of an empty database that is dropped afterwards."""
    name = f"t{uuid4().hex[:12]}"
    await run_sql(server.url, f'CREATE DATABASE "{name}"')
    try:
        yield server.url.rsplit("/", 1)[0] + f"/{name}"
    finally:
        await run_sql(server.url, f'DROP DATABASE "{name}" WITH (FORCE)')


async def run_sql(url: str, *statements: str) -> None:
    """Run statements, each for itself."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def ask(url: str, query: str, *arguments: object) -> list[tuple[object, ...]]:
    """Return the rows of a query."""
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()


async def tables(url: str, schema: str = "public") -> set[str]:
    """Return the tables of a schema, but those of the month partitions."""
    rows = await ask(url, "SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)
    return {str(name) for (name,) in rows}


async def write_events(connection: asyncpg.Connection, instants: Iterable[dt.datetime]) -> int:
    """Write a session, a participant, and an event at every instant; returns the number of events."""
    session, participant = uuid4(), uuid4()
    await connection.execute(
        "INSERT INTO sync_sessions (session_id, sync_mode, created_at, final_status, epoch, version, change_id,"
        " state_snapshot, last_updated_at) VALUES ($1, 'global', now(), 'running', 1, 1, $2, '{\"a\": 0}', now())",
        session,
        uuid4(),
    )
    await connection.execute(
        "INSERT INTO sync_participants (session_id, participant_id, added_at) VALUES ($1, $2, now())",
        session,
        participant,
    )
    rows = [(uuid4(), session, 1, version, at) for version, at in enumerate(instants, start=1)]
    await connection.executemany(
        "INSERT INTO sync_events (id, session_id, epoch, version, event_type, cause, actor, time_remaining_ms,"
        ' time_elapsed_ms, cycle_number, "timestamp", state_snapshot)'
        " VALUES ($1, $2, $3, $4, 'cycle_switched', 'call', 'anna', 0, 5, 1, $5, '{\"banks\": [0, 7]}')",
        rows,
    )
    return len(rows)


def write_migration(folder: Path, name: str, up: str, down: str = "SELECT 1;", mark: str = "") -> None:
    """Write a migration file; `mark` stands behind the marks of both ways."""
    (folder / name).write_text(f"-- migrate:up{mark}\n{up}\n-- migrate:down{mark}\n{down}\n")
