"""Carries faults out on a store with replicas.

A failover may take what the replica had not received: the changes that were answered from `cut_at` on. The new primary
takes changes only after the old one has ended, or knows that it is alone: `began_ms` lies between the two.
"""

import asyncio
import time
from typing import Final

from synckairos.devstack import RedisServer
from testing.harness.processes.deployment import seconds_until
from testing.robustness.deployment import BreakableDeployment
from testing.robustness.faults import STOP_S, CarryOut, Injector
from testing.robustness.replicas.deployment import ReplicatedDeployment
from testing.robustness.replicas.group import ask, has_written
from testing.robustness.replicas.sentinels import BreakableSentinels
from testing.robustness.schedule import FaultKind, PlannedFault

IN_FLIGHT_S: Final = 0.1
"""What was answered right before a primary stopped may not have left it for its replica."""
MOVED: Final = 3
"""Partitions whose slots are moved, one after the other."""


class ReplicaInjector(Injector):
    """Breaks a store with replicas, too."""

    def __init__(self, deployment: ReplicatedDeployment) -> None:
        super().__init__(deployment)
        self._group = deployment.group
        means: dict[FaultKind, CarryOut] = {
            FaultKind.PRIMARY_KILLED: self._kill_primary,
            FaultKind.PRIMARY_FROZEN: self._freeze_primary,
        }
        if isinstance(self._group, BreakableSentinels):
            self._sentinels = self._group
            means[FaultKind.SENTINELS_LOST] = self._lose_sentinels
        else:
            self._cluster = self._group
            means |= {
                FaultKind.PRIMARY_CUT_OFF: self._cut_off_primary,
                FaultKind.SHARD_AWAY: self._take_shard_away,
                FaultKind.SLOTS_MOVED: self._move_slots,
            }
        self._means.update(means)

    async def _kill_primary(self, planned: PlannedFault) -> None:
        group, (primary, replicas) = self._group, await self._shard(planned)
        await self._begin_loss(primary)
        if planned.amount_ms:
            await asyncio.to_thread(group.hold_back, primary, replicas)
            await asyncio.sleep(planned.amount_ms / 1_000)
        await asyncio.to_thread(primary.kill)
        self._began_ms = self._parts.redis.now_ms
        await asyncio.to_thread(group.let_follow, replicas)
        await asyncio.to_thread(group.await_promotion, replicas)
        await asyncio.to_thread(group.take_back, primary)

    async def _freeze_primary(self, planned: PlannedFault) -> None:
        """Let it go on only when another one has taken its place: it does not know that at first."""
        group, (primary, replicas) = self._group, await self._shard(planned)
        await self._begin_loss(primary)
        primary.pause()
        self._began_ms = self._parts.redis.now_ms
        await asyncio.to_thread(group.await_promotion, replicas)
        await asyncio.sleep(planned.for_s)
        await asyncio.to_thread(group.take_back, primary)

    async def _cut_off_primary(self, planned: PlannedFault) -> None:
        """Cut a master off from all other nodes, but not from those who call it."""
        group, (primary, replicas) = self._cluster, await self._shard(planned)
        await self._begin_loss(primary)
        await asyncio.to_thread(group.hold_back, primary, replicas)
        await asyncio.to_thread(group.isolate, primary)

        async def is_noticed() -> bool:
            return await asyncio.to_thread(group.is_cut_off, primary)

        await seconds_until(is_noticed, STOP_S, "a master knows that it is alone")
        self._began_ms = self._parts.redis.now_ms
        await asyncio.to_thread(group.await_promotion, replicas)
        await asyncio.sleep(planned.for_s)
        group.reunite()
        await asyncio.to_thread(group.let_follow, replicas)
        await asyncio.to_thread(group.take_back, primary)

    async def _take_shard_away(self, planned: PlannedFault) -> None:
        """Kill a master with its replicas; it comes back with everything."""
        primary, replicas = await self._shard(planned)
        # From now on nothing is answered before it is written: on a busy disk, Redis would hold it back.
        await asyncio.to_thread(ask, primary, "CONFIG", "SET", "appendfsync", "always")
        for server in (*replicas, primary):
            await asyncio.to_thread(server.kill)
        await asyncio.sleep(planned.for_s)
        await asyncio.to_thread(self._cluster.bring_back, primary, replicas)

    async def _move_slots(self, planned: PlannedFault) -> None:
        """Move slots between the shards that another fault with this target spares."""
        source, target = (self._cluster.primary_at(planned.target + more) for more in (1, 2))
        await asyncio.to_thread(self._cluster.move_some, source, target, MOVED)

    async def _lose_sentinels(self, planned: PlannedFault) -> None:
        await asyncio.to_thread(self._sentinels.lose_majority)
        await asyncio.sleep(planned.for_s)
        await asyncio.to_thread(self._sentinels.bring_back_majority)

    async def _shard(self, planned: PlannedFault) -> tuple[RedisServer, list[RedisServer]]:
        """Return a primary and its replicas, which can all be started again: their logs hold everything."""
        primary = await asyncio.to_thread(self._group.primary_at, planned.target)
        replicas = await asyncio.to_thread(self._group.replicas_of, primary)

        async def is_written() -> bool:
            return await asyncio.to_thread(lambda: all(map(has_written, (primary, *replicas))))

        await seconds_until(is_written, STOP_S, "Redis has written its log")
        return primary, replicas

    async def _begin_loss(self, primary: RedisServer) -> None:
        self._partitions = await asyncio.to_thread(self._group.partitions_of, primary)
        self._cut = time.monotonic() - IN_FLIGHT_S, 0


def injector_for(deployment: BreakableDeployment) -> Injector:
    """Return what breaks a deployment."""
    return ReplicaInjector(deployment) if isinstance(deployment, ReplicatedDeployment) else Injector(deployment)
