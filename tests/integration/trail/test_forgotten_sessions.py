"""`audit retention --sessions`: rows of sessions whose months are not kept go, those that recovery needs stay."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from synckairos.adapters.postgres.schema import summaries
from synckairos.adapters.postgres.schema.summaries import forget_sessions
from synckairos.devstack import PostgresServer
from testing.harness.processes.audit_databases import audit_database
from testing.harness.processes.commands import synckairos

TODAY = dt.date(2026, 11, 20)
KEPT = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
"""The first instant kept when two months are kept besides this one."""
MOMENT = dt.timedelta(milliseconds=1)


@pytest.fixture
async def url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with the tables of the trail."""
    async with audit_database(postgres_server) as url:
        yield url


@pytest.fixture
async def connection(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to it."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def put(
    connection: asyncpg.Connection, status: str, changed: dt.datetime, *, deleted: bool = False, participants: int = 2
) -> str:
    """Insert a session that was created a day before its last change, and its participants; return its id."""
    session_id = uuid4()
    await connection.execute(
        "INSERT INTO sync_sessions (session_id, sync_mode, created_at, deleted_at, final_status, epoch, version,"
        " change_id, state_snapshot, last_updated_at) VALUES ($1, 'global', $2, $3, $4, 1, 1, $1, '{}', $5)",
        session_id, changed - dt.timedelta(days=1), changed if deleted else None, status, changed,
    )  # fmt: skip
    for _ in range(participants):
        await connection.execute(
            "INSERT INTO sync_participants (session_id, participant_id, added_at) VALUES ($1, $2, $3)",
            session_id, uuid4(), changed,
        )  # fmt: skip
    return str(session_id)


async def left(connection: asyncpg.Connection) -> set[str]:
    """Return the sessions that are there."""
    return {str(row[0]) for row in await connection.fetch("SELECT session_id FROM sync_sessions")}


async def test_only_what_has_ended_and_is_old_goes(
    connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its participants, in as many transactions as it takes; a dry run says the same and changes nothing."""
    monkeypatch.setattr(summaries, "BATCH", 2)
    old = KEPT - MOMENT
    gone = {await put(connection, status, old) for status in ("expired", "completed", "cancelled")}
    gone |= {await put(connection, "running", old, deleted=True), await put(connection, "completed", old)}
    stays = {await put(connection, status, old) for status in ("pending", "running", "paused")}
    stays |= {await put(connection, "completed", KEPT), await put(connection, "running", KEPT, deleted=True)}

    dry = await forget_sessions(connection, 2, dry_run=True, today=TODAY)
    before = await left(connection)
    done = await forget_sessions(connection, 2, today=TODAY)
    again = await forget_sessions(connection, 2, today=TODAY)

    assert before == gone | stays
    assert dry == done == (KEPT, 5, 10)
    assert again == (KEPT, 0, 0)
    assert await left(connection) == stays
    assert await connection.fetchval("SELECT count(*) FROM sync_participants") == 2 * len(stays)


async def test_the_command_tells_what_it_deleted(connection: asyncpg.Connection, url: str, tmp_path: Path) -> None:
    """Only if it was asked to."""
    await put(connection, "completed", dt.datetime(2020, 1, 2, tzinfo=dt.UTC))
    command = ("audit", "retention", "--keep-months", "1")
    place = {"redis_url": "redis://127.0.0.1:1", "cwd": tmp_path, "SYNCKAIROS_DATABASE_URL": url}

    await synckairos(*command, **place)  # type: ignore[arg-type] # the environment is all texts
    kept = await left(connection)
    dry = await synckairos(*command, "--sessions", "--dry-run", **place)  # type: ignore[arg-type] # as above
    done = await synckairos(*command, "--sessions", **place)  # type: ignore[arg-type] # as above
    again = await synckairos(*command, "--sessions", **place)  # type: ignore[arg-type] # as above

    assert len(kept) == 1
    assert "would have deleted 1 sessions and 2 participants, last changed before " in dry.stdout
    assert "\ndeleted 1 sessions and 2 participants" in f"\n{done.stdout}"
    assert again.stdout.strip() == "nothing to do"
    assert await left(connection) == set()
