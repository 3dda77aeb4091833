"""A cluster has as many clocks as primaries: the store's is one of them, and how far the others are is said."""

from typing import cast

from synckairos.adapters.redis.cluster.answers import Instant
from synckairos.adapters.redis.cluster.clock import ClusterClock
from synckairos.adapters.redis.cluster.connections import ClusterConnections

SECOND_US = 1_000_000


class Nodes:
    """Nodes whose clocks differ from the monotonic one by so many microseconds; the first has partition 0."""

    def __init__(self, **offsets_us: int) -> None:
        self.offsets_us = offsets_us
        self.home = next(iter(offsets_us))
        self.monotonic_s = 100.0

    def nodes(self) -> set[str]:
        """Return the names of the primaries."""
        return set(self.offsets_us)

    async def instants(self) -> list[Instant]:
        """Return what the clocks say now."""
        return [
            Instant(node, [*map(b"%d".__mod__, divmod(self.at(node), SECOND_US))], self.monotonic_s)
            for node in self.offsets_us
        ]

    def at(self, node: str) -> int:
        """Return a node's time in microseconds."""
        return int(self.monotonic_s * SECOND_US) + self.offsets_us[node]


def clock_of(nodes: Nodes) -> ClusterClock:
    """Return the clock of a process beside these nodes."""
    return ClusterClock(cast(ClusterConnections, nodes), lambda: nodes.monotonic_s)


async def test_the_store_has_the_clock_of_partition_0_and_tells_how_far_the_others_are() -> None:
    """Each node's own readings stay its own."""
    nodes = Nodes(one=5_000_000, two=5_030_000, three=4_990_000)
    clock = clock_of(nodes)

    assert await clock.look() == nodes.at("one")
    assert clock.spread_us() == 40_000
    nodes.monotonic_s += 1
    assert clock.now_us() == nodes.at("one")
    (_, two, _) = await nodes.instants()
    assert clock.read(two.time, two.lent_s, two.node) == nodes.at("two")


async def test_the_clock_goes_on_where_partition_0_goes() -> None:
    """Forwards only, be the clock of the new primary behind; a node that is gone counts no more."""
    nodes = Nodes(one=5_000_000, two=4_900_000, three=5_000_000)
    clock = clock_of(nodes)
    before = await clock.look()
    nodes.home = "two"
    del nodes.offsets_us["one"]

    assert await clock.look() >= before
    nodes.monotonic_s += 1

    assert await clock.look() == nodes.at("two")
    assert clock.spread_us() == 100_000
