"""A real Redis whose replies to TIME are replaced by a clock of the test's own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from synckairos.adapters.redis.cluster.answers import Where
from synckairos.adapters.redis.cluster.connections import ClusterConnections
from synckairos.adapters.redis.connections.pool import Lease, RedisConnections
from synckairos.adapters.redis.connections.wire import RedisCommand, Reply
from testing.harness.fakes.fake_clock import FakeClock


class DrivenConnections(RedisConnections):
    """Connections on which `clock` answers TIME; expiry of keys still follows the real time."""

    def __init__(self, url: str, clock: FakeClock, *, limit: int = 64) -> None:
        super().__init__(url, limit=limit)
        self._clock = clock

    @asynccontextmanager
    async def lease(self, commands: Sequence[RedisCommand]) -> AsyncIterator[tuple[Lease, list[Reply]]]:
        """Lend a connection, TIME among the commands answered by the clock."""
        async with super().lease(commands) as (lease, replies):
            yield lease, _told(self._clock, commands, replies)


class DrivenClusterConnections(ClusterConnections):
    """Connections to a cluster on all of whose nodes `clock` answers TIME."""

    def __init__(self, url: str, clock: FakeClock) -> None:
        super().__init__(url)
        self._clock = clock

    @asynccontextmanager
    async def _lease_of(
        self, where: Where, commands: Sequence[RedisCommand]
    ) -> AsyncIterator[tuple[Lease, list[Reply]]]:
        async with super()._lease_of(where, commands) as (lease, replies):
            yield lease, _told(self._clock, commands, replies)


def _told(clock: FakeClock, commands: Sequence[RedisCommand], replies: Sequence[Reply]) -> list[Reply]:
    seconds, microseconds = divmod(clock.us, 1_000_000)
    time = [str(seconds).encode(), str(microseconds).encode()]
    return [time if command == ("TIME",) else reply for command, reply in zip(commands, replies, strict=True)]
