"""`synckairos top`: a live table of the sessions of a server, sorted as one likes; Enter watches one of them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from rich.console import Console, Group, RenderableType
from rich.text import Text

from synckairos.cli.live.board import Board, Order, Row
from synckairos.cli.live.screen import is_terminal, opened_screen
from synckairos.cli.live.watching import watch_on
from synckairos.cli.plain_text import PlainTable, for_programs, print_json_line
from synckairos.cli.sessions.commands import AsJson
from synckairos.cli.sessions.connection import Address, Server, ask, server
from synckairos.cli.sessions.reading import STATUSES, StatusName
from synckairos.cli.sessions.values import labels
from synckairos.cli.views.session_rows import cells, rows_table
from synckairos.cli.views.words import status_text, status_word
from synckairos.client import SyncKairos, SyncKairosError
from synckairos.client.server_clock import ServerClock

MOST: Final = 200
FRAME_S: Final = 0.2
"""Pause between drawings of the table, which a key cuts short."""
ABOVE: Final = 3
"""Lines above the rows: the server, the counts, the heads of the columns."""
KEYS: Final = "↑↓ select   Enter watch   s sort   r reverse   a ended too   q quit"


def top(
    sort: Annotated[Order, typer.Option(help="What to sort by; `left` is the time on the running clock.")] = Order.left,
    status: Annotated[list[StatusName] | None, typer.Option(help="Only those in this state; once for each.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only those with this label; once for each.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many sessions.")] = MOST,
    every: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="How often to read them anew.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print the table once, as always without a terminal.")] = False,
    as_json: AsJson = False,
    address: Address = None,
) -> None:
    """Show the sessions of a server as they run. Keys: arrows select, Enter watches, s sorts, r reverses, q quits.

    \b
    Examples:
      synckairos top
      synckairos top --sort newest --label event=open
      synckairos top --once
      synckairos top --json --once
    """
    to = server(address)
    shown = Shown(sort, ended=bool(status))
    filters = {"statuses": [STATUSES[one] for one in status or ()], "labels": labels(label or ())}

    async def told(client: SyncKairos) -> None:
        async with client.sync_clock() as now:
            top_ = Top(to, client, now, Board(limit), shown, filters)
            await top_.read()
            if is_terminal() and not once and not as_json:
                await _show(top_, every)
            elif for_programs(asked=as_json):
                await _write(top_, every, once=once or not as_json)
            else:
                console = Console()
                rows = top_.board.rows(now.now_ms(), sort)
                console.print(_table(rows, now.now_ms(), console.width))

    ask(told, to, is_live=True)


@dataclass
class Shown:
    """How the table is shown, as its keys have it."""

    order: Order
    backwards: bool = False
    ended: bool = False
    place: int = 0
    """The row that is selected."""

    def press(self, key: str | None, rows: int, page: int) -> None:
        """Take a key in; keys that mean nothing here do nothing."""
        orders = list(Order)
        moves = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -page, "page down": page, "home": -rows, "end": rows}
        match key:
            case "s" | "right":
                self.order = orders[(orders.index(self.order) + 1) % len(orders)]
            case "S" | "left":
                self.order = orders[(orders.index(self.order) - 1) % len(orders)]
            case "r":
                self.backwards = not self.backwards
            case "a":
                self.ended = not self.ended
            case str() if key in moves:
                self.place += moves[key]
        self.place = max(0, min(self.place, rows - 1))


@dataclass
class Top:
    """A table of the sessions that the filters let through."""

    to: Server
    client: SyncKairos
    now: ServerClock
    board: Board
    shown: Shown
    filters: dict[str, Any]
    problem: str = ""

    async def read(self) -> None:
        """Read the sessions anew; raises what the call raises."""
        await self.board.read(self.client, **self.filters)


async def _show(top_: Top, every: float) -> None:
    """Draw the table until a key ends it."""
    async with opened_screen() as screen, _reading(top_, every) as reading:
        while True:
            if reading.done():
                reading.result()
            shown = top_.shown
            rows = top_.board.rows(top_.now.now_ms(), shown.order, backwards=shown.backwards, ended=shown.ended)
            page = max(screen.console.height - ABOVE - 1, 1)
            shown.press(None, len(rows), page)
            key = await screen.shown(_drawn(top_, rows, page, screen.console.width), FRAME_S)
            if key in ("q", "escape"):
                return
            if key == "enter" and rows:
                with contextlib.suppress(SyncKairosError):
                    await watch_on(screen, top_.client, rows[shown.place].session.session_id)
            shown.press(key, len(rows), page)


@contextlib.asynccontextmanager
async def _reading(top_: Top, every: float) -> AsyncIterator[asyncio.Future[None]]:
    """Read the sessions anew, again and again, while the body runs; a server that is away is said and tried again."""

    async def read() -> None:
        while True:
            await asyncio.sleep(every)
            try:
                await top_.read()
                top_.problem = ""
            except SyncKairosError as error:
                top_.problem = f"{error.code.name} {error.reason}".strip().lower().replace("_", " ")

    task = asyncio.ensure_future(read())
    try:
        yield task
    finally:
        task.cancel()


def _drawn(top_: Top, rows: list[Row], page: int, width: int) -> RenderableType:
    board, shown = top_.board, top_.shown
    head = PlainTable.grid(expand=True)
    head.add_column()
    head.add_column(justify="right")
    order = f"sorted by {shown.order.value}{' (reversed)' if shown.backwards else ''}"
    head.add_row(Text(f"SyncKairos  {top_.to.address}", style="bold"), Text(order, style="dim"))
    counts = Text()
    for status, count in board.counts().items():
        counts.append_text(status_text(status)).append(f" {count}   ")
    counts.append(f"{board.changes_a_second:.1f} changes/s", style="dim")
    head.add_row(counts, Text(f"the server does not answer: {top_.problem}", style="red") if top_.problem else "")
    first = max(0, min(shown.place - page // 2, len(rows) - page))
    table = _table(rows[first : first + page], top_.now.now_ms(), width, shown.place - first)
    missing = page - len(rows[first : first + page])
    empty = Text("no sessions; `synckairos demo` plays some" if not rows else "", style="dim")
    filling = [empty, *[Text()] * (missing - 1)] if missing else []
    return Group(head, table, *filling, Text(KEYS, style="dim", no_wrap=True, overflow="ellipsis"))


def _table(rows: list[Row], now_ms: int, width: int, selected: int | None = None) -> PlainTable:
    table = rows_table(width)
    for place, row in enumerate(rows):
        table.add_row(*cells(row.clock, now_ms, width), style="reverse" if place == selected else "")
    return table


async def _write(top_: Top, every: float, *, once: bool) -> None:
    """Write the table as JSON, one object each time it is read."""
    board, shown = top_.board, top_.shown
    while True:
        at_ms = top_.now.now_ms()
        told = {
            "server_time_ms": at_ms,
            "counts": {status_word(status): count for status, count in board.counts().items()},
            "changes_per_second": round(board.changes_a_second, 3),
            "sessions": [row.told() for row in board.rows(at_ms, shown.order, backwards=shown.backwards)],
        }
        print_json_line(json.dumps(told, ensure_ascii=False).encode())
        if once:
            return
        await asyncio.sleep(every)
        await top_.read()
