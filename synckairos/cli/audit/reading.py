"""`synckairos audit events`, `participant`, `session` and `status`: tables on a terminal, JSON for everything else.

They read the database directly, so they work while no server runs.
"""

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Annotated, Any
from uuid import UUID

import msgspec.json
import typer
from rich.console import Console

from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import database_options
from synckairos.adapters.postgres.trail.lines import encode_audited
from synckairos.adapters.postgres.trail.snapshot import encode_session
from synckairos.adapters.postgres.trail.statistics import TableStatistics, table_statistics
from synckairos.application.errors import AuditUnavailable
from synckairos.application.pipeline.status import PipelineStatus
from synckairos.application.trail.audit import (
    AuditedEvent,
    EventKey,
    EventQuery,
    ParticipantKey,
    ParticipantQuery,
    SessionAudit,
)
from synckairos.cli.audit.access import APPLICATION, AsJson, Since, Tenant, Until, event_type, opened_trail
from synckairos.cli.audit.tables import (
    events_table,
    participants_table,
    session_table,
    statistics_table,
    status_table,
)
from synckairos.cli.inspection import InspectionError
from synckairos.cli.plain_text import PlainTable, for_programs, json_for, print_json_line
from synckairos.cli.running import run, settings_or_fail
from synckairos.composition.parts import pipeline_parts, pipeline_report
from synckairos.composition.redis import opened_redis
from synckairos.domain.model import Session
from synckairos.domain.tenancy import DEFAULT_TENANT, name_of, qualify
from synckairos.settings import Settings
from synckairos.telemetry import Metrics

PAGE = 200
TERMINAL_ROWS = 1_000

ReadPage = Callable[[Session | None, int], Awaitable[list[AuditedEvent]]]
"""Reads so many events after the one that led to a session; None for the first page."""

SessionId = Annotated[UUID, typer.Argument(help="The session's UUID.")]
Limit = Annotated[int | None, typer.Option(min=1, help="The most events to show; on a terminal 1000 by default.")]


def events(  # noqa: PLR0913, PLR0917 - one parameter an option
    session_id: SessionId,
    types: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Only these, such as cycle_switched.")
    ] = None,
    participant: Annotated[UUID | None, typer.Option(help="Only events of this participant.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    changes: Annotated[bool, typer.Option("--changes", help="What each changed, from what to what.")] = False,
    as_json: AsJson = False,
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Show a session's events, oldest first."""
    query = EventQuery(
        session_id=qualify(tenant, str(session_id)),
        after=None,
        limit=PAGE,
        types=frozenset(event_type(one) for one in types or ()),
        participant_id=str(participant) if participant else None,
        start=since,
        end=until,
        with_before=changes,
    )
    run(_events(settings_or_fail(of_dev=True), query, limit, as_json=for_programs(asked=as_json)))


def participant(
    participant_id: Annotated[UUID, typer.Argument(help="The participant's UUID.")],
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    as_json: AsJson = False,
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Show the events about a participant in all sessions of a tenant, oldest first."""
    query = ParticipantQuery(str(participant_id), None, PAGE, start=since, end=until, tenant=tenant)
    run(_participant(settings_or_fail(of_dev=True), query, limit, as_json=for_programs(asked=as_json)))


def session(session_id: SessionId, as_json: AsJson = False, tenant: Tenant = DEFAULT_TENANT) -> None:
    """Show a session as the trail knows it, and the statistics of its participants."""
    audit = run(_session(settings_or_fail(of_dev=True), qualify(tenant, str(session_id))))
    if for_programs(asked=as_json):
        print_json_line(msgspec.json.encode(_plain(audit)))
        return
    console = Console()
    console.print(session_table(audit))
    if audit.participants:
        console.print(participants_table(audit.participants))


def status(as_json: AsJson = False) -> None:
    """Show how far the trail is behind, and why; exits 0 only if all is well."""
    found, tables = run(_status(settings_or_fail(of_dev=True)))
    if for_programs(asked=as_json):
        told = _told(found) | {"tables": [one._asdict() for one in tables]}
        print_json_line(msgspec.json.encode(told))
    else:
        console = Console()
        console.print(status_table(found))
        if tables:
            console.print(statistics_table(tables))
    if found.degraded:
        raise typer.Exit(1)


async def _events(settings: Settings, query: EventQuery, limit: int | None, *, as_json: bool) -> None:
    async with opened_trail(settings) as trail:
        if (await trail.reader.latest([query.session_id]))[0] is None:
            raise InspectionError(f"the audit trail knows nothing of session {query.session_id}")

        async def read(last: Session | None, count: int) -> list[AuditedEvent]:
            after = None if last is None else EventKey(last.epoch, last.version, last.change_id)
            return await trail.reader.events(query._replace(after=after, limit=count))

        await _show(read, limit, lambda rows: events_table(rows, changes=query.with_before), as_json=as_json)


async def _participant(settings: Settings, query: ParticipantQuery, limit: int | None, *, as_json: bool) -> None:
    async with opened_trail(settings) as trail:

        async def read(last: Session | None, count: int) -> list[AuditedEvent]:
            after = None if last is None else ParticipantKey(last.updated_at, last.change_id)
            return await trail.reader.participant_events(query._replace(after=after, limit=count))

        await _show(read, limit, lambda rows: events_table(rows, sessions=True), as_json=as_json)


async def _show(
    read: ReadPage, limit: int | None, draw: Callable[[list[AuditedEvent]], PlainTable], *, as_json: bool
) -> None:
    """Print events page by page, as JSON Lines or as a table."""
    if as_json:
        async with aclosing(_walk(read, limit)) as found:
            async for event in found:
                sys.stdout.buffer.write(json_for(sys.stdout.buffer, encode_audited(event)))
        return
    most = limit or TERMINAL_ROWS
    async with aclosing(_walk(read, most + 1)) as found:
        rows = [event async for event in found]
    Console().print(draw(rows[:most]))
    if len(rows) > most:
        typer.echo(f"the first {most} of more: narrow it down, raise --limit, or take --json", err=True)


async def _walk(read: ReadPage, limit: int | None) -> AsyncGenerator[AuditedEvent, None]:
    """Yield events page by page, up to the limit."""
    left = sys.maxsize if limit is None else limit
    last: Session | None = None
    while left > 0:
        wanted = min(PAGE, left)
        rows = await read(last, wanted)
        for row in rows:
            yield row
        if len(rows) < wanted:
            return
        last = rows[-1].record.event.session
        left -= len(rows)


async def _session(settings: Settings, session_id: str) -> SessionAudit:
    async with opened_trail(settings) as trail:
        audit = await trail.reader.session(session_id)
    if audit is None:
        raise InspectionError(f"the audit trail knows nothing of session {session_id}")
    return audit


def _plain(audit: SessionAudit) -> dict[str, Any]:
    """Return everything about a session as what JSON has, named as in the contract."""
    summary = audit.summary._asdict()
    summary["session"] = msgspec.Raw(encode_session(audit.summary.session).encode())
    return {
        "tenant": name_of(audit.summary.session.session_id).tenant,
        "summary": summary,
        "participants": [one._asdict() for one in audit.participants],
        "event_count": audit.event_count,
        "fork_count": audit.fork_count,
    }


async def _status(settings: Settings) -> tuple[PipelineStatus, list[TableStatistics]]:
    """Return the state of the pipeline, and the statistics of the tables; none if the database is away."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(opened_redis(settings, APPLICATION, limit=2))
        parts = pipeline_parts(settings, *redis, Metrics())
        stack.push_async_callback(parts.bell.close)
        database = None
        if settings.database_url is not None:
            database = Database(database_options(settings, APPLICATION)._replace(pool_min=0, pool_max=2))
            stack.push_async_callback(database.close)
        status = await pipeline_report(parts, database).status()
        tables: list[TableStatistics] = []
        if database is not None:
            with suppress(AuditUnavailable):
                tables = await table_statistics(database)
        return status, tables


def _told(status: PipelineStatus) -> dict[str, Any]:
    """Return the status as what JSON has, named as in the contract."""
    queue, totals = status.queue, status.totals
    depths = {} if queue is None else {f"queue_{name}": depth for name, depth in queue._asdict().items()}
    return {
        "outbox_length": status.outbox_length,
        "oldest_age_ms": status.oldest_age_ms,
        **depths,
        "queue_completed": totals.completed,
        "queue_failed": totals.failed,
        "dead_entries": status.dead_entries,
        "written": totals.written,
        "known": totals.known,
        "forks": totals.forks,
        "last_written_at": totals.last_written_at,
        "last_error": totals.last_error,
        "last_error_at": totals.last_error_at,
        "degraded": status.degraded,
        "degraded_reasons": status.problems,
    }
