"""The command: look at everything, say what is wrong and what to do about it."""

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Final

import msgspec.json
import typer
from rich.console import Console

from synckairos.adapters.postgres.condition import clock_ahead_ms
from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import DatabaseOptionsError, database_options
from synckairos.adapters.redis.condition import RedisCondition
from synckairos.application.errors import AuditUnavailable, StoreUnavailable
from synckairos.cli.audit.access import APPLICATION, AsJson
from synckairos.cli.doctor.certificates import look_at_certificate
from synckairos.cli.doctor.clocks import THIS_MACHINE, Clock, compared
from synckairos.cli.doctor.credentials import look_at_credentials
from synckairos.cli.doctor.database import look_at_database
from synckairos.cli.doctor.findings import Finding, Level, advice, wrong
from synckairos.cli.doctor.pipeline import look_at_pipeline
from synckairos.cli.doctor.servers import look_at_server
from synckairos.cli.doctor.store import look_at_store
from synckairos.cli.doctor.traces import look_at_traces
from synckairos.cli.plain_text import PlainTable, for_programs, print_json_line
from synckairos.cli.running import run, settings_or_fail
from synckairos.cli.sessions.exit_codes import ExitCode
from synckairos.composition.parts import pipeline_parts
from synckairos.composition.redis import CLIENT_NAME, Redis, opened_redis
from synckairos.settings import Settings
from synckairos.telemetry import Metrics

STYLES: Final = {Level.FINE: "green", Level.ADVICE: "yellow", Level.WRONG: "red", Level.UNSEEN: "magenta"}


def doctor(
    address: Annotated[str | None, typer.Option(help="host:port of a server; default SYNCKAIROS_LISTEN.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look at everything that is configured; exits 0 if all is well, 1 if something is wrong, 6 if it cannot tell."""
    settings = settings_or_fail(of_dev=True)
    found = run(examine(settings, address or settings.listen))
    if for_programs(asked=as_json):
        told = {"exit_code": _exit_code(found), "findings": [one._asdict() for one in found]}
        print_json_line(msgspec.json.encode(told))
    else:
        _draw(found)
    if code := _exit_code(found):
        raise typer.Exit(code)


async def examine(settings: Settings, address: str) -> list[Finding]:
    """Return what there is to say of everything that the settings name."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(opened_redis(settings, CLIENT_NAME, limit=2))
        found = await look_at_store(settings, redis)
        database: Database | None = None
        if settings.database_url is None:
            what = "no database is configured: there is no audit trail"
            found.append(advice("postgres.reach", what, "set SYNCKAIROS_DATABASE_URL, if there should be one"))
        else:
            try:
                options = database_options(settings, APPLICATION)._replace(pool_min=0, pool_max=2)
            except DatabaseOptionsError as error:
                found.append(wrong("postgres.settings", str(error), "correct the SYNCKAIROS_DATABASE_… settings"))
            else:
                database = Database(options)
                stack.push_async_callback(database.close)
                found += await look_at_database(settings, database)
        found += await _clocks(redis, database)
        parts = pipeline_parts(settings, *redis, Metrics())
        stack.push_async_callback(parts.bell.close)
        found += await look_at_pipeline(parts, has_database=database is not None)
    found += await look_at_server(address, has_database=database is not None)
    return [*found, *_certificates(), *await look_at_credentials(settings), *await look_at_traces()]


async def _clocks(redis: Redis, database: Database | None) -> list[Finding]:
    """Return how the clocks agree that can be read; whatever cannot has been told of already."""
    try:
        reading = Clock(*await RedisCondition(redis.connections).clock())
    except StoreUnavailable:
        return []
    found = [compared("clock.machine", "this machine", reading, THIS_MACHINE)]
    if database is not None:
        try:
            other = Clock(*await clock_ahead_ms(database))
        except AuditUnavailable:
            return found
        found.append(compared("clock.postgres", "PostgreSQL", reading, other))
    return found


def _certificates() -> list[Finding]:
    return [
        look_at_certificate(certificate, os.environ.get(f"SYNCKAIROS_TLS_{kind}KEY") or certificate, kind)
        for kind in ("", "CLIENT_")
        if (certificate := os.environ.get(f"SYNCKAIROS_TLS_{kind}CERT"))
    ]


def _exit_code(found: Sequence[Finding]) -> int:
    """Return 6 where the report has holes, else 1 where something is wrong."""
    levels = {one.level for one in found}
    if Level.UNSEEN in levels:
        return ExitCode.UNAVAILABLE
    return ExitCode.FAILED if Level.WRONG in levels else 0


def _draw(found: Sequence[Finding]) -> None:
    table = PlainTable("", "looked at", "found", "what to do")
    for one in found:
        table.add_row(one.level, one.name, one.what, one.remedy, style=STYLES[one.level])
    console = Console()
    console.print(table)
    counts = Counter(one.level for one in found)
    console.print(", ".join(f"{counts[level]} {level}" for level in Level), highlight=False)
