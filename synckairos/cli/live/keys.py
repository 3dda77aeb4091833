"""Keys as they are pressed, without Enter; the terminal is as before in the end, whatever happens."""

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_NAMED: Final = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1b[C": "right",
    "\x1b[D": "left",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1bOC": "right",
    "\x1bOD": "left",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1b": "escape",
    "\r": "enter",
    "\n": "enter",
    " ": "space",
    "\x7f": "backspace",
}
_LONGEST: Final = max(map(len, _NAMED))
PATIENCE_S: Final = 0.05
"""How long the rest of a key may take: what an arrow sends begins with what Escape sends."""


class Keys:
    """The keys that were pressed and not yet read."""

    def __init__(self) -> None:
        self._pressed: asyncio.Queue[str] = asyncio.Queue()
        self._begun = ""
        self._patience: asyncio.TimerHandle | None = None

    async def next(self, seconds: float) -> str | None:
        """Return the next key: its character or a name such as `up`; None if none is pressed in time."""
        try:
            return await asyncio.wait_for(self._pressed.get(), seconds)
        except TimeoutError:
            return None

    def take(self, text: str) -> None:
        """Take what the terminal sent; the beginning of a longer key waits for its rest, but not for long."""
        if self._patience is not None:
            self._patience.cancel()
        text = self._begun + text
        while text and not any(name.startswith(text) and name != text for name in _NAMED):
            length = next((n for n in range(min(_LONGEST, len(text)), 0, -1) if text[:n] in _NAMED), 1)
            self._press(text[:length])
            text = text[length:]
        self._begun = text
        if text:
            self._patience = asyncio.get_running_loop().call_later(PATIENCE_S, self._give_up)

    def _give_up(self) -> None:
        """Nothing more comes: what looked like the beginning of a key was one, such as Escape."""
        begun, self._begun = self._begun, ""
        for pressed in begun:
            self._press(pressed)

    def _press(self, pressed: str) -> None:
        self._pressed.put_nowait(_NAMED.get(pressed, pressed))


@contextmanager
def pressed_keys() -> Iterator[Keys]:
    """Yield the keys pressed on standard input while the body runs; none if that is no terminal."""
    keys = Keys()
    if not sys.stdin.isatty():
        yield keys
        return
    loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()
    before = termios.tcgetattr(terminal)

    def read() -> None:
        received = os.read(terminal, 1_024)
        if not received:
            loop.remove_reader(terminal)  # the terminal is gone
        keys.take(received.decode(errors="ignore"))

    tty.setcbreak(terminal)
    loop.add_reader(terminal, read)
    try:
        yield keys
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
