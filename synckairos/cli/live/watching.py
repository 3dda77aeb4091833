"""`synckairos watch`: the clocks of a session as they run, and what happens to it.

On a terminal a screen that is drawn ten times a second from one stream, without further calls; else a line an event.
"""

import asyncio
import contextlib
import time
from collections import deque
from datetime import UTC, timedelta
from typing import Annotated, Final

import typer
from rich.console import Console, Group, RenderableType
from rich.text import Text

from synckairos.cli.live.history import as_recorded, event_line
from synckairos.cli.live.screen import Screen, is_terminal, opened_screen
from synckairos.cli.plain_text import for_programs
from synckairos.cli.sessions.commands import AsJson, SessionId, print_json
from synckairos.cli.sessions.connection import Address, ask, server
from synckairos.cli.views.readings import face, readings
from synckairos.cli.views.session_panel import clocks, head, result
from synckairos.cli.views.words import TERMINAL, instant, status_word
from synckairos.cli.views.words import plain as plain_text
from synckairos.client import SyncKairos, SyncKairosError
from synckairos.client.server_clock import ServerClock
from synckairos.client.session_clock import SessionClock
from synckairos.v1 import event_pb2, session_pb2
from synckairos.v1 import session_service_pb2 as pb

LINES: Final = 200
PAST: Final = timedelta(minutes=10)
"""How far back the events go that are shown at first."""
PROGRESS_MS: Final = 1_000
SILENCE_S: Final = 3.5
"""After so long without the progress that was asked for, the server or the way to it is away."""
PAST_S: Final = 2.0
"""How long the screen waits for them."""


class Watched:
    """What is known of a session that is watched."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.clock: SessionClock | None = None
        self.lines: deque[Text] = deque(maxlen=LINES)
        self.is_over = False
        self._heard_at = time.monotonic()

    @property
    def silence_s(self) -> float:
        """For how long the server has said nothing, though it was asked to."""
        return 0.0 if self.is_over else time.monotonic() - self._heard_at

    def take(self, message: pb.WatchSessionResponse) -> None:
        """Take in a message of the stream."""
        self._heard_at = time.monotonic()
        match message.WhichOneof("payload"):
            case "snapshot":
                self.clock = SessionClock(message)
            case "event":
                self.clock = SessionClock(message)
                self.lines.append(event_line(as_recorded(message)))
            case "end":
                self.is_over = True
                reason = event_pb2.EndReason.Name(message.end.reason).removeprefix("END_REASON_").lower()
                self.lines.append(Text(f"the stream has ended: {reason}", style="dim"))


def watch(
    session_id: SessionId,
    tick: Annotated[
        float, typer.Option(min=0, max=60, metavar="SECONDS", help="Print the clocks so often, too; not on a screen.")
    ] = 0,
    plain: Annotated[bool, typer.Option("--lines", help="Lines instead of a screen, also on a terminal.")] = False,
    as_json: AsJson = False,
    address: Address = None,
) -> None:
    """Watch a session's clocks run. Keys: q quits, e shows more events.

    Without a terminal, or with --lines, an event is a line; with --json a message of the stream is.

    \b
    Examples:
      synckairos watch $SESSION
      synckairos watch $SESSION --lines --tick 1
      synckairos watch $SESSION --json | jq -r 'select(.event) | .event.type'
    """
    to = server(address)

    async def watched(client: SyncKairos) -> None:
        if is_terminal() and not plain and not as_json:
            async with opened_screen() as screen:
                await watch_on(screen, client, session_id)
        else:
            await _print(client, session_id, round(tick * 1_000), as_json=for_programs(asked=as_json) and not plain)

    ask(watched, to, is_live=True)


async def _print(client: SyncKairos, session_id: str, tick_ms: int, *, as_json: bool) -> None:
    """Print the stream, up to its end."""
    console, watched = Console(soft_wrap=True), Watched(session_id)
    async for message in client.watch(session_id, tick_interval_ms=tick_ms):
        if as_json:
            print_json(message)
            continue
        watched.take(message)
        if message.HasField("tick") or message.HasField("snapshot"):
            at_ms = message.server_time.ToMilliseconds()
            console.print(clock_line(watched, at_ms))
        elif watched.lines:
            console.print(watched.lines.pop())


async def watch_on(screen: Screen, client: SyncKairos, session_id: str) -> None:
    """Show a session until a key ends it; raises what ends the stream."""
    watched = Watched(session_id)
    async with contextlib.AsyncExitStack() as stack:
        now = await stack.enter_async_context(client.sync_clock())
        reading = asyncio.ensure_future(_read(client, watched))
        stack.callback(reading.cancel)
        wide = False
        while True:
            if reading.done() and not watched.is_over:
                reading.result()
            key = await screen.shown(_drawn(screen, watched, now, wide=wide))
            if key in ("q", "escape"):
                return
            if key == "e":
                wide = not wide


async def _read(client: SyncKairos, watched: Watched) -> None:
    async for message in client.watch(watched.session_id, progress_interval_ms=PROGRESS_MS):
        is_first = watched.clock is None
        watched.take(message)
        if is_first and watched.clock is not None:
            watched.lines.extend(await _past(client, watched.clock.session))


async def _past(client: SyncKairos, session: session_pb2.Session) -> list[Text]:
    """Return the last minutes as lines, as far as the audit trail can tell; without a trail there are none."""
    after = session.updated_at.ToDatetime(UTC) - PAST
    try:
        page = await client.with_options(timeout_s=PAST_S).list_session_events(
            session.session_id, page_size=LINES, after=after
        )
    except SyncKairosError:
        return []
    return [
        event_line(event) for event in page.events if event.epoch == session.epoch and event.version <= session.version
    ]


def clock_line(watched: Watched, at_ms: int) -> Text:
    """Return what the clocks show at an instant, as one line."""
    line = Text().append(f"{instant(at_ms)} ", style="dim")
    if watched.clock is None:
        return line
    session = watched.clock.session
    line.append(f"{session.version:>5}  ", style="dim")
    line.append(status_word(session.status).ljust(20), style="bold")
    for one in readings(watched.clock, at_ms):
        line.append_text(plain_text(f"{'▶ ' if one.is_active else ''}{one.name} "))
        line.append(f"{face(one.shown_ms)}  ", style="green" if one.is_running else "")
    return line


def _drawn(screen: Screen, watched: Watched, now: ServerClock, *, wide: bool) -> RenderableType:
    """Return the whole screen: head and clocks, then as many of the latest events as fit, and the keys."""
    clock = watched.clock
    if clock is None:
        return Text("waiting for the server …", style="dim")
    rows = screen.console.height
    session = clock.session
    now_ms = clock.taken_at_ms if session.status in TERMINAL else now.now_ms()
    above: list[RenderableType] = [head(session), Text()]
    if not wide:
        above += [clocks(clock, now_ms, is_big=True), result(session), Text()]
    taken = sum(len(screen.console.render_lines(each, pad=False)) for each in above)
    left = max(rows - taken - 2, 0)
    shown = list(watched.lines)[-left:] if left else []
    keys = Text("q quit   e clocks" if wide else "q quit   e events only", style="dim")
    if watched.silence_s > SILENCE_S:
        keys.append(f"   no word from the server for {watched.silence_s:.0f} s; it is tried again", style="not dim red")
    filling = [Text()] * max(rows - taken - len(shown) - 1, 0)
    return Group(*above, *shown, *filling, keys)
