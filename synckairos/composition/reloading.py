"""Files that are read again while the process runs: what is broken leaves in place what was read before."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import structlog

LOOK_S: Final = 10.0
"""Between two looks at the files; SIGHUP asks for one at once."""

Content = TypeVar("Content")
Tell = Callable[[str, str], None]
"""Counts an outcome (`changed` or `broken`) of files, by their name."""

_log = structlog.get_logger(__name__)


class UnusableFilesError(Exception):
    """Files that a setting names cannot be used at the start."""


class Reloaded(Generic[Content]):
    """What was made of some files; `current` is replaced as a whole, from any thread's point of view at once.

    `make` raises OSError or ValueError for what it cannot use. It is only trusted with files that are the same after it
    as before: a writer may be at work meanwhile.
    """

    def __init__(self, name: str, paths: Sequence[Path], make: Callable[[], Content], tell: Tell) -> None:
        """Read the files; raises UnusableFilesError."""
        self.name = name
        self._paths = paths
        self._make = make
        self._tell = tell
        self._problem = ""
        self._changed: list[Callable[[], None]] = []
        try:
            self._read, self.current = self._made()
        except (OSError, ValueError) as error:
            raise UnusableFilesError(f"{name} cannot be used ({', '.join(map(str, paths))}): {error}") from error

    def on_change(self, call: Callable[[], None]) -> None:
        """Have a function called in the event loop after each change."""
        self._changed.append(call)

    def look(self) -> bool:
        """Read the files again if they differ from what is in use; return whether that has been replaced.

        Files that stay broken are counted at each look, so that an alert goes on, and logged once.
        """
        try:
            if self._bytes() == self._read:
                self._problem = ""
                return False
            self._read, self.current = self._made()
        except (OSError, ValueError) as error:
            self._tell(self.name, "broken")
            if str(error) != self._problem:
                self._problem = str(error)
                _log.error("files_broken", files=self.name, problem=self._problem, effect="what was read before stays")
            return False
        self._problem = ""
        self._tell(self.name, "changed")
        _log.info("files_reloaded", files=self.name)
        return True

    def tell_change(self) -> None:
        """Call those who want to hear of a change."""
        for call in self._changed:
            call()

    def _made(self) -> tuple[list[bytes], Content]:
        before = self._bytes()
        content = self._make()
        if self._bytes() != before:
            raise ValueError("they are being written at this moment")
        return before, content

    def _bytes(self) -> list[bytes]:
        return [path.read_bytes() for path in self._paths]


class Reloading:
    """Looks at all files every LOOK_S, and at once when asked."""

    def __init__(self, every_s: float = LOOK_S) -> None:
        self._every_s = every_s
        self._asked = asyncio.Event()
        self._files: list[Reloaded[Any]] = []
        self._also: list[Callable[[], None]] = []

    @property
    def is_needed(self) -> bool:
        """Whether there is any file to look at."""
        return bool(self._files or self._also)

    def add(self, files: Reloaded[Any]) -> None:
        """Look at these files, too."""
        self._files.append(files)

    def followed(self, name: str, file: str, read: Callable[[bytes], Content], tell: Tell) -> Reloaded[Content]:
        """Read a file and look at it, too; raises UnusableFilesError."""
        path = Path(file)
        files = Reloaded(name, [path], lambda: read(path.read_bytes()), tell)
        self.add(files)
        return files

    def also(self, call: Callable[[], None]) -> None:
        """Call this, too, when asked to look now: what it looks at is no file."""
        self._also.append(call)

    def ask(self) -> bool:
        """Look now; return whether there is any file to look at."""
        self._asked.set()
        for call in self._also:
            call()
        return self.is_needed

    async def run(self) -> None:
        """Look for ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._asked.wait()
            self._asked.clear()
            for files in self._files:
                if await asyncio.to_thread(files.look):
                    files.tell_change()
