"""A terminal with a command on it: keys are pressed, and what is drawn is read."""

import asyncio
import fcntl
import os
import re
import struct
import termios
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from testing.harness.processes.warm_commands import program
from tests.e2e.commands.asking import Asked

ROWS: Final = 30
COLUMNS: Final = 140
ENTERED: Final = "\x1b[?1049h"
LEFT: Final = "\x1b[?1049l"
CURSOR: Final = "\x1b[?25h"
DOWN: Final = "\x1b[B"
ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A terminal of 30 lines and 140 columns."""

    def __init__(self, process: Process, master: int) -> None:
        self.process = process
        self._master = master
        self._drawn = b""
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            received = os.read(self._master, 65_536)
        except OSError:
            received = b""
        if not received:
            asyncio.get_running_loop().remove_reader(self._master)
        self._drawn += received
        self._news.set()

    @property
    def drawn(self) -> str:
        """All that was drawn so far."""
        return self._drawn.decode(errors="replace")

    @property
    def modes(self) -> tuple[bool, bool]:
        """Whether the terminal waits for whole lines, and whether it shows what is typed."""
        flags = termios.tcgetattr(self._master)[3]
        return bool(flags & termios.ICANON), bool(flags & termios.ECHO)

    def press(self, keys: str) -> None:
        """Press keys; what was drawn before is forgotten."""
        self._drawn = b""
        os.write(self._master, keys.encode())

    async def shows(self, text: str, then: str = "") -> str:
        """Wait for one text and another one after it; return what was drawn from the one on, without colours."""
        async with asyncio.timeout(30):
            while True:
                _, found, rest = ESCAPES.sub("", self.drawn).partition(text)
                if found and then in rest:
                    return found + rest
                self._news.clear()
                await self._news.wait()

    async def ended(self) -> int:
        """Wait until the command has ended and all it drew is read; return its code."""
        async with asyncio.timeout(30):
            code = await self.process.wait()
            while LEFT not in self.drawn:
                self._news.clear()
                await self._news.wait()
        return code


@asynccontextmanager
async def on_terminal(asked: Asked, *arguments: str) -> AsyncIterator[Terminal]:
    """Run a command on a terminal while the body runs."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = await asyncio.create_subprocess_exec(
        program(), *arguments, cwd=asked.folder, env={**environment, **asked.environment, "TERM": "xterm-256color"},
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    terminal = Terminal(process, master)
    try:
        yield terminal
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(slave)
        os.close(master)
