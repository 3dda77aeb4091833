"""`synckairos audit retention`: how long the audit trail keeps its events."""

import shlex
from typing import Annotated

import typer

from synckairos.adapters.postgres.schema.book import connected
from synckairos.adapters.postgres.schema.partitions import Detached, Retention, retain
from synckairos.adapters.postgres.schema.summaries import Forgotten, forget_sessions
from synckairos.cli.migration import options_of, target
from synckairos.cli.running import run
from synckairos.settings import Settings


def retention(
    keep_months: Annotated[int, typer.Option(min=1, max=1_200, help="Months to keep, besides the running one.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and change nothing.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Drop detached months, those of earlier runs too.")] = False,
    sessions: Annotated[
        bool, typer.Option("--sessions", help="Delete the rows of sessions that ended before the months kept, too.")
    ] = False,
) -> None:
    """Make partitions for the months ahead, and detach the events of months that need not be kept."""
    settings, url = target()
    would = "would have " if dry_run else ""
    months, forgotten = run(_retain(settings, url, keep_months, drop=drop, dry_run=dry_run, sessions=sessions))
    for line in [*_report(months, would), *_deleted(forgotten, would)] or ["nothing to do"]:
        typer.echo(line)


async def _retain(
    settings: Settings, url: str, keep_months: int, *, drop: bool, dry_run: bool, sessions: bool
) -> tuple[Retention, Forgotten | None]:
    async with connected(url, options_of(settings)) as connection:
        months = await retain(connection, keep_months, drop=drop, dry_run=dry_run)
        return months, await forget_sessions(connection, keep_months, dry_run=dry_run) if sessions else None


def _deleted(forgotten: Forgotten | None, would: str) -> list[str]:
    if forgotten is None or not forgotten.sessions:
        return []
    rows = f"{forgotten.sessions} sessions and {forgotten.participants} participants"
    return [f"{would}deleted {rows}, last changed before {forgotten.before:%Y-%m}"]


def _report(found: Retention, would: str) -> list[str]:
    lines = [f"{would}made {name}" for name in found.made]
    lines += [f"{would}detached {month.table}, {month.rows} rows" for month in found.detached]
    lines += [f"{would}dropped {month.table}, {month.rows} rows" for month in found.dropped]
    standing = [month for month in [*found.lying, *found.detached] if month not in found.dropped]
    if standing and not would:
        lines += ["", "detached months are tables of their own; to dump them:"]
        lines += [f"  {_dump_command(month)}" for month in standing]
        lines += ["and to drop them, repeat this with --drop"]
    return lines


def _dump_command(month: Detached) -> str:
    file = f"{month.table.rsplit('.', 1)[-1]}.dump"
    return f'pg_dump --format=custom --table={shlex.quote(month.table)} --file={file} "$SYNCKAIROS_DATABASE_URL"'
