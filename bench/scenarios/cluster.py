"""What a cluster costs beside one Redis: calls of several partitions cannot share a transaction there."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Final

from bench.load.load_pool import Measurement
from bench.scenarios.base import Calls, Scenario
from bench.scenarios.calls import SWITCH, switches
from bench.seeding import Seed, seed
from bench.testbed import PREFIX, Testbed
from synckairos.devstack import RedisServer
from testing.harness.processes.cluster_group import ClusterGroup
from testing.harness.processes.server_process import ServerProcess

MASTERS: Final = (0, 1, 3)
"""Of each store in turn; 0 is one Redis that is no cluster."""
CALLERS: Final = (1, 32, 512)
"""One has every transaction to itself; 512 fill those of every partition."""


@dataclass
class Cluster(Calls):
    """Switches on stores of several masters, each with a server of its own, by few and by many callers."""

    takes_turns: ClassVar[bool] = False
    paths: tuple[str, ...] = (SWITCH,)

    async def prepare(self, testbed: Testbed) -> None:
        """Prepare nothing: every store has its own sessions."""

    async def lanes(self, testbed: Testbed) -> list[list[tuple[int, bytes]]]:
        """Return none: they belong to a store."""
        del testbed
        return []

    async def measure(self, testbed: Testbed) -> Measurement:
        """Measure each store by each number of callers; the round counts as the last of them."""
        extra: dict[str, float] = {}
        result = Measurement()
        with ExitStack() as exits:
            places = [(masters, *exits.enter_context(_served(testbed, masters))) for masters in MASTERS]
            ids = {
                masters: await seed(stores.url, PREFIX, Seed(testbed.sizes.sessions)) for masters, _, stores in places
            }
            # All stores at the same time: the machine may be faster a minute later.
            for callers, (masters, server, stores) in product(CALLERS, places):
                pids = {"server": [server.pid], "redis": [one.pid for one in stores.servers]}
                jobs = self.jobs(testbed, [server.address], switches(ids[masters], callers), 0.0)
                measured = await testbed.pool.measure(jobs, pids)
                measured.errors.update(result.errors)
                result = measured
                extra[f"{masters}_{callers}_rate"] = measured.rate
                extra[f"{masters}_{callers}_server_us"] = measured.cpu_per_call("server") * 1e6
                extra[f"{masters}_{callers}_redis_us"] = measured.cpu_per_call("redis") * 1e6
        result.extra = extra
        return result


class _Single:
    """One Redis, told as a cluster is."""

    def __init__(self, server: RedisServer) -> None:
        self.servers = [server]
        self.url = server.url


@contextmanager
def _served(testbed: Testbed, masters: int) -> Iterator[tuple[ServerProcess, ClusterGroup | _Single]]:
    with ExitStack() as exits:
        folder = Path(exits.enter_context(TemporaryDirectory(dir=testbed.deployment.directory)))
        stores: ClusterGroup | _Single
        if masters:
            stores = exits.enter_context(ClusterGroup(folder, masters=masters, replicas=0))
        else:
            stores = _Single(exits.enter_context(RedisServer(folder / "redis")))
        server = ServerProcess(stores.url, folder / "server.log", store_init="auto", broker_url=testbed.redis_url)
        exits.enter_context(server).await_answer("SERVING")
        yield server, stores


def cluster() -> list[Scenario]:
    """Return the one scenario."""
    return [Cluster("cluster", "SwitchCycle, by masters and callers", only_on_request=True)]
