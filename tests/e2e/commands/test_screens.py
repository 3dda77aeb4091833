"""`synckairos watch` and `top` on a terminal: what they draw, their keys, and the terminal afterwards."""

import signal
from typing import Final

import pytest

from testing.harness.client import new_id
from testing.harness.processes.server_process import ServerProcess
from tests.e2e.commands.asking import Asked
from tests.e2e.commands.terminal import CURSOR, DOWN, ENTERED, LEFT, on_terminal

COOKED: Final = (True, True)
RAW: Final = (False, False)


async def test_a_session_is_watched_until_a_key_is_pressed(asked: Asked) -> None:
    """Head, large clocks and events are drawn, and what happens meanwhile; q leaves the terminal as it was."""
    session = await asked.created("-c", "600|5x30", "-p", "ann", "-p", "bob", "--name", "Board 1", "--start")

    async with on_terminal(asked, "watch", session) as terminal:
        drawn = await terminal.shows("Board 1", then="q quit")
        entered, while_it_runs = ENTERED in terminal.drawn, terminal.modes
        await asked.told("session", "switch", session, "--reason", "e4")
        switched = await terminal.shows("Board 1", then="“e4”")
        terminal.press("e")
        events_only = await terminal.shows("q quit   e clocks")
        terminal.press("q")
        code = await terminal.ended()
        ended, afterwards = terminal.drawn, terminal.modes

    assert "Board 1" in drawn
    assert "per-participant · 600|5x30" in drawn
    assert "▶ ann" in drawn
    assert "main time · 5 periods left" in drawn
    assert "┏━┓" in drawn
    assert "▶ bob" in switched
    assert "main time" not in events_only
    assert (while_it_runs, afterwards, code) == (RAW, COOKED, 0)
    assert entered
    assert LEFT in ended
    assert CURSOR in ended


async def test_a_table_is_sorted_and_leads_to_a_session(asked: Asked) -> None:
    """s sorts, the arrows select, Enter watches the selected one, q goes back and then ends."""
    label = f"event={new_id()}"
    for name, total in (("Alpha", "2h"), ("Beta", "1h"), ("Gamma", "3h")):
        await asked.created("--total", total, "--label", label, "--name", name, "--start")

    async with on_terminal(asked, "top", "--label", label) as terminal:
        by_time = await terminal.shows("sorted by left", then="q quit")
        terminal.press("s")
        newest = await terminal.shows("sorted by newest", then="q quit")
        terminal.press("r")
        oldest = await terminal.shows("(reversed)", then="q quit")
        terminal.press(f"{DOWN}\r")
        watched = await terminal.shows("Beta", then="e events only")
        terminal.press("q")
        back = await terminal.shows("sorted by newest", then="q quit")
        terminal.press("q")
        code = await terminal.ended()
        afterwards = terminal.modes

    def order(drawn: str) -> list[str]:
        return sorted(("Alpha", "Beta", "Gamma"), key=drawn.index)

    assert "running 3" in by_time
    assert order(by_time) == ["Beta", "Alpha", "Gamma"]
    assert order(newest) == ["Gamma", "Beta", "Alpha"]
    assert order(oldest) == ["Alpha", "Beta", "Gamma"]
    assert "Beta" in watched
    assert "countdown" in watched
    assert "Gamma" in back
    assert (code, afterwards) == (0, COOKED)


@pytest.mark.parametrize(
    ("number", "code"), [pytest.param(signal.SIGINT, 130, id="Ctrl-C"), pytest.param(signal.SIGTERM, 143, id="TERM")]
)
async def test_a_signal_leaves_the_terminal_as_it_was(asked: Asked, number: signal.Signals, code: int) -> None:
    """Also when it was not a key that ended it."""
    async with on_terminal(asked, "top") as terminal:
        await terminal.shows("q quit")
        terminal.process.send_signal(number)
        ended = await terminal.ended()
        afterwards, drawn = terminal.modes, terminal.drawn

    assert (ended, afterwards) == (code, COOKED)
    assert CURSOR in drawn
    assert "Traceback" not in drawn


async def test_a_watch_of_nothing_says_so_on_the_normal_screen(asked: Asked) -> None:
    """The error is read after the screen is gone, not with it."""
    async with on_terminal(asked, "watch", new_id()) as terminal:
        code = await terminal.ended()
        await terminal.shows("NOT_FOUND / SESSION_NOT_FOUND")
        after = terminal.drawn.rsplit(LEFT, 1)[-1]

    assert code == 3
    assert "NOT_FOUND / SESSION_NOT_FOUND" in after


async def test_a_silent_server_is_told(asked: Asked, server: ServerProcess) -> None:
    """The clocks run on, with a word about it; what happens once it answers again is drawn."""
    session = await asked.created("--total", "1h", "--name", "Final", "--start")

    async with on_terminal(asked, "watch", session) as terminal:
        await terminal.shows("Final", then="q quit")
        server.pause()
        try:
            silent = await terminal.shows("no word from the server for ", then="countdown")
        finally:
            server.resume()
        await asked.told("session", "pause", session, "--reason", "back")
        await terminal.shows("“back”")
        terminal.press("q")
        code = await terminal.ended()

    assert "Final" in silent
    assert code == 0
