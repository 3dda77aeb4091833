"""What is open now, on all servers: the streams of a subject, and the watchers of a tenant.

To open a stream takes an exchange with the store anyway: a server says what it holds, then reads what the others do, so
that of two that come at once at least one sees the other. What has been closed is said a moment later.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, Protocol

from synckairos.application.admission.limits import Limits
from synckairos.application.errors import RateLimited, StoreUnavailable
from synckairos.application.retry_delays import NO_ROOM_MS

SAY_S: Final = 0.1
"""Between two looks at what has changed."""
REPEAT: Final = 50
"""Looks after which everything is said again: what a server has not said for a while is forgotten."""


class Holdings(Protocol):
    """What all servers hold."""

    async def hold(self, name: str, count: int) -> int:
        """Say what this server holds under a name, and return what the others do; raises StoreUnavailable."""

    async def say(self, counts: Mapping[str, int]) -> None:
        """Say all that this server holds; raises StoreUnavailable."""


class Holding:
    """What this server holds."""

    def __init__(self, holdings: Holdings, limits_of: Callable[[str], Limits]) -> None:
        """`limits_of` returns the limits of a tenant now."""
        self._holdings = holdings
        self._limits_of = limits_of
        self._counts: Counter[str] = Counter()
        self._locks: dict[str, asyncio.Lock] = {}
        self._has_changed = False

    @asynccontextmanager
    async def stream(self, tenant: str, subject: str, watched: int) -> AsyncIterator[None]:
        """Hold a subject's stream, in which so many sessions are watched, while the body runs; raises RateLimited."""
        limits = self._limits_of(tenant)
        async with (
            self._held(f"streams/{tenant}/{subject}", 1, limits.streams, "streams", "the subject may have {} streams"),
            self._held(f"watchers/{tenant}", watched, limits.watchers, "watchers", "the tenant may have {} watchers"),
        ):
            yield

    @asynccontextmanager
    async def _held(self, name: str, count: int, limit: int, limit_name: str, text: str) -> AsyncIterator[None]:
        if limit and count:
            # One at a time: servers that all say at once whatever might come would refuse each other everything.
            async with self._locks.setdefault(name, asyncio.Lock()):
                if not await self._has_room(name, count, limit):
                    raise RateLimited(limit_name, limit, text.format(limit), NO_ROOM_MS)
        else:
            self._counts[name] += count
        try:
            yield
        finally:
            self._give_up(name, count)

    async def _has_room(self, name: str, count: int, limit: int) -> bool:
        """Hold so many more, and return whether that is within the limit; if not, they are not held."""
        self._counts[name] += count
        held = self._counts[name]
        try:
            held += await self._holdings.hold(name, held)
        except StoreUnavailable:
            pass  # to join a session will say so
        except BaseException:
            self._give_up(name, count)
            raise
        if held > limit:
            self._give_up(name, count)
        return held <= limit

    def _give_up(self, name: str, count: int) -> None:
        self._counts[name] -= count
        if not self._counts[name]:
            del self._counts[name]
            self._locks.pop(name, None)
        self._has_changed = True

    async def run(self) -> None:
        """Say for ever what is held."""
        looks = 0
        while True:
            await asyncio.sleep(SAY_S)
            looks += 1
            if self._has_changed or (self._counts and looks % REPEAT == 0):
                await self.say()

    async def say(self) -> None:
        """Say what is held now."""
        self._has_changed = False
        try:
            await self._holdings.say(self._counts)
        except StoreUnavailable:
            self._has_changed = True
