"""A screen of its own that is drawn again and again, and gone without a trace in the end."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live

from synckairos.cli.live.keys import Keys, pressed_keys

FRAME_S: Final = 0.1
"""Pause between drawings: a clock with tenths changes that often."""


class Screen:
    """Draws what it is given; its keys are read between drawings."""

    def __init__(self, live: Live, keys: Keys) -> None:
        self._live = live
        self._keys = keys

    @property
    def console(self) -> Console:
        """The console that is drawn on."""
        return self._live.console

    async def shown(self, drawn: RenderableType, seconds: float = FRAME_S) -> str | None:
        """Draw, wait a moment, and return the key that was pressed meanwhile, if one was."""
        self._live.update(drawn, refresh=True)
        return await self._keys.next(seconds)


@asynccontextmanager
async def opened_screen() -> AsyncIterator[Screen]:
    """Take the whole terminal while the body runs."""
    console = Console()
    with pressed_keys() as keys, Live(console=console, screen=True, auto_refresh=False, transient=True) as live:
        yield Screen(live, keys)


def is_terminal() -> bool:
    """Whether somebody looks, who can also press keys."""
    return sys.stdout.isatty() and sys.stdin.isatty()
