"""`synckairos demo`: plays the sample games against a server until it is told to stop, and leaves nothing running."""

import asyncio
import contextlib
import json
import random
import time
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from synckairos.application.concurrency import all_of
from synckairos.cli.demo.games import GAMES, SPEEDS, Game, Stage
from synckairos.cli.plain_text import for_programs
from synckairos.cli.sessions.commands import AsJson
from synckairos.cli.sessions.connection import Address, ask, server
from synckairos.cli.views.words import instant, plain
from synckairos.client import SyncKairos, SyncKairosError

ENDING_S = 3.0
"""How long the games that are broken off may take to be cancelled."""
PAUSE_S = 3.0
"""Between a game and the next of its kind, in the demo's own time."""
_COLOURS = {"go": "green", "auction": "magenta", "exam": "cyan"}


class GameName(StrEnum):
    """The games by name."""

    go = "go"
    auction = "auction"
    exam = "exam"


def demo(
    games: Annotated[
        list[GameName] | None, typer.Argument(help="Which games; default: all.", show_default=False)
    ] = None,
    speed: Annotated[float, typer.Option(min=SPEEDS[0], max=SPEEDS[1], help="How much faster than real time.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Play each game once; otherwise again and again.")] = False,
    seed: Annotated[int | None, typer.Option(help="Repeats the same dice.", show_default=False)] = None,
    as_json: AsJson = False,
    address: Address = None,
) -> None:
    """Play sample games, so that there is something to look at: Go with byo-yomi, an auction, an exam.

    Real sessions, real calls, real time, about a minute a game. Look at them with `synckairos top`. Ctrl-C ends the
    demo and cancels what still runs.

    \b
    Examples:
      synckairos demo
      synckairos demo auction --speed 3
      synckairos demo --once --speed 10
    """
    to = server(address)
    wanted = [one.value for one in games or GameName]
    console = None if for_programs(asked=as_json) else Console(soft_wrap=True)

    async def played(client: SyncKairos) -> None:
        if console is not None:
            typer.echo(f"playing {', '.join(wanted)}; in another terminal: synckairos top --address {to.address}")
        stages = [Stage(client, speed, partial(_say, console), _dice(seed, kind)) for kind in wanted]
        try:
            await all_of([_play(stage, GAMES[kind], once=once) for stage, kind in zip(stages, wanted, strict=True)])
        finally:
            await asyncio.shield(
                _cancel(client.with_options(timeout_s=ENDING_S), [one for stage in stages for one in stage.running])
            )

    ask(played, to, is_live=True)


def _dice(seed: int | None, kind: str) -> random.Random:
    """Return the dice of a game, which do not depend on the other games."""
    return random.Random(None if seed is None else f"{seed} {kind}")  # noqa: S311 - a game


def _say(console: Console | None, game: Game, session_id: str, said: str) -> None:
    """Say on a line what has happened in a game; without a console, as JSON."""
    now_ms = time.time_ns() // 1_000_000
    if console is None:
        typer.echo(json.dumps({"at_ms": now_ms, "game": game.kind, "session_id": session_id, "said": said}))
        return
    line = Text().append(f"{instant(now_ms)} ", style="dim")
    line.append(f"{game.name:<26}", style=_COLOURS[game.kind])
    console.print(line.append_text(plain(said)))


async def _play(stage: Stage, game: Game, *, once: bool) -> None:
    """Play a game, and again if wanted."""
    while True:
        await game.play(stage, game)
        if once:
            return
        await stage.pause(PAUSE_S)


async def _cancel(client: SyncKairos, session_ids: list[str]) -> None:
    """Cancel sessions that were broken off; one that has ended meanwhile, or a server that is away, does not matter."""
    for session_id in session_ids:
        with contextlib.suppress(SyncKairosError):
            await client.cancel_session(session_id, reason="the demo was stopped")
