"""How many sessions a tenant may have in the store.

They are counted now and then: a server that creates sessions takes a part of the room that is left, small enough for
others to do the same, and counts again once that is used up.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from synckairos.application.admission.limits import Limits
from synckairos.application.errors import RateLimited, StoreUnavailable
from synckairos.application.retry_delays import NO_ROOM_MS

SHARES: Final = 8
"""A server takes one of so many parts of the room: as many servers may do so at once."""
FRESH_S: Final = 1.0
"""How long a count can be relied on."""
FULL_S: Final = 0.1
"""How long nobody counts again after there was no room."""
NAME: Final = "sessions"


class _Room:
    def __init__(self) -> None:
        self.left = 0
        self.counted_at = float("-inf")
        self.lock = asyncio.Lock()


class Rooms:
    """The room that this server has taken for new sessions."""

    def __init__(
        self,
        count: Callable[[str], Awaitable[int]],
        limits_of: Callable[[str], Limits],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`count` returns how many sessions a tenant has, or raises StoreUnavailable; `limits_of` its limits now."""
        self._count = count
        self._limits_of = limits_of
        self._now = now
        self._rooms: dict[str, _Room] = {}

    async def reserve(self, tenant: str) -> RateLimited | None:
        """Take a place for a session; return what to refuse it with where there is none."""
        limit = self._limits_of(tenant).sessions
        if not limit:
            return None
        room = self._rooms.setdefault(tenant, _Room())
        if room.left <= 0 or self._now() - room.counted_at > FRESH_S:
            async with room.lock:
                await self._look(tenant, room, limit)
        if room.left <= 0:
            return RateLimited(NAME, limit, f"the tenant may have {limit} sessions", NO_ROOM_MS)
        room.left -= 1
        return None

    async def _look(self, tenant: str, room: _Room, limit: int) -> None:
        age_s = self._now() - room.counted_at
        if age_s <= (FULL_S if room.left < 0 else 0 if room.left == 0 else FRESH_S):
            return  # somebody else has just looked
        try:
            left = limit - await self._count(tenant)
        except StoreUnavailable:
            left = 1  # the creation itself will say so
        room.left = max(1, left // SHARES) if left > 0 else -1
        room.counted_at = self._now()
