"""The scenarios, in the order they are shown."""

from bench.scenarios.base import Scenario
from bench.scenarios.baselines import baselines
from bench.scenarios.calls import unary
from bench.scenarios.cluster import cluster
from bench.scenarios.durability import durability
from bench.scenarios.failover import failover
from bench.scenarios.overload import overload
from bench.scenarios.processes import processes
from bench.scenarios.stores import sized, stores
from bench.scenarios.streams import streams
from bench.scenarios.trail import trail
from bench.sizes import Sizes


def catalogue(sizes: Sizes) -> list[Scenario]:
    """Return all scenarios, the baselines first."""
    return [
        *baselines(),
        *unary(sizes.participants),
        *sized(sizes.large),
        *streams(sizes),
        *stores(),
        *trail(),
        *overload(),
        *processes(),
        *durability(),
        *cluster(),
        *failover(),
    ]
