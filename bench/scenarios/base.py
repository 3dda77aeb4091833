"""What a scenario is, and the kind that most are: callers calling."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from bench.crew import Measurement
from bench.jobs import CallsJob, Lane
from bench.world import World
from tests.harness.server_process import ServerProcess

CALLERS = 32
PROCESSES = 2
"""Of load: one would do, two show that it is not the bottleneck."""
CONNECTIONS = 4
"""Of each load process."""


@dataclass
class Scenario(ABC):
    """One thing that is measured, in rounds."""

    name: str
    text: str
    against: tuple[str, ...] = ()
    """What is measured right before every round, to be compared with."""
    is_baseline: bool = False
    """Measured only where something is compared with it."""
    takes_turns: ClassVar[bool] = True
    """Whether its rounds are mixed with those of the others."""

    @abstractmethod
    async def measure(self, world: World) -> Measurement:
        """Measure one round."""

    async def prepare(self, world: World) -> None:
        """Make ready what all rounds need; does nothing unless a scenario says otherwise."""


@dataclass
class Calls(Scenario):
    """Callers that call as fast as they are answered, or at a fixed rate."""

    callers: int = CALLERS
    paths: tuple[str, ...] = ()
    processes: int = PROCESSES
    request_ids: bool = False

    @abstractmethod
    async def lanes(self, world: World) -> list[Lane]:
        """Return what each caller calls."""

    def servers(self, world: World) -> Sequence[ServerProcess]:
        """Return whom they call."""
        return [world.server()]

    def rate(self, world: World) -> float:
        """Return calls a second of an open loop; 0: as fast as they are answered."""
        del world
        return 0.0

    async def prepare(self, world: World) -> None:
        """Make the sessions."""
        await self.lanes(world)
        self.servers(world)

    async def measure(self, world: World) -> Measurement:
        """Call, and look at a reply to every kind of call."""
        servers = self.servers(world)
        addresses = [server.address for server in servers]
        jobs = self.jobs(world, addresses, await self.lanes(world), self.rate(world))
        await world.empty_outbox()
        return await world.crew.measure(jobs, world.pids(servers))

    def jobs(self, world: World, addresses: list[str], lanes: list[Lane], rate: float) -> list[CallsJob]:
        """Share the callers out to the load processes."""
        processes = min(self.processes, len(lanes), world.crew.size)
        return [
            CallsJob(
                addresses=addresses,
                connections=CONNECTIONS,
                paths=list(self.paths),
                lanes=lanes[place::processes],
                warm_s=world.sizes.warm_s,
                run_s=world.sizes.run_s,
                rate=rate / processes,
                phase_s=place / rate if rate else 0.0,
                request_ids=self.request_ids,
            )
            for place in range(processes)
        ]
