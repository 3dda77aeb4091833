"""What it costs to answer a change only once it is on the disk, or at a replica."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

from bench.load import samples
from bench.load.load_pool import Measurement
from bench.scenarios.base import Calls, Scenario
from bench.scenarios.calls import SWITCH, switches
from bench.seeding import Seed, seed
from bench.testbed import PREFIX, Testbed
from testing.harness.processes.replica_pair import ReplicaPair
from testing.harness.processes.server_process import ServerProcess


class Level(NamedTuple):
    """A setting of the server, and how Redis writes its log."""

    name: str
    durability: str
    appendfsync: str


LEVELS: Final = (
    Level("memory", "memory", "everysec"),
    Level("replica", "replicas:1", "everysec"),
    Level("always", "fsync", "always"),
    Level("memory_always", "memory", "always"),
)
"""Measured one after the other in every round; not fsync with everysec, which Valkey answers too soon."""


@dataclass
class Durability(Calls):
    """Switches at every level, each with a Redis, a replica and a server of its own."""

    takes_turns: ClassVar[bool] = False
    paths: tuple[str, ...] = (SWITCH,)
    callers: int = 128

    async def prepare(self, testbed: Testbed) -> None:
        """Prepare nothing: every level has its own sessions."""

    async def lanes(self, testbed: Testbed) -> list[list[tuple[int, bytes]]]:
        """Return none: they belong to a level."""
        del testbed
        return []

    async def measure(self, testbed: Testbed) -> Measurement:
        """Measure each level; the round counts as that of memory."""
        found = {level.name: await self._at(testbed, level) for level in LEVELS}
        result = found["memory"]
        for name, one in found.items():
            result.errors.update(one.errors if one is not result else {})
            result.extra[f"{name}_rate"] = one.rate
            result.extra[f"{name}_p50_ms"] = samples.median(one.latencies) * 1_000
            result.extra[f"{name}_cpu_us"] = one.cpu_per_call("server") * 1e6
        return result

    async def _at(self, testbed: Testbed, level: Level) -> Measurement:
        with self._served(testbed, level) as (server, pair):
            ids = await seed(pair.primary.url, PREFIX, Seed(testbed.sizes.sessions))
            jobs = self.jobs(testbed, [server.address], switches(ids, self.callers), 0.0)
            pids = {"server": [server.pid], "redis": [pair.primary.pid]}
            return await testbed.pool.measure(jobs, pids)

    @contextmanager
    def _served(self, testbed: Testbed, level: Level) -> Iterator[tuple[ServerProcess, ReplicaPair]]:
        folder = testbed.deployment.directory / f"{self.name}_{level.name}"
        folder.mkdir(exist_ok=True)
        with ReplicaPair(folder, "--appendfsync", level.appendfsync) as pair:
            log = folder / "server.log"
            with ServerProcess(pair.primary.url, log, durability=level.durability, store_init="auto") as server:
                server.await_answer("SERVING")
                yield server, pair


def durability() -> list[Scenario]:
    """Return the one scenario."""
    return [Durability("durability", "SwitchCycle, 128 callers, by durability", only_on_request=True)]
