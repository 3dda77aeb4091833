"""The interface of a scenario, and the most common kind: callers that make unary calls."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from bench.load.jobs import CallsJob, Lane
from bench.load.load_pool import Measurement
from bench.testbed import SERVICE, Testbed
from synckairos.v1 import session_service_pb2 as pb
from testing.harness.processes.server_process import ServerProcess

CALLERS: Final = 32
PROCESSES: Final = 2
"""Of load: one would do, two show that it is not the bottleneck."""
CONNECTIONS: Final = 4
"""Of each load process."""


@dataclass
class Scenario(ABC):
    """One thing that is measured, in rounds."""

    name: str
    text: str
    against: tuple[str, ...] = ()
    """The baselines, measured right before every round."""
    size: int = 0
    """The number that a curve is drawn over: participants, watchers or live sessions."""
    only_on_request: bool = False
    """Measured only if named, or where something is compared with it."""
    takes_turns: ClassVar[bool] = True
    """Whether its rounds are mixed with those of the others."""

    @abstractmethod
    async def measure(self, testbed: Testbed) -> Measurement:
        """Measure one round."""

    async def prepare(self, testbed: Testbed) -> None:
        """Prepare for all rounds; nothing, unless a scenario overrides it."""
        del testbed

    async def finish(self, testbed: Testbed) -> None:
        """Clean up after all rounds; nothing, unless a scenario overrides it."""
        del testbed


@dataclass
class Calls(Scenario):
    """Callers that call as fast as they are answered, or at a fixed rate."""

    callers: int = CALLERS
    paths: tuple[str, ...] = ()
    processes: int = PROCESSES
    request_ids: bool = False

    @abstractmethod
    async def lanes(self, testbed: Testbed) -> list[Lane]:
        """Return the calls of each caller."""

    def servers(self, testbed: Testbed) -> Sequence[ServerProcess]:
        """Return the servers that are called."""
        return [testbed.server()]

    def rate(self, testbed: Testbed) -> float:
        """Return calls a second of an open loop; 0: as fast as they are answered."""
        del testbed
        return 0.0

    async def prepare(self, testbed: Testbed) -> None:
        """Make the sessions."""
        await self.lanes(testbed)
        self.servers(testbed)

    async def measure(self, testbed: Testbed) -> Measurement:
        """Call, and look at a reply to every kind of call."""
        servers = self.servers(testbed)
        addresses = [server.address for server in servers]
        jobs = self.jobs(testbed, addresses, await self.lanes(testbed), self.rate(testbed))
        await testbed.empty_outbox()
        measured = await testbed.pool.measure(jobs, testbed.pids(servers))
        if not measured.calls:
            measured.errors["no call was answered in time"] += 1
        for place, reply in measured.replies.items():
            if not holds_a_session(self.paths[place], reply):
                measured.errors["a reply without a session"] += 1
        return measured

    def jobs(self, testbed: Testbed, addresses: list[str], lanes: list[Lane], rate: float) -> list[CallsJob]:
        """Share the callers out to the load processes."""
        processes = min(self.processes, len(lanes), testbed.pool.size)
        return [
            CallsJob(
                addresses=addresses,
                connections=CONNECTIONS,
                paths=list(self.paths),
                lanes=lanes[place::processes],
                warm_s=testbed.sizes.warm_s,
                run_s=testbed.sizes.run_s,
                rate=rate / processes,
                phase_s=place / rate if rate else 0.0,
                request_ids=self.request_ids,
            )
            for place in range(processes)
        ]


def holds_a_session(path: str, reply: bytes) -> bool:
    """Whether a reply of SessionService is whole; replies are not looked at while calls are measured."""
    response = getattr(pb, f"{path.removeprefix(SERVICE)}Response").FromString(reply)
    return bool(response.session.session_id) and response.session.version > 0
