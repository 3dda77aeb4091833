"""A primary whose Sentinels can be lost, and its replicas held back."""

import time
from pathlib import Path
from typing import Final

from synckairos.devstack import RedisServer
from testing.harness.processes.cluster_group import await_that
from testing.harness.processes.sentinel_group import SentinelGroup
from testing.robustness.replicas.group import ReplicatedRedis, ask, is_primary, role_of

DOWN_MS: Final = 3_000
ALONE_S: Final = 2.0
"""For so long a primary that was frozen takes itself for the primary when it goes on."""


class BreakableSentinels(SentinelGroup, ReplicatedRedis):
    """One primary, two replicas, three Sentinels, which are patient: a failover of their own would not be recorded."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, down_ms=DOWN_MS)
        self._expected: RedisServer | None = None

    def primary_at(self, place: int) -> RedisServer:
        """Return the primary; raises AssertionError if the Sentinels have replaced one that nobody has broken."""
        primary = super().primary_at(place)
        assert self._expected in {None, primary}, "the Sentinels have made a failover of their own: the machine is busy"
        return primary

    def partitions_of(self, primary: RedisServer) -> list[int]:  # noqa: ARG002 - there is one
        """Return none: the primary has all of them."""
        return []

    def take_back(self, former: RedisServer) -> None:
        """Start a primary as a replica, or make one of a frozen one some time after it has gone on."""
        await_that(lambda: self.primary() is not former and is_primary(self.primary()), "the Sentinels name nobody")
        if former.running:
            former.resume()
            time.sleep(ALONE_S)  # in which it is of use to whoever still believes in it
        else:
            former.start()
        # The Sentinels would look at it for ten seconds before they do this.
        ask(former, "REPLICAOF", "127.0.0.1", self.primary().port)
        await_that(self._is_whole, "the replicas do not follow")
        self._expected = self.primary()

    def lose_majority(self) -> None:
        """Kill two Sentinels: the third one names the primary it knows, and cannot make another."""
        for sentinel in self._sentinels[1:]:
            sentinel.kill()
            sentinel.wait()

    def bring_back_majority(self) -> None:
        """Start the Sentinels again, and wait until they agree."""
        self._sentinels[1:] = [self._sentinel(place) for place in range(1, len(self._sentinels))]
        self._await_agreement()

    def _is_whole(self) -> bool:
        port = self.primary().port
        others = [role_of(server) for server in self.servers if server.port != port]
        return all(role and role[0] == "slave" and role[2:4] == [port, "connected"] for role in others)
