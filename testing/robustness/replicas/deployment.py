"""A deployment on a cluster or under Sentinels; its broker is a Redis of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from testing.harness.processes.deployment import fresh_stores
from testing.robustness.deployment import STALL_S, BreakableDeployment, breakable_deployment
from testing.robustness.replicas.cluster import BreakableCluster
from testing.robustness.replicas.sentinels import BreakableSentinels
from testing.robustness.schedule import Topology
from testing.robustness.steppable_redis import SteppableRedis

DURABILITY_TIMEOUT_MS = "2500"


@dataclass(kw_only=True)
class ReplicatedDeployment(BreakableDeployment):
    """A deployment whose servers reach the store directly; `redis` is the broker's."""

    group: BreakableCluster | BreakableSentinels

    @property
    def store_url(self) -> str:
        """Where the sessions are kept."""
        return self.group.url

    async def _way_to_store(self) -> str:
        return self.store_url


@asynccontextmanager
async def deployment_on(topology: Topology, durability: str = "memory") -> AsyncIterator[BreakableDeployment]:
    """Yield a deployment with fresh, migrated stores, without servers and workers yet."""
    settings = {
        "stream_stall_s": str(STALL_S), "durability": durability, "durability_timeout_ms": DURABILITY_TIMEOUT_MS,
    }  # fmt: skip
    if topology is Topology.SINGLE:
        async with breakable_deployment() as single:
            single.durability = durability
            single.settings |= settings
            yield single
        return
    async with fresh_stores(SteppableRedis) as (directory, redis, postgres), AsyncExitStack() as stack:
        group = await _started(topology, directory, stack)
        deployment = ReplicatedDeployment(
            directory, redis, postgres, postgres.url, settings, topology=topology, durability=durability, group=group
        )
        await deployment.migrate()
        stack.push_async_callback(deployment.stop)
        yield deployment


async def _started(topology: Topology, directory: Path, stack: AsyncExitStack) -> BreakableCluster | BreakableSentinels:
    if topology is Topology.SENTINEL:
        sentinels = BreakableSentinels(directory / "sentinels")
        await asyncio.to_thread(sentinels.__enter__)
        stack.push_async_callback(asyncio.to_thread, sentinels.__exit__, None, None, None)
        return sentinels
    cluster = BreakableCluster(directory / "cluster", asyncio.get_running_loop())
    stack.push_async_callback(cluster.close)
    await asyncio.to_thread(cluster.__enter__)
    stack.push_async_callback(asyncio.to_thread, cluster.__exit__, None, None, None)
    return cluster
