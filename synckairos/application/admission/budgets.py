"""The calls of a tenant over all servers: a token bucket, of which each server leases a slice in advance.

A server asks for the next slice, in the background, before the one it has is used up, so that a call waits for the
store only if it is the first one in a while, if its tenant may make very few, or at the very end of what there is.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from synckairos.application.errors import RateLimited, StoreUnavailable

SLICE_SHARE: Final = 0.02
"""Of a second's calls: what a server holds at most. All of that can be used at once, besides what the bucket gives."""
HELD_FROM: Final = 20.0
"""Calls a second from which on servers hold a slice: of fewer, one held call of each server would be too many."""
BURST_S: Final = 0.9
"""The bucket holds the calls of so many seconds; with the slices of five servers, those of one."""
MOST_PAUSE_S: Final = 10.0
NAME: Final = "calls_per_second"


class Lease(NamedTuple):
    """Calls that may be let in, and the seconds until there is another one."""

    granted: int
    wait_s: float


class Budgets(Protocol):
    """The buckets of all tenants, which all servers share."""

    async def lease(self, tenant: str, rate: float, most: float, wanted: int) -> Lease:
        """Take up to `wanted` calls of a bucket that fills at `rate` a second up to `most`; raises StoreUnavailable."""


class Bucket:
    """A token bucket; what the adapter has Redis do, in Python."""

    def __init__(self, most: float, now: float) -> None:
        """`now` in seconds."""
        self._left = most
        self._at = now

    def take(self, rate: float, most: float, wanted: int, now: float) -> Lease:
        """Take up to `wanted`."""
        self._left = min(most, self._left + max(0.0, now - self._at) * rate)
        self._at = max(self._at, now)
        granted = min(wanted, math.floor(self._left))
        self._left -= granted
        return Lease(granted, 0.0 if self._left >= 1 else (1 - self._left) / rate)


class Budget:
    """What this server holds of one tenant's calls."""

    def __init__(
        self, tenant: str, rate: float, budgets: Budgets, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`rate` in calls a second, more than 0."""
        self._tenant = tenant
        self._rate = rate
        self._most = max(1.0, rate * BURST_S)
        self._budgets = budgets
        self._now = now
        self._size = max(1, int(rate * SLICE_SHARE)) if rate >= HELD_FROM else 0
        self._low = self._size / 2
        self._held = 0
        self._was_used = False
        self._empty_until = 0.0
        self._turned_away = 0
        self._leasing: asyncio.Task[None] | None = None

    def take(self) -> bool:
        """Let a call in if that needs no waiting; else `wait` has to be asked."""
        if not self._held:
            return False
        self._held -= 1
        self._was_used = True
        if self._held <= self._low and self._leasing is None and self._now() >= self._empty_until:
            self._lease(self._size - self._held)
        return True

    async def wait(self) -> None:
        """Let a call in, once the store says that it may; raises RateLimited."""
        while True:
            if self._now() < self._empty_until:
                raise self._refusal()
            leasing = self._leasing or self._lease(max(1, self._size))
            await asyncio.shield(leasing)
            if self._held:
                self._held -= 1
                self._was_used = True
                return

    def lapse(self) -> bool:
        """Return whether a call has been let in since the last time; if not, all that is held is given up."""
        was_used, self._was_used = self._was_used, False
        if not was_used:
            self._held = 0
        return was_used

    def _lease(self, wanted: int) -> asyncio.Task[None]:
        self._leasing = asyncio.get_running_loop().create_task(self._run(wanted))
        return self._leasing

    async def _run(self, wanted: int) -> None:
        try:
            granted, wait_s = await self._budgets.lease(self._tenant, self._rate, self._most, wanted)
        except StoreUnavailable:
            # The calls themselves will say so.
            granted, wait_s = wanted, 0.0
        finally:
            self._leasing = None
        self._held += granted
        if granted < wanted:
            self._empty_until = self._now() + wait_s
        if granted:
            self._turned_away = 0

    def _refusal(self) -> RateLimited:
        # One after the other, at the rate at which there will be room for them.
        self._turned_away += 1
        pause_s = self._empty_until - self._now() + self._turned_away * random.uniform(0.5, 1.5) / self._rate  # noqa: S311 - no secret
        return RateLimited(
            NAME,
            self._rate,
            f"the tenant may make {self._rate:g} calls a second",
            math.ceil(min(pause_s, MOST_PAUSE_S) * 1_000),
        )
