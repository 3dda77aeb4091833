"""`synckairos events`: what happened to a session, from the audit trail, and what goes on happening."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Annotated, Final, TypeAlias

import grpc
import typer
from rich.console import Console

from synckairos.cli.live.history import as_recorded, event_line
from synckairos.cli.plain_text import for_programs
from synckairos.cli.sessions.commands import AsJson, SessionId, print_json
from synckairos.cli.sessions.connection import TIMEOUT_S, Address, Timeout, ask, refuse, server
from synckairos.client import SyncKairos
from synckairos.client.errors import AuditUnavailable, SessionNotFound
from synckairos.v1 import event_pb2
from synckairos.v1.audit_service_pb2 import AuditEvent

PAGE: Final = 200
PATIENCE_S: Final = 5.0
"""How long the trail may be behind what the server knows."""
LOOK_S: Final = 0.2

Types: TypeAlias = frozenset["event_pb2.EventType.ValueType"]
"""The types of events to show; none: all."""
Version: TypeAlias = tuple[int, int]
"""An epoch, and the version in it."""


def events(
    session_id: SessionId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens from now.")] = False,
    kind: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Only these, such as cycle-switched.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="The latest so many; 0: all.")] = 0,
    as_json: AsJson = False,
    address: Address = None,
    timeout: Timeout = TIMEOUT_S,
) -> None:
    """Show a session's events, oldest first, an event a line; as the audit trail of the server has them.

    \b
    Examples:
      synckairos events $SESSION
      synckairos events $SESSION --follow --type cycle-switched
      synckairos events $SESSION --json | jq -r '[.version, .type, .reason] | @tsv'
    """
    types = frozenset(map(_type, kind or ()))
    to, console = server(address, timeout_s=timeout), Console(soft_wrap=True)
    is_json = for_programs(asked=as_json)

    def show(event: AuditEvent) -> None:
        print_json(event) if is_json else console.print(event_line(event))

    async def told(client: SyncKairos) -> None:
        if follow:
            await _follow(client, session_id, limit, types, show)
        else:
            for event in (await _recorded(client, session_id, types))[-limit:]:
                show(event)

    ask(told, to, is_live=True)


async def _recorded(client: SyncKairos, session_id: str, types: Types) -> list[AuditEvent]:
    """Return what the trail has, once it has all up to now; raises AuditUnavailable if it stays behind."""
    with contextlib.suppress(SessionNotFound):  # the trail may remember a session that is gone
        session = (await client.get_session(session_id)).session
        has = await _trail_of(client, session_id, (session.epoch, session.version))
        if has < (session.epoch, session.version):
            text = f"the audit trail is behind: it has version {has[1]} of {session.version}"
            raise AuditUnavailable(grpc.StatusCode.UNAVAILABLE, text, AuditUnavailable.known_reason)
    return await _pages(client, session_id, types)


async def _pages(client: SyncKairos, session_id: str, types: Types) -> list[AuditEvent]:
    found: list[AuditEvent] = []
    token = ""
    while True:
        page = await client.list_session_events(session_id, types=sorted(types), page_size=PAGE, page_token=token)
        found += page.events
        token = page.next_page_token
        if not token:
            return found


async def _follow(
    client: SyncKairos, session_id: str, limit: int, types: Types, show: Callable[[AuditEvent], None]
) -> None:
    """Show what the trail has up to the beginning of a stream, then the stream, which goes on where that ends."""
    reached, is_first = (0, 0), True
    async for message in client.watch(session_id):
        place = (message.epoch, message.version)
        match message.WhichOneof("payload"):
            case "gap" if message.gap.reason == event_pb2.GAP_REASON_FORKED:
                typer.echo("synckairos: the last events did not happen: the store came back without them", err=True)
                reached = (place[0], 0)
            case "snapshot" if place > reached:
                past = await _past(client, session_id, types, reached, place)
                for event in past[-limit:] if is_first else past:
                    show(event)
                reached, is_first = place, False
            case "event" if place > reached:
                if not types or message.event.type in types:
                    show(as_recorded(message))
                reached = place


async def _past(client: SyncKairos, session_id: str, types: Types, after: Version, until: Version) -> list[AuditEvent]:
    """Return the events of some types, up to a version, as far as the trail has them."""
    has = await _trail_of(client, session_id, until)
    if has < until:
        typer.echo(f"synckairos: the audit trail is behind: events up to version {until[1]} are missing", err=True)
    found = await _pages(client, session_id, types) if any(has) else []
    return [event for event in found if after < (event.epoch, event.version) <= until]


async def _trail_of(client: SyncKairos, session_id: str, until: Version) -> Version:
    """Return how far the trail has come; it follows with a delay, which is waited for, but not for ever."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + PATIENCE_S
    while True:
        try:
            session = (await client.get_session_audit(session_id)).summary.session
            has = (session.epoch, session.version)
        except SessionNotFound:
            has = (0, 0)
        if has >= until or loop.time() > ends:
            return has
        await asyncio.sleep(LOOK_S)


def _type(text: str) -> "event_pb2.EventType.ValueType":
    """Return the type of event that a text such as `cycle-switched` names."""
    name = f"EVENT_TYPE_{text.upper().replace('-', '_')}"
    if name not in event_pb2.EventType.DESCRIPTOR.values_by_name:
        known = ", ".join(
            each.removeprefix("EVENT_TYPE_").lower().replace("_", "-") for each in event_pb2.EventType.keys()[1:]
        )
        raise refuse(f"there is no type of event {text}; there are {known}")
    return event_pb2.EventType.Value(name)
