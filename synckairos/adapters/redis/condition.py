"""How a Redis is set up, as far as it says so."""

import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from redis.exceptions import ResponseError

from synckairos.adapters.redis.connections.pool import RedisConnections

SECTIONS: Final = ("server", "clients", "memory", "persistence", "replication")
WANTED: Final = ("appendfsync", "stream-node-max-bytes")
READINGS: Final = 5


class ClockReading(NamedTuple):
    """A clock beside this machine's; positive: it is ahead. The truth is within `within_ms` of that."""

    ahead_ms: float
    within_ms: float


class RedisCondition:
    """Reads the settings and the clock of a Redis."""

    def __init__(self, connections: RedisConnections) -> None:
        self._connections = connections

    async def told(self) -> Mapping[str, str]:
        """Return what INFO says, by name; empty without the right to ask. Raises StoreUnavailable."""
        try:
            texts = await self._connections.run([("INFO", section) for section in SECTIONS])
        except ResponseError:
            return {}
        lines = [line.partition(":") for text in texts for line in bytes(text).decode(errors="replace").splitlines()]
        return {name: value for name, colon, value in lines if colon}

    async def configured(self) -> Mapping[str, str]:
        """Return what INFO does not say, by name; empty where CONFIG is not allowed. Raises StoreUnavailable."""
        try:
            replies = await self._connections.run([("CONFIG", "GET", name) for name in WANTED])
        except ResponseError:
            return {}
        return {bytes(flat[0]).decode(): bytes(flat[1]).decode() for flat in replies if flat}

    async def is_empty(self) -> bool:
        """Whether it holds no key at all; raises StoreUnavailable."""
        return not any(size for (size,) in await self._connections.everywhere([("DBSIZE",)]))

    async def clock(self) -> ClockReading:
        """Compare its clock with this machine's, by the quickest of a few readings; raises StoreUnavailable."""
        readings = []
        for _ in range(READINGS):
            before = time.time()
            ((seconds, micros),) = await self._connections.run([("TIME",)])
            after = time.time()
            middle = (before + after) / 2
            readings.append(ClockReading((int(seconds) + int(micros) / 1e6 - middle) * 1e3, (after - before) / 2 * 1e3))
        return min(readings, key=lambda reading: reading.within_ms)
