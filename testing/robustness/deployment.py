"""A deployment that can be broken part by part: each server reaches Redis through a proxy of its own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from testing.harness.processes.child_process import HEALTHY
from testing.harness.processes.deployment import Deployment, fresh_stores
from testing.harness.processes.tcp_proxy import TcpProxy
from testing.robustness.schedule import Topology
from testing.robustness.steppable_redis import SteppableRedis

SERVING_S: Final = 30.0
STALL_S: Final = 4.0
"""Longer than any server is frozen, shorter than a slow reader rests."""


@dataclass
class BreakableDeployment(Deployment):
    """A deployment whose network and clock can be broken; `proxies` stand in the order of the servers."""

    redis: SteppableRedis
    settings: dict[str, str] = field(default_factory=lambda: {"stream_stall_s": str(STALL_S)})
    proxies: list[TcpProxy] = field(default_factory=list)
    topology: Topology = Topology.SINGLE
    durability: str = "memory"
    """As SYNCKAIROS_DURABILITY."""

    async def start(self, servers: int, module: Sequence[str] = HEALTHY, worker: Sequence[str] | None = None) -> None:
        """Start servers, and a worker if its module is named; return once all of them work."""
        for _ in range(servers):
            self.spawn_server(await self._way_to_store(), module)
        if worker is not None:
            await asyncio.to_thread(self.start_worker, worker, log_level="info")
        for server in self.servers:
            await asyncio.to_thread(server.await_answer, "SERVING", SERVING_S)

    async def _way_to_store(self) -> str:
        """Return the URL by which the next server reaches the store."""
        proxy = TcpProxy("127.0.0.1", self.redis.port)
        await proxy.start()
        self.proxies.append(proxy)
        return f"redis://127.0.0.1:{proxy.port}/0"

    async def stop(self) -> None:
        """Kill the workers and servers, and close the proxies."""
        await super().stop()
        for proxy in self.proxies:
            await proxy.stop()


@asynccontextmanager
async def breakable_deployment() -> AsyncIterator[BreakableDeployment]:
    """Yield a deployment with fresh, migrated stores, without servers and workers yet."""
    async with fresh_stores(SteppableRedis) as (directory, redis, postgres):
        deployment = BreakableDeployment(directory, redis, postgres, postgres.url)
        await deployment.migrate()
        try:
            yield deployment
        finally:
            await deployment.stop()
