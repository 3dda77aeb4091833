"""Several processes of one `serve`: how connections spread over them, and what that does to the rate."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from bench.load import usage
from bench.load.load_pool import Measurement
from bench.scenarios.base import Scenario
from bench.scenarios.calls import Switches
from bench.testbed import PREFIX, Testbed
from testing.harness.processes.server_process import ServerProcess

PROCESSES: Final = 2
SERVING_S: Final = 60.0
LOOK_S: Final = 0.1
AVERAGED: Final = 5
"""Starts of a server in a round: how the system spreads connections differs from one to the next."""


@dataclass
class Processes(Switches):
    """Switching by all cores: on one port that the processes share, or on a port each."""

    takes_turns: ClassVar[bool] = False
    only_on_request: bool = True
    ports: str = "shared"

    async def prepare(self, testbed: Testbed) -> None:
        """Make the sessions."""
        await self.lanes(testbed)

    async def measure(self, testbed: Testbed) -> Measurement:
        """Measure several starts, and return the one whose rate is in the middle, with what all of them came to."""
        rounds = [await self._measure(testbed) for _ in range(AVERAGED)]
        rounds.sort(key=lambda one: one.rate)
        middle = rounds[len(rounds) // 2]
        middle.extra = {
            "least_rate": rounds[0].rate,
            "most_rate": rounds[-1].rate,
            "least_busy": min(one.extra["least_busy"] for one in rounds),
        }
        return middle

    async def _measure(self, testbed: Testbed) -> Measurement:
        with testbed.own_server(PREFIX, processes=str(PROCESSES), ports=self.ports, log_level="info") as server:
            pids = await _serving(server)
            addresses = [server.address]
            if self.ports == "each":
                addresses = [f"127.0.0.1:{server.port + place}" for place in range(PROCESSES)]
            jobs = self.jobs(testbed, addresses, await self.lanes(testbed), 0.0)
            await testbed.empty_outbox()
            before = [usage.cpu_s(pid) for pid in pids]
            measured = await testbed.pool.measure(jobs, {"server": pids, "redis": [testbed.deployment.redis.pid]})
            used = [usage.cpu_s(pid) - spent for pid, spent in zip(pids, before, strict=True)]
        measured.extra = {"least_busy": min(used) / sum(used) * PROCESSES}
        return measured


async def _serving(server: ServerProcess) -> Sequence[int]:
    """Return the processes below the supervisor, once it says that all of them serve."""
    async with asyncio.timeout(SERVING_S):
        while b"all_serving" not in server.log.read_bytes():
            await asyncio.sleep(LOOK_S)
    return usage.children(server.pid)


def processes() -> list[Scenario]:
    """Return both ways."""
    return [
        Processes("processes", "SwitchCycle, two processes that share a port"),
        Processes("processes_each", "SwitchCycle, two processes, a port each", ("processes",), ports="each"),
    ]
