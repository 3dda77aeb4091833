"""The clocks of a cluster: each partition's authority is the TIME of its primary."""

import time
from collections.abc import Callable, Sequence

from synckairos.adapters.redis.clock import EstimatedClock
from synckairos.adapters.redis.cluster.connections import ClusterConnections
from synckairos.application.errors import StoreUnavailable


class ClusterClock(EstimatedClock):
    """The estimate of the clock of partition 0's primary, and how far those of the other primaries are from it.

    While that primary is away, the estimate goes on from its last readings; at the start, any other will do.
    """

    def __init__(
        self,
        connections: ClusterConnections,
        monotonic: Callable[[], float] = time.monotonic,
        on_step_back: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(monotonic, on_step_back)
        self._connections = connections
        self._home = ""
        self._others: dict[str, EstimatedClock] = {}

    def read(self, reply: Sequence[bytes], sent_s: float | None = None, node: str = "") -> int:
        """Take in a node's reply to TIME that has just arrived; return that node's time in microseconds since 1970."""
        if node == self._home:
            return super().read(reply, sent_s)
        clock = self._others.get(node)
        if clock is None:
            clock = self._others[node] = EstimatedClock(self._monotonic, self._on_step_back)
        return clock.read(reply, sent_s)

    async def look(self) -> int:
        """Read the clocks of all primaries; return the time of the store's. Raises StoreUnavailable if none answers."""
        instants = await self._connections.instants()
        if not instants:
            raise StoreUnavailable("no node of the cluster answers")
        home, nodes = self._connections.home, {instant.node for instant in instants}
        if self._home != home and (home in nodes or not self.is_set):
            self._home = home if home in nodes else min(nodes)
            self._others.pop(self._home, None)
        for node in [node for node in self._others if node not in self._connections.nodes()]:
            del self._others[node]
        read = {instant.node: self.read(instant.time, instant.lent_s, instant.node) for instant in instants}
        return read.get(self._home) or self.now_us()

    def spread_us(self) -> int:
        """Return the largest offset between the clocks of two primaries, in microseconds, as far as readings tell."""
        offsets = [clock.offset_us for clock in (self, *self._others.values()) if clock.offset_us is not None]
        return max(offsets) - min(offsets) if offsets else 0
