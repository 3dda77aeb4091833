"""Memory that a crowd has left behind: the C library keeps what was freed unless it is told to give it back."""

import asyncio
import ctypes
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Final

LOOK_S: Final = 60.0
MUCH_BYTES: Final = 64 << 20

Trim = Callable[[int], object]

_STATM: Final = Path("/proc/self/statm")


def system_trim() -> Trim | None:
    """Return what gives back freed memory; None where the system has no such thing."""
    trim: Trim | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim if _STATM.exists() else None


def resident_bytes() -> int:
    """Return how much memory this process has."""
    return int(_STATM.read_text(encoding="ascii").split()[1]) * resource.getpagesize()


class MemoryTrim:
    """Gives memory back once a crowd has gone: when it is much more than after the last time, and grows no longer."""

    def __init__(self, trim: Trim, resident: Callable[[], int] = resident_bytes) -> None:
        """`trim` takes the bytes to keep beyond what is used; `resident` returns the memory of this process."""
        self._trim = trim
        self._resident = resident
        self._least = self._latest = resident()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Give memory back if that is worth it; in a thread, for it takes some 10 ms for each 20 MB."""
        now = self._resident()
        if self._least + MUCH_BYTES < now <= self._latest:
            await asyncio.to_thread(self._trim, 0)
            now = self._least = self._resident()
        self._least, self._latest = min(self._least, now), now
