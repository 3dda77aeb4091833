"""Pages through a session's history in a trail of a million events, over gRPC.

python -m bench.audit_paging [--events 1000000]
"""

import asyncio
import sys
import time
from statistics import quantiles
from typing import Annotated, Any, Final
from unittest.mock import patch

import grpc
import typer
from rich.console import Console
from rich.progress import track

from synckairos.adapters.postgres.database import Database, Session, Statement
from synckairos.adapters.postgres.options import database_options
from synckairos.adapters.postgres.trail.reader import PostgresAuditReader
from synckairos.application.audit import EventKey, EventQuery
from synckairos.settings import load_settings
from synckairos.v1 import audit_service_pb2 as pb
from synckairos.v1.audit_service_pb2_grpc import AuditServiceStub
from testing.harness.client import connect, running_session
from testing.harness.deployment import Deployment, eventually, fresh_deployment

SESSIONS: Final = 10
PAGE: Final = 50
DEEP: Final = 200
"""Pages read one after another from the middle of a session's history."""

_COLUMNS: Final = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = 'sync_events' AND is_generated = 'NEVER'
ORDER BY ordinal_position
"""


async def fill(stack: Deployment, template: str, events: int) -> list[str]:
    """Multiply one real event into `events` of SESSIONS sessions, a second apart; return the sessions."""
    columns = [row["column_name"] for row in await stack.query(_COLUMNS)]
    written = {
        "session_id": "s.id",
        "version": "v",
        "id": "gen_random_uuid()",
        "timestamp": "t.timestamp + v * interval '1 second'",
    }
    values = ", ".join(written.get(name, f't."{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    drawn = await stack.query("SELECT gen_random_uuid() AS id FROM generate_series(1, $1::int)", SESSIONS)
    sessions = [row["id"] for row in drawn]
    step = 20_000
    for first in track(range(1, events // SESSIONS + 1, step), "filling", console=Console(stderr=True)):
        await stack.query(
            f"INSERT INTO sync_events ({names}) SELECT {values} "
            "FROM unnest($1::uuid[]) AS s(id), generate_series($2::bigint, $3::bigint) AS v, "
            "(SELECT * FROM sync_events WHERE session_id = $4 LIMIT 1) AS t",
            sessions,
            first,
            min(first + step - 1, events // SESSIONS),
            template,
        )
    await stack.query("ANALYZE sync_events")
    return [str(session) for session in sessions]


async def timed_page(stub: Any, session_id: str, token: str) -> tuple[float, pb.ListSessionEventsResponse]:
    """Read one page; return its milliseconds and itself."""
    started = time.perf_counter()
    page = await stub.ListSessionEvents(
        pb.ListSessionEventsRequest(session_id=session_id, page_size=PAGE, page_token=token)
    )
    return (time.perf_counter() - started) * 1_000, page


async def plan(stack: Deployment, session_id: str, after: EventKey | None) -> list[str]:
    """Return how PostgreSQL answers the reader's own statement for a page."""
    lines: list[str] = []

    async def explain(session: Session, statement: Statement, *values: object) -> list[Any]:
        with_plan = Statement("explain", f"EXPLAIN (ANALYZE, COSTS OFF, SUMMARY OFF) {statement.sql}")
        lines.extend(str(row[0]) for row in await fetch(session, with_plan, *values))
        return []

    fetch = Session.fetch
    database = Database(database_options(load_settings(database_url=stack.postgres.url)))
    try:
        with patch.object(Session, "fetch", explain):
            await PostgresAuditReader(database).events(EventQuery(session_id, after, PAGE))
    finally:
        await database.close()
    return lines


async def measure(events: int) -> bool:
    """Fill, page, print; return whether the aim of 20 ms holds for the median page."""
    async with fresh_deployment() as stack:
        server = stack.start_server()
        stack.start_worker()
        async with connect(server.address) as stub:
            template = (await running_session(stub)).session_id
        await eventually(stack.is_drained, 60, "the outbox is empty")
        stack.workers[0].stop()
        sessions = await fill(stack, template, events)
        (total,) = await stack.query("SELECT count(*) AS n FROM sync_events")
        async with grpc.aio.insecure_channel(server.address) as channel:
            audit: Any = AuditServiceStub(channel)
            await timed_page(audit, template, "")  # opens the connection
            first = [(await timed_page(audit, session, ""))[0] for session in sessions for _ in range(10)]
            token, deep = "", []
            for place in track(range(events // SESSIONS // PAGE // 2 + DEEP), "paging", console=Console(stderr=True)):
                spent, page = await timed_page(audit, sessions[0], token)
                token = page.next_page_token
                if place >= events // SESSIONS // PAGE // 2:
                    deep.append(spent)
        (middle,) = await stack.query(
            "SELECT epoch, version, id::text AS id FROM sync_events WHERE session_id = $1 AND version = $2",
            sessions[0],
            events // SESSIONS // 2,
        )
        explained = await plan(stack, sessions[0], EventKey(*middle.values()))
    sys.stdout.write(
        f"ListSessionEvents, pages of {PAGE}, {total['n']:,} events stored, {events // SESSIONS:,} a session\n"
    )
    for name, spent_ms in (("first page", first), ("page in the middle", deep)):
        cuts = quantiles(spent_ms, n=100)
        sys.stdout.write(f"  {name}: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, max {max(spent_ms):.1f} ms\n")
    sys.stdout.write("a page in the middle:\n" + "".join(f"  {line}\n" for line in explained))
    return quantiles(first, n=100)[49] < 20 and quantiles(deep, n=100)[49] < 20


def main(events: Annotated[int, typer.Option(help="Events in the trail.")] = 1_000_000) -> None:
    """Measure paging through a long history."""
    sys.exit(0 if asyncio.run(measure(events)) else 1)


if __name__ == "__main__":
    typer.run(main)
