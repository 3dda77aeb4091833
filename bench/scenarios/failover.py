"""How late what falls due while a primary is dead takes effect, once a replica has taken its place."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final

from redis.asyncio import Redis
from redis.crc import key_slot

from bench.load import samples
from bench.load.load_pool import Measurement
from bench.scenarios.base import Scenario
from bench.seeding import Seed, seed
from bench.testbed import PREFIX, Testbed
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.values import codec
from synckairos.devstack import RedisServer
from synckairos.domain.events import EventType
from testing.harness.processes.cluster_group import ClusterGroup
from testing.harness.processes.sentinel_group import SentinelGroup
from testing.harness.processes.server_process import ServerProcess

FAILOVERS: Final = 5
EXPIRING_S: Final = 6.0
EXPIRING: Final = 33.0
"""Sessions that run out a second, of each primary."""
LEAD_MS: Final = 3_000
"""From the writing of the sessions to the first that runs out."""
KILLED_MS: Final = 4_000
"""From their writing until the primary is killed."""
LOOK_S: Final = 0.005
"""Between two looks at whether a replica has taken over: as much too late may that be seen."""
SETTLED_S: Final = 0.5
"""Between two looks at whether all sessions have ended."""
PATIENCE_S: Final = 20.0


@dataclass
class Failover(Scenario):
    """Primaries that die while sessions run out, 33 a second on each."""

    takes_turns: ClassVar[bool] = False
    only_on_request: bool = True
    new_group: Callable[[Path], ClusterGroup | SentinelGroup] = field(kw_only=True)

    async def measure(self, testbed: Testbed) -> Measurement:
        """Kill some; the latencies are from the replica's taking over until it was settled what had been due before."""
        failovers, late_s, after_s = [], [], []
        for _ in range(FAILOVERS):
            with TemporaryDirectory(dir=testbed.deployment.directory) as folder, self.new_group(Path(folder)) as group:
                killed_s, taken_s, ends = await _killed(group, Path(folder) / "server.log", testbed.redis_url)
            failovers.append(taken_s - killed_s)
            for due_s, fired_s in ends:
                if killed_s <= due_s <= taken_s:
                    late_s.append(fired_s - due_s)
                    after_s.append(fired_s - taken_s)
        return Measurement(
            calls=len(after_s),
            seconds=sum(failovers),
            latencies=after_s,
            extra={
                "failover_ms": samples.median(failovers) * 1e3,
                "late_p50_ms": samples.median(late_s) * 1e3,
                "late_max_ms": max(late_s) * 1e3,
                "after_p50_ms": samples.median(after_s) * 1e3,
                "after_p95_ms": samples.percentile(sorted(after_s), 0.95) * 1e3,
            },
        )


async def _killed(
    group: ClusterGroup | SentinelGroup, log: Path, broker_url: str
) -> tuple[float, float, list[tuple[float, float]]]:
    """Return when a primary died, when another server took over, and (due, settled) of its sessions; all since 1970."""
    with ServerProcess(group.url, log, store_init="auto", broker_url=broker_url) as server:
        await asyncio.to_thread(server.await_answer, "SERVING")
        began = time.monotonic()
        store = group.url if isinstance(group, ClusterGroup) else group.primary().url
        primaries = group.masters() if isinstance(group, ClusterGroup) else [group.primary()]
        rate, primary = EXPIRING * len(primaries), primaries[0]
        expiring = Seed(int(EXPIRING_S * rate), bank_ms=lambda place: int(LEAD_MS + place / rate * 1e3))
        ids = await seed(store, PREFIX, expiring)
        own = await _own(primary, ids)
        replicas = [one for one in group.servers if one is not primary and await _role(one) == b"slave"]
        await asyncio.sleep(KILLED_MS / 1e3 - (time.monotonic() - began))
        primary.kill()
        killed_s = time.time()
        successor = await _successor(group, replicas)
        taken_s = time.time()
        await asyncio.sleep(max(0.0, LEAD_MS / 1e3 + EXPIRING_S - (time.monotonic() - began)))
        async with asyncio.timeout(PATIENCE_S):
            while (ends := await _ends(successor, own)) is None:
                await asyncio.sleep(SETTLED_S)
        return killed_s, taken_s, ends


async def _own(primary: RedisServer, ids: list[str]) -> list[str]:
    """Return the sessions that a primary has."""
    keys = Keys(PREFIX)
    async with Redis(port=primary.port) as redis:
        if not (await redis.info("cluster"))["cluster_enabled"]:
            return ids
        ranges: Any = await redis.execute_command("CLUSTER SLOTS")
    slots = [range(begin, end + 1) for begin, end, master, *_ in ranges if master[1] == primary.port]
    return [one for one in ids if any(key_slot(keys.of(one).session.encode()) in some for some in slots)]


async def _role(server: RedisServer) -> bytes:
    async with Redis(port=server.port) as redis:
        role: Any = await redis.role()
        return bytes(role[0])


async def _successor(group: ClusterGroup | SentinelGroup, replicas: list[RedisServer]) -> RedisServer:
    """Wait until one of the replicas is a primary, and one of the Sentinels, if there are any, says so; return it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for replica in replicas:
                if isinstance(group, SentinelGroup):
                    has_taken_over = await asyncio.to_thread(group.is_named, replica)
                else:
                    has_taken_over = await _role(replica) == b"master"
                if has_taken_over:
                    return replica
            await asyncio.sleep(LOOK_S)


async def _ends(server: RedisServer, ids: list[str]) -> list[tuple[float, float]] | None:
    """Return when sessions were due and when they were settled, in seconds; None before all are."""
    keys, found = Keys(PREFIX), []
    async with Redis(port=server.port) as redis:
        for session_id in ids:
            entries: Any = await redis.xrange(keys.of(session_id).events)
            events = [codec.decode_event(session_id, fields[b"e"]) for _, fields in entries]
            ends = [event for event in events if event.type is EventType.SESSION_EXPIRED]
            if not ends or ends[0].fired_at is None:
                return None
            found.append((ends[0].session.updated_at / 1e3, ends[0].fired_at / 1e3))
    return found


def failover() -> list[Scenario]:
    """Return the scenario of a cluster, and that of Sentinels."""
    return [
        Failover("failover", "a cluster's primary dies: settled after its replica took over", new_group=ClusterGroup),
        Failover("failover_sentinel", "the primary of Sentinels dies: settled after that", new_group=SentinelGroup),
    ]
