"""What a server looks at to know whether it is ready, and how its health follows from that."""

import asyncio
from collections.abc import Awaitable, Callable

from synckairos.adapters.redis.condition import RedisCondition
from synckairos.adapters.redis.identity import StoreIdentityGuard
from synckairos.adapters.redis.store import RedisSessionStore
from synckairos.application.background import Background
from synckairos.application.pipeline.backlog import BacklogLimit
from synckairos.application.slow_disk import DiskWatch
from synckairos.rpc.server import Health


def store_probe(
    store: RedisSessionStore, condition: RedisCondition, limit: BacklogLimit, watch: DiskWatch, health: Health
) -> Callable[[], Awaitable[None]]:
    """Return what reads the store's clock, how full it is and how far its log is behind, or raises StoreUnavailable."""

    async def probe() -> None:
        await store.now_us()
        limit.note(await condition.memory_share())
        log = await condition.log()
        if log is not None:
            watch.note(log.held_bytes, log.pending_fsyncs, log.delayed_fsyncs, is_written=log.is_written)
            await health.set_disk(is_ready=log.is_on and not watch.is_slow)

    return probe


class Readiness:
    """Health as it follows from the store and from the work in the background."""

    def __init__(self, guard: StoreIdentityGuard, background: Background, health: Health) -> None:
        self._guard = guard
        self._background = background
        self._health = health
        self._changed = asyncio.Event()
        guard.on_change(lambda _: self._changed.set())
        background.on_change(self._changed.set)

    async def tell(self) -> None:
        """Report health as it is now."""
        self._changed.clear()
        await self._health.set(is_ready=self._guard.is_ready and self._background.is_well)

    async def follow(self) -> None:
        """Report health at every change, for ever."""
        while True:
            await self.tell()
            await self._changed.wait()
