"""`synckairos session get` and `list`."""

import sys
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, Any

import typer
from google.protobuf.message import Message
from rich.console import Console

from synckairos.cli.plain_text import for_programs
from synckairos.cli.sessions.commands import AsJson, Asking, SessionId, print_json, reading
from synckairos.cli.sessions.connection import TIMEOUT_S, Address, Timeout, ask, server
from synckairos.cli.sessions.creating import MODES, ModeName
from synckairos.cli.sessions.values import labels
from synckairos.cli.views.session_rows import session_table
from synckairos.client import SyncKairos
from synckairos.client.session_clock import SessionClock
from synckairos.v1 import session_pb2

PAGE = 100
MOST = 50


class StatusName(StrEnum):
    """The statuses by the words of the command line."""

    pending = "pending"
    running = "running"
    paused = "paused"
    expired = "expired"
    completed = "completed"
    cancelled = "cancelled"


STATUSES = {name: session_pb2.Status.Value(f"STATUS_{name.name.upper()}") for name in StatusName}


@reading
async def get(asking: Asking, session_id: SessionId) -> Message:
    """Show a session as of now.

    \b
    Examples:
      synckairos session get $SESSION
      synckairos session get $SESSION --json | jq -r .session.status
    """
    return await asking.client.get_session(session_id, **asking.fields)


def list_(
    status: Annotated[list[StatusName] | None, typer.Option(help="Only those in this state; once for each.")] = None,
    mode: Annotated[list[ModeName] | None, typer.Option(help="Only those of this mode; once for each.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only those with this label; once for each.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="The most sessions; 0: all.")] = MOST,
    as_json: AsJson = False,
    address: Address = None,
    timeout: Timeout = TIMEOUT_S,
) -> None:
    """List sessions, newest first; as JSON a session a line.

    \b
    Examples:
      synckairos session list
      synckairos session list --status running --label event=open
      synckairos session list -n 0 --json | jq -r .session_id
    """
    filters = {
        "statuses": [STATUSES[one] for one in status or ()],
        "modes": [MODES[one] for one in mode or ()],
        "labels": labels(label or ()),
    }
    to = server(address, timeout_s=timeout)

    async def listed(client: SyncKairos) -> None:
        found = sessions(client, limit, **filters)
        if for_programs(asked=as_json):
            async for clock in found:
                print_json(clock.session)
        else:
            console = Console()
            console.print(session_table([each async for each in found], console.width))

    ask(listed, to)


async def sessions(
    client: SyncKairos,
    limit: int = 0,
    **filters: Any,  # noqa: ANN401 - each of its own type
) -> AsyncIterator[SessionClock]:
    """Yield the clocks of up to `limit` sessions, the newest first; 0: of all."""
    token, left = "", limit or sys.maxsize
    while True:
        page = await client.list_sessions(page_size=min(PAGE, left), page_token=token, **filters)
        at_ms = page.server_time.ToMilliseconds()
        for one in page.sessions[:left]:
            yield SessionClock(one, at_ms)
        left -= len(page.sessions)
        token = page.next_page_token
        if not token or left <= 0:
            return
