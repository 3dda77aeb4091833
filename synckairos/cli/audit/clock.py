"""`synckairos clock`: why a clock shows what it shows, line by line; a table on a terminal, JSON for everything else.

It reads the database directly, so it works while no server runs.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated
from uuid import UUID

import msgspec.json
import typer
from rich.console import Console

from synckairos.application.trail.audit import AuditReader
from synckairos.application.trail.clock_accounts import ClockQuery, explain_clock
from synckairos.cli.audit.access import AsJson, Tenant, opened_trail
from synckairos.cli.audit.reading import PAGE, SessionId
from synckairos.cli.audit.tables import account_table
from synckairos.cli.inspection import InspectionError
from synckairos.cli.plain_text import for_programs, print_json_line
from synckairos.cli.running import run, settings_or_fail
from synckairos.domain.clock_accounts.account import Line
from synckairos.domain.clock_accounts.entries import Holder
from synckairos.domain.model import Mode
from synckairos.domain.tenancy import DEFAULT_TENANT, qualify
from synckairos.settings import Settings


def clock(
    session_id: SessionId,
    holder: Annotated[
        UUID | None,
        typer.Argument(help="The participant's or the group's UUID; none where the clock is the session's own."),
    ] = None,
    version: Annotated[int, typer.Option(min=0, help="Up to this version; 0: the latest in the trail.")] = 0,
    as_json: AsJson = False,
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Explain a clock: all that was added to it and taken from it, oldest first."""
    settings = settings_or_fail(of_dev=True)
    named = qualify(tenant, str(session_id))
    run(_explain(settings, named, str(holder or ""), version, as_json=for_programs(asked=as_json)))


async def _explain(settings: Settings, session_id: str, holder: str, version: int, *, as_json: bool) -> None:
    async with opened_trail(settings) as trail, aclosing(_lines(trail.reader, session_id, holder, version)) as lines:
        if not as_json:
            Console().print(account_table([line async for line in lines]))
            return
        async for line in lines:
            print_json_line(_encoded(line))


async def _lines(reader: AuditReader, session_id: str, holder: str, version: int) -> AsyncGenerator[Line, None]:
    """Yield the lines of all pages; raises InspectionError or Refusal for what cannot be explained."""
    (latest,) = await reader.latest([session_id])
    if latest is None:
        raise InspectionError(f"the audit trail knows nothing of session {session_id}")
    is_group = latest.rules.mode is Mode.PER_GROUP
    asked = ClockQuery(session_id, Holder("", holder) if is_group else Holder(holder), version, None, PAGE)
    while True:
        page = await explain_clock(reader, asked)
        for line in page.lines:
            yield line
        if page.following is None:
            return
        asked = asked._replace(after=page.following)


def _encoded(line: Line) -> bytes:
    """Return a line as JSON, named as in the contract; the instant is in ms since 1970."""
    version, occurred_at, entry, balance_ms = line
    told = {
        "version": version,
        "occurred_at": occurred_at,
        "kind": entry.kind.name.lower(),
        "amount_ms": entry.amount_ms,
        "balance_ms": balance_ms,
        "periods_burnt": entry.periods_burnt,
        "note": entry.note,
    }
    return msgspec.json.encode(told)
