"""Opens the audit trail for one command, and reads the options that commands share."""

import getpass
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple

import typer

from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import database_options
from synckairos.adapters.postgres.trail.export import PostgresAuditExport
from synckairos.adapters.postgres.trail.operator_actions import PostgresOperatorActions
from synckairos.adapters.postgres.trail.reader import PostgresAuditReader
from synckairos.adapters.postgres.trail.writer import PostgresAuditTrail
from synckairos.domain.events import EventType
from synckairos.domain.tenancy import TENANT
from synckairos.settings import Settings

APPLICATION: Final = "synckairos-cli"


class Trail(NamedTuple):
    """All ways into the audit trail."""

    reader: PostgresAuditReader
    writer: PostgresAuditTrail
    export: PostgresAuditExport
    actions: PostgresOperatorActions


@asynccontextmanager
async def opened_trail(settings: Settings) -> AsyncIterator[Trail]:
    """Open the audit trail while the body runs; raises DatabaseOptionsError if the settings name none."""
    database = Database(database_options(settings, APPLICATION)._replace(pool_min=0, pool_max=2))
    try:
        yield Trail(
            PostgresAuditReader(database),
            PostgresAuditTrail(database),
            PostgresAuditExport(database),
            PostgresOperatorActions(database),
        )
    finally:
        await database.close()


def operator() -> str:
    """Return who runs this command, as `account@machine`."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        account = str(os.getuid())  # an account without a name, as in a container
    return f"{account}@{socket.gethostname()}"


def reason_text(text: str) -> str:
    """Return a reason that says something."""
    if not text.strip() or "\0" in text:
        raise typer.BadParameter("must say why")
    return text.strip()


def instant_ms(text: str) -> int:
    """Return the ms since 1970 of an ISO 8601 instant, UTC unless it says otherwise."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("must be an instant such as 2026-11-20 or 2026-11-20T09:30:00Z") from None
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    if since < timedelta(0):
        raise typer.BadParameter("must not be before 1970")
    # Rounded up: events happen at whole ms, and one that is not before the instant is not before the next ms.
    return -(-since // timedelta(milliseconds=1))


def event_type(text: str) -> EventType:
    """Return the type of event of this name."""
    try:
        return EventType[text.upper().removeprefix("EVENT_TYPE_")]
    except KeyError:
        names = ", ".join(one.name.lower() for one in EventType)
        raise typer.BadParameter(f"must be one of {names}") from None


def tenant_name(text: str) -> str:
    """Return what a tenant may be called."""
    if not TENANT.fullmatch(text):
        raise typer.BadParameter("must be 1 to 64 of a-z, 0-9, _ and -")
    return text


def tenant_option(help_: str) -> Any:  # noqa: ANN401 - as Typer has it
    """Return an option that names a tenant."""
    return typer.Option("--tenant", parser=tenant_name, metavar="NAME", help=help_)


AsJson = Annotated[bool, typer.Option("--json", help="JSON, as always when the output is no terminal.")]
Tenant = Annotated[str, tenant_option("Whose session it is.")]
Reason = Annotated[str, typer.Option(parser=reason_text, metavar="TEXT", help="Why; kept with the record.")]
Since = Annotated[
    int | None, typer.Option(parser=instant_ms, metavar="INSTANT", help="Only from this instant (ISO 8601, UTC) on.")
]
Until = Annotated[
    int | None, typer.Option(parser=instant_ms, metavar="INSTANT", help="Only before this instant (ISO 8601, UTC).")
]
