"""`synckairos audit sample`: a trail with something in it, for trying out queries and dashboards."""

import time
from typing import Annotated

import typer

from synckairos.application.trail.audit import SessionQuery
from synckairos.application.trail.sample_data import sample_sessions
from synckairos.cli.audit.access import opened_trail, tenant_option
from synckairos.cli.inspection import InspectionError
from synckairos.cli.running import run, settings_or_fail
from synckairos.domain.tenancy import DEFAULT_TENANT
from synckairos.settings import Settings


def sample(
    sessions: Annotated[int, typer.Option(min=1, max=100_000, help="How many sessions.")] = 100,
    seed: Annotated[int, typer.Option(help="Another number gives other sessions.")] = 0,
    tenant: Annotated[str, tenant_option("Whose sessions they are to be.")] = DEFAULT_TENANT,
    beside: Annotated[bool, typer.Option("--beside", help="Also where the trail holds sessions already.")] = False,
) -> None:
    """Write sessions that were never played into a tenant's empty trail; all have ended, and the label `sample`."""
    new = run(_sample(settings_or_fail(of_dev=True), sessions, seed, tenant, beside=beside))
    typer.echo(f"wrote {new} events of {sessions} sessions")


async def _sample(settings: Settings, count: int, seed: int, tenant: str, *, beside: bool) -> int:
    """Return how many events are new."""
    new = 0
    async with opened_trail(settings) as trail:
        if not beside and await trail.reader.sessions(SessionQuery(None, 1, tenant=tenant)):
            raise InspectionError("the audit trail holds sessions: sample data beside them need --beside")
        for records in sample_sessions(count, seed, time.time_ns() // 1_000_000, settings.lifetimes, tenant):
            new += (await trail.writer.write(records)).new
    return new
