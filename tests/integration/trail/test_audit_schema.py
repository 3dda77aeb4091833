"""The audit trail's tables as the migrations make them: names, rules, comments, notifications."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from synckairos.devstack import PostgresServer
from testing.harness.processes.audit_databases import audit_database
from testing.harness.processes.databases import ask, run_sql

TABLES = ("sync_events", "sync_participants", "sync_sessions", "sync_operator_actions")
INDEXES = {
    "idx_sync_sessions_created",
    "idx_sync_sessions_status",
    "idx_sync_sessions_mode",
    "idx_sync_events_session",
    "idx_sync_events_type",
    "idx_sync_events_timestamp",
    "idx_sync_events_participant_time",
    "idx_sync_participants_session",
    "idx_sync_participants_group",
    "idx_sync_operator_actions_done",
}
NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
ONE = UUID(int=1)
EVENT: dict[str, Any] = {
    "id": ONE,
    "session_id": ONE,
    "epoch": 1,
    "version": 1,
    "event_type": "session_created",
    "cause": "call",
    "actor": "umpire",
    "time_elapsed_ms": 0,
    "cycle_number": 0,
    '"timestamp"': NOON,
    "state_snapshot": "{}",
}
SESSION: dict[str, Any] = {
    "session_id": ONE,
    "sync_mode": "global",
    "created_at": NOON,
    "final_status": "pending",
    "epoch": 1,
    "version": 1,
    "change_id": ONE,
    "state_snapshot": "{}",
    "last_updated_at": NOON,
}
PARTICIPANT: dict[str, Any] = {"session_id": ONE, "participant_id": ONE, "added_at": NOON}
ACTION: dict[str, Any] = {"id": ONE, "action": "discard", "operator": "me", "reason": "why"}
ROWS = {
    "sync_operator_actions": ACTION,
    "sync_events": EVENT,
    "sync_sessions": SESSION,
    "sync_participants": PARTICIPANT,
}


@pytest.fixture(scope="module")
async def url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with the tables."""
    async with audit_database(postgres_server) as url:
        yield url


@pytest.fixture
async def connection(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to it, in a transaction that is rolled back."""
    connection = await asyncpg.connect(url)
    await connection.execute("BEGIN")
    yield connection
    await connection.close()


async def put(connection: asyncpg.Connection, table: str, **fields: Any) -> None:
    """Insert a good row with some fields otherwise."""
    row = ROWS[table] | fields
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())


async def test_every_table_and_column_says_what_it_is(url: str) -> None:
    """And every number of milliseconds is a BIGINT."""
    rows = await ask(
        url,
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum)"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY($1)",
        TABLES,
    )
    described = await ask(url, "SELECT t FROM unnest($1::text[]) t WHERE obj_description(t::regclass) > ''", TABLES)

    assert len(rows) > 50
    assert [row for row in rows if not row[3]] == []
    assert {row[2] for row in rows if str(row[1]).endswith("_ms")} == {"bigint"}
    assert len(described) == len(TABLES)


async def test_the_indexes_have_their_names(url: str) -> None:
    """Those that others rely on."""
    rows = await ask(url, "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")

    assert {name for (name,) in rows} >= INDEXES


async def test_modes_and_states_are_enums(url: str) -> None:
    """With the words of the contract."""
    rows = await ask(url, "SELECT enum_range(NULL::sync_mode)::text, enum_range(NULL::sync_status)::text")

    assert rows == [
        (
            "{per_participant,per_cycle,per_group,global,count_up}",
            "{pending,running,paused,expired,completed,cancelled}",
        )
    ]


@pytest.mark.parametrize(
    ("table", "fields"),
    [
        ("sync_events", {"version": 0}),
        ("sync_events", {"epoch": -1}),
        ("sync_events", {"event_type": ""}),
        ("sync_events", {"cause": ""}),
        ("sync_events", {"time_remaining_ms": -1}),
        ("sync_events", {"time_elapsed_ms": -1}),
        ("sync_events", {"cycle_number": -1}),
        ("sync_events", {"due_at": NOON}),
        ("sync_events", {"fired_at": NOON, "lateness_ms": 0}),
        ("sync_events", {"state_snapshot": "[]"}),
        ("sync_events", {"metadata": "1"}),
        ("sync_events", {"tenant": ""}),
        ("sync_events", {"tenant": "Acme"}),
        ("sync_events", {"tenant": "a" * 65}),
        ("sync_sessions", {"tenant": "a/b"}),
        ("sync_operator_actions", {"tenant": "a b"}),
        ("sync_sessions", {"version": 0}),
        ("sync_sessions", {"increment_ms": -1}),
        ("sync_sessions", {"total_cycles": -1}),
        ("sync_sessions", {"labels": "[]"}),
        ("sync_sessions", {"state_snapshot": "null"}),
        ("sync_participants", {"total_time_active_ms": -1}),
        ("sync_participants", {"removed_version": -1}),
    ],
)
async def test_what_cannot_be_is_refused(connection: asyncpg.Connection, table: str, fields: dict[str, Any]) -> None:
    """By the table itself, whichever program writes."""
    if table == "sync_participants":
        await put(connection, "sync_sessions")

    with pytest.raises(asyncpg.CheckViolationError):
        await put(connection, table, **fields)


async def test_two_tenants_may_use_one_id(connection: asyncpg.Connection) -> None:
    """For a session, its participants and its events alike."""
    for tenant in ("default", "acme", "a" * 64):
        for table in ("sync_sessions", "sync_participants", "sync_events"):
            await put(connection, table, tenant=tenant)

    await connection.execute("DELETE FROM sync_sessions WHERE tenant = 'acme'")

    assert await connection.fetchval("SELECT count(*) FROM sync_events") == 3
    assert await connection.fetchval("SELECT count(*) FROM sync_participants") == 2


async def test_events_need_no_session_and_participants_go_with_theirs(connection: asyncpg.Connection) -> None:
    """Events outlive the row of their session; participants do not come before it, and do not outlive it."""
    await put(connection, "sync_events")
    await put(connection, "sync_sessions")
    await put(connection, "sync_participants")

    await connection.execute("DELETE FROM sync_sessions")

    assert await connection.fetchval("SELECT count(*) FROM sync_events") == 1
    assert await connection.fetchval("SELECT count(*) FROM sync_participants") == 0
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await put(connection, "sync_participants")


async def test_an_event_of_any_time_has_a_place(connection: asyncpg.Connection) -> None:
    """Without a partition of its own, the default one takes it."""
    for year in (1970, 2026, 9999):
        await put(connection, "sync_events", id=uuid4(), **{'"timestamp"': NOON.replace(year=year)})

    assert await connection.fetchval("SELECT count(*) FROM sync_events_default") == 3


async def heard_of(url: str, *statements: str) -> list[str]:
    """Return the notifications that statements, each committed for itself, lead to; the last one is our own."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(url)
    await listener.add_listener("sync_events", lambda *told: heard.put_nowait(told[-1]))
    await run_sql(url, *statements, "SELECT pg_notify('sync_events', 'the end')")
    payloads = []
    async with asyncio.timeout(10):
        while (payload := await heard.get()) != "the end":
            payloads.append(payload)
    await listener.close()
    return payloads


def inserting(sessions: int, events: int) -> str:
    """Return an INSERT of `events` events for each of `sessions` sessions."""
    return (
        "INSERT INTO sync_events (id, session_id, epoch, version, event_type, cause, actor, time_elapsed_ms,"
        ' cycle_number, "timestamp", state_snapshot)'
        " SELECT gen_random_uuid(), one.id, 1, version, 'cycle_switched', 'call', 'a', 0, 1, now(), '{}'"
        f" FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, {sessions}) OFFSET 0) AS one,"
        f" generate_series(1, {events}) AS version"
    )


async def test_a_statement_is_told_once(url: str) -> None:
    """However many rows it has; none for a statement without new rows."""
    (payload,) = await heard_of(url, inserting(3, 4), f"{inserting(1, 1)} LIMIT 0")

    told = json.loads(payload)
    assert (told["schema"], told["events"], told["sessions"], len(told["session_ids"])) == ("public", 12, 3, 3)


async def test_sessions_of_other_tenants_are_not_named(url: str) -> None:
    """Whoever may listen hears that something was written, and of default to what."""
    others = inserting(2, 2).replace("(id,", "(tenant, id,").replace("SELECT gen", "SELECT 'acme', gen")
    (payload,) = await heard_of(url, others)

    told = json.loads(payload)
    assert (told["events"], told["sessions"], told["session_ids"]) == (4, 2, [])


async def test_a_large_statement_stays_below_the_limit_of_a_notification(url: str) -> None:
    """The counts are whole; of the ids there are as many as fit."""
    (payload,) = await heard_of(url, inserting(2_000, 2))

    told = json.loads(payload)
    assert (told["events"], told["sessions"], len(told["session_ids"])) == (4_000, 2_000, 100)
    assert len(payload) < 8_000


async def test_a_notification_that_fails_costs_no_event(connection: asyncpg.Connection) -> None:
    """Whatever goes wrong in it becomes a warning."""
    warnings: list[str] = []
    connection.add_log_listener(lambda _, message: warnings.append(message.message))
    await connection.execute(
        "CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no more'; END $$;"
        "ALTER FUNCTION sync_events_notify() SET search_path = public, pg_catalog"
    )

    await put(connection, "sync_events")

    assert await connection.fetchval("SELECT count(*) FROM sync_events WHERE session_id = $1", ONE) == 1
    assert warnings == ["sync_events: no notification: no more"]
