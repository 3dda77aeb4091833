"""Reading the audit trail where there is much of it: along indexes, across partitions, and what cannot be read.

The account is that of a server: a policy stands before every row, and must not stand before an index.
"""

import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest

from synckairos.adapters.postgres.database import Database, LentConnection, Statement
from synckairos.adapters.postgres.errors import SchemaMismatch
from synckairos.adapters.postgres.trail.reader import PostgresAuditReader
from synckairos.adapters.postgres.trail.snapshot import encode_session
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail
from synckairos.application.trail.audit import EventKey, EventQuery, SessionKey, SessionQuery
from synckairos.devstack import PostgresServer
from synckairos.domain.events import EventType
from synckairos.domain.model import Mode, Status
from testing.harness.audit_histories import recorded
from testing.harness.builders import ANN, BOB, SESSION_ID, Game, per_participant, started
from testing.harness.processes.databases import run_sql
from testing.harness.processes.trail_accounts import TrailUrls, connections, trail_of_accounts

EVENTS = 100_000
SESSIONS = 20_000
PAGE = 50
NONE = "00000000-0000-0000-0000-000000000000"
SNAPSHOT = encode_session(started(per_participant()).session)
EPOCH = started(per_participant()).session.epoch
LONG_AGO = EventKey(EPOCH, EVENTS // 2, NONE)


def months() -> list[str]:
    """Return statements that make a partition for every month of 2026."""
    ends = [f"2026-{month:02}-01" for month in range(1, 13)] + ["2027-01-01"]
    return [
        f"CREATE TABLE sync_events_{start[:7].replace('-', '_')} PARTITION OF sync_events"
        f" FOR VALUES FROM ('{start}') TO ('{end}')"
        for start, end in pairwise(ends)
    ]


FILL_EVENTS = f"""
INSERT INTO sync_events (id, session_id, epoch, version, event_type, cause, actor, participant_id, time_elapsed_ms,
                         cycle_number, "timestamp", state_snapshot)
SELECT
    gen_random_uuid(),
    CASE WHEN n % 10 < 8 THEN '{SESSION_ID}'::uuid ELSE md5((n % 997)::text)::uuid END,
    {EPOCH}, n, CASE WHEN n % 1000 = 0 THEN 'session_paused' ELSE 'cycle_switched' END, 'call', 'anna',
    CASE WHEN n % 2 = 0 THEN '{ANN}'::uuid ELSE '{BOB}'::uuid END, 0, 1,
    '2026-01-01'::timestamptz + n * interval '1 year' / {EVENTS}, '{SNAPSHOT}'::jsonb
FROM generate_series(1, {EVENTS}) AS n
"""

FILL_SESSIONS = f"""
INSERT INTO sync_sessions (session_id, sync_mode, created_at, final_status, epoch, version, change_id, state_snapshot,
                           last_updated_at)
SELECT md5(n::text)::uuid, 'global', '2026-01-01'::timestamptz + n / 3 * interval '1 minute',
       (CASE WHEN n % 500 = 0 THEN 'paused' ELSE 'completed' END)::sync_status, {EPOCH}, 1, gen_random_uuid(),
       '{SNAPSHOT}'::jsonb, now()
FROM generate_series(1, {SESSIONS}) AS n
"""


@pytest.fixture(scope="module")
async def urls(postgres_server: PostgresServer) -> AsyncIterator[TrailUrls]:
    """A trail with one long history among many short ones, over twelve partitions, and many sessions."""
    async with trail_of_accounts(postgres_server) as urls:
        quiet = "ALTER TABLE sync_events DISABLE TRIGGER sync_events_notify"
        await run_sql(urls.owner, *months(), quiet, FILL_EVENTS, FILL_SESSIONS, "ANALYZE")
        yield urls


@pytest.fixture
async def database(urls: TrailUrls) -> AsyncIterator[Database]:
    """Connections of a server to it."""
    async with connections(urls.server) as database:
        yield database


@pytest.fixture
async def writing(urls: TrailUrls) -> AsyncIterator[Database]:
    """Connections of a worker to it."""
    async with connections(urls.worker) as database:
        yield database


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The plans of what is asked from now on, as they were carried out."""
    found: list[dict[str, Any]] = []
    fetch = LentConnection.fetch

    async def explained(connection: LentConnection, statement: Statement, *values: object) -> Any:
        explain = Statement("explain", "EXPLAIN (ANALYZE, FORMAT JSON) " + statement.sql)
        ((plan,),) = await fetch(connection, explain, *values)
        found.append(json.loads(plan)[0]["Plan"])
        return await fetch(connection, statement, *values)

    monkeypatch.setattr(LentConnection, "fetch", explained)
    return found


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a plan's nodes that were carried out."""
    return [plan, *(node for part in plan.get("Plans", []) for node in nodes(part) if part["Actual Loops"])]


@pytest.mark.parametrize(
    ("after", "size"),
    [
        (None, PAGE),
        (EventKey(EPOCH, 1, NONE), PAGE),
        (LONG_AGO, PAGE),
        (EventKey(EPOCH, EVENTS - 29, NONE), 24),
        (EventKey(EPOCH, EVENTS, "ffffffff-ffff-ffff-ffff-ffffffffffff"), 0),
    ],
)
async def test_a_page_of_a_long_history_is_read_along_its_index(
    database: Database, plans: list[dict[str, Any]], after: EventKey | None, size: int
) -> None:
    """Wherever it begins: no partition is gone through, nothing is sorted, no more is read than the page and a bit."""
    page = await PostgresAuditReader(database).events(EventQuery(SESSION_ID, after, PAGE))

    used = nodes(plans[-1])
    assert len(page) == size
    assert {node["Node Type"] for node in used} <= {"Limit", "Merge Append", "Append", "Index Scan"}
    assert all(node["Index Name"].endswith("pkey") for node in used if node["Node Type"] == "Index Scan")
    assert sum(node["Actual Rows"] for node in used if node["Node Type"] == "Index Scan") <= PAGE + 13


@pytest.mark.parametrize("after", [None, LONG_AGO])
async def test_a_page_that_filters_little_out_is_read_along_the_index(
    database: Database, plans: list[dict[str, Any]], after: EventKey | None
) -> None:
    """As accounts of clocks are: each event with the session before it, and nothing of the rest of the history."""
    types = frozenset({EventType.CYCLE_SWITCHED})
    page = await PostgresAuditReader(database).events(EventQuery(SESSION_ID, after, PAGE, types, ANN, with_before=True))

    used = nodes(plans[-1])
    scanned = [node["Actual Rows"] * node["Actual Loops"] for node in used if node["Node Type"] == "Index Scan"]
    assert len(page) == PAGE
    assert sum(scanned) <= 3 * PAGE + 13
    assert "Seq Scan" not in {node["Node Type"] for node in used}


@pytest.mark.parametrize("after", [None, SessionKey(1_767_225_600_000 + 60_000 * SESSIONS // 6, NONE)])
async def test_a_page_of_sessions_is_read_along_its_index(
    database: Database, plans: list[dict[str, Any]], after: SessionKey | None
) -> None:
    """Newest first, from wherever it begins."""
    page = await PostgresAuditReader(database).sessions(SessionQuery(after, PAGE))

    *_, scan = nodes(plans[-1])
    assert len(page) == PAGE
    assert (scan["Index Name"], scan["Actual Rows"]) == ("idx_sync_sessions_created", PAGE)


async def test_sessions_of_a_rare_status_are_found_by_it(database: Database, plans: list[dict[str, Any]]) -> None:
    """Without a look at all the others."""
    page = await PostgresAuditReader(database).sessions(SessionQuery(None, 10, frozenset({Status.PAUSED})))

    *_, scan = nodes(plans[-1])
    assert len(page) == 10
    assert (scan["Index Name"], scan["Actual Rows"] <= 40) == ("idx_sync_sessions_status", True)


async def test_sessions_of_any_mode_are_found_by_an_index(database: Database, plans: list[dict[str, Any]]) -> None:
    """Also where there is none of it."""
    for mode in Mode:
        page = await PostgresAuditReader(database).sessions(SessionQuery(None, 10, modes=frozenset({mode})))

        *_, scan = nodes(plans[-1])
        assert (len(page), scan["Actual Rows"]) == ((10, 10) if mode is Mode.GLOBAL else (0, 0))


async def test_the_unfinished_are_found_without_the_finished(writing: Database, plans: list[dict[str, Any]]) -> None:
    """Which are nearly all there is."""
    page = await PostgresAuditReader(writing).unfinished(str(UUID(int=2**126)), 10)

    *_, scan = nodes(plans[-1])
    assert len(page) == 10
    assert (scan["Index Name"], scan["Actual Rows"]) == ("idx_sync_sessions_unfinished", 10)


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE sync_events SET state_snapshot = state_snapshot || '{\"layout\": 99}' WHERE session_id = $1",
        "UPDATE sync_events SET event_type = 'session_praised' WHERE session_id = $1",
        "UPDATE sync_events SET cause = 'whim' WHERE session_id = $1",
    ],
)
async def test_what_a_newer_version_wrote_is_not_guessed_at(database: Database, writing: Database, spoil: str) -> None:
    """Told by name; other sessions can be read."""
    one, other = (recorded(Game(per_participant()).events, str(uuid4())) for _ in range(2))
    await PostgresAuditTrail(writing).write([*one, *other])
    session_id = one[0].event.session.session_id
    await writing.fetch(Statement("spoil", spoil), session_id)
    reader = PostgresAuditReader(database)

    with pytest.raises(SchemaMismatch, match="cannot read"):
        await reader.events(EventQuery(session_id, None, PAGE))

    assert len(await reader.events(EventQuery(other[0].event.session.session_id, None, PAGE))) == 1
