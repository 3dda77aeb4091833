"""A real Redis whose replies to TIME are replaced by a clock of the test's own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from synckairos.adapters.redis.connections import Lease, RedisConnections
from synckairos.adapters.redis.wire import RedisCommand, Reply
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
            told = [
                self._time() if command == ("TIME",) else reply
                for command, reply in zip(commands, replies, strict=True)
            ]
            yield lease, told

    def _time(self) -> list[bytes]:
        seconds, microseconds = divmod(self._clock.us, 1_000_000)
        return [str(seconds).encode(), str(microseconds).encode()]
