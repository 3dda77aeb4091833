"""A cluster whose nodes can be cut off from each other."""

import asyncio
from pathlib import Path

from redis.crc import key_slot

from synckairos.adapters.redis.keys import TAGS, Keys
from synckairos.devstack import RedisServer
from testing.harness.processes.cluster_group import ClusterGroup, await_that
from testing.robustness.replicas.bus import BusProxy
from testing.robustness.replicas.group import ReplicatedRedis, ask, is_primary


class BreakableCluster(ClusterGroup, ReplicatedRedis):
    """Three masters and their replicas; the proxies between them run on `loop`, everything else elsewhere."""

    def __init__(self, directory: Path, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(directory)
        self._loop = loop
        self._isolated: set[bytes] = set()
        self._proxies: list[BusProxy] = []

    def partitions_of(self, primary: RedisServer) -> list[int]:
        """Return the partitions whose slots a primary has."""
        ranges = ask(primary, "CLUSTER", "SLOTS")
        own = [(begin, end) for begin, end, master, *_ in ranges if master[1] == primary.port]
        slots = [key_slot(tag.encode()) for tag in TAGS]
        return [one for one, slot in enumerate(slots) if any(begin <= slot <= end for begin, end in own)]

    def isolate(self, server: RedisServer) -> None:
        """Cut a node off from all others, but not from those who call it."""
        node = ask(server, "CLUSTER", "MYID").encode()
        self._proxies[self.servers.index(server)].node = node
        self._isolated.add(node)

    def reunite(self) -> None:
        """Let all nodes speak to each other again, over new connections; to be called on `loop`.

        On an old one a node would wait for the answer to a ping that was swallowed, for as long as it hears of the
        other by the connection that the other has made.
        """
        self._isolated.clear()
        for proxy in self._proxies:
            proxy.cut()

    def is_cut_off(self, server: RedisServer) -> bool:
        """Whether a node has noticed that it cannot reach the others: it takes no more changes."""
        return "cluster_state:fail" in ask(server, "CLUSTER", "INFO").split()

    def move_some(self, source: RedisServer, target: RedisServer, count: int) -> None:
        """Move the slots of some partitions from one master to another."""
        for partition in self.partitions_of(source)[:count]:
            self.move(Keys().partitioned(partition, "meta"), target)

    def take_back(self, former: RedisServer) -> None:
        """Start a master, or let it go on, and wait until the cluster is whole."""
        if former.running:
            former.resume()
        else:
            former.start()
        self._await_whole()

    def bring_back(self, master: RedisServer, replicas: list[RedisServer]) -> None:
        """Start a shard of which nobody was left; its master first, for the replicas may know less."""
        master.start()
        other = next(server for server in self.servers if server not in {master, *replicas} and is_primary(server))
        await_that(lambda: "cluster_slots_fail:0" in ask(other, "CLUSTER", "INFO").split(), "the shard is not back")
        for replica in replicas:
            replica.start()
        self._await_whole()

    def _await_whole(self) -> None:
        try:
            await_that(self.is_whole, "the cluster does not become whole")
        except AssertionError as error:
            for server in (one for one in self.servers if one.running):
                error.add_note(f"{server.port}: {ask(server, 'CLUSTER', 'NODES')}")
            raise

    async def close(self) -> None:
        """Close the proxies."""
        for proxy in self._proxies:
            await proxy.stop()

    def _announced(self, bus: int) -> int:
        proxy = BusProxy(bus, self._isolated)
        asyncio.run_coroutine_threadsafe(proxy.start(), self._loop).result()
        self._proxies.append(proxy)
        return proxy.port
