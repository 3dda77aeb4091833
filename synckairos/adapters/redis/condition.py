"""How a Redis is set up and how it does, as far as it says so."""

import time
from collections.abc import Mapping, Sequence
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


class LogState(NamedTuple):
    """The log as INFO shows it: bytes held back, syncs under way, and writes ever held back for a sync over 2 s.

    While its disk is slow, Redis holds back what it has to write, and answers all the same.
    """

    is_on: bool
    held_bytes: int
    pending_fsyncs: int
    delayed_fsyncs: int
    is_written: bool
    """Whether the latest write went well."""


class RedisCondition:
    """Reads the settings, the clock, the memory and the log of a Redis."""

    def __init__(self, connections: RedisConnections) -> None:
        self._connections = connections

    async def told(self) -> Mapping[str, str]:
        """Return what INFO says, by name; empty without the right to ask. Raises StoreUnavailable."""
        try:
            texts = await self._connections.run([("INFO", section) for section in SECTIONS])
        except ResponseError:
            return {}
        return {name: value for text in texts for name, value in _named(text).items()}

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

    async def memory_share(self) -> float | None:
        """Return the used share of maxmemory (0 to 1), None without a maxmemory or without the right to ask.

        Of a cluster, that of its fullest node. Raises StoreUnavailable.
        """
        shares = [share for told in await self._told_by_each("memory") if (share := _share(told)) is not None]
        return max(shares, default=None)

    async def log(self) -> LogState | None:
        """Return the state of the log, None without the right to ask; raises StoreUnavailable.

        Of a cluster, whatever is worst at any of its nodes.
        """
        nodes = await self._told_by_each("persistence")
        if not nodes:
            return None
        return LogState(
            all(told.get("aof_enabled") == "1" for told in nodes),
            max(int(told.get("aof_buffer_length", 0)) for told in nodes),
            max(int(told.get("aof_pending_bio_fsync", 0)) for told in nodes),
            sum(int(told.get("aof_delayed_fsync", 0)) for told in nodes),
            all(told.get("aof_last_write_status", "ok") == "ok" for told in nodes),
        )

    async def _told_by_each(self, section: str) -> Sequence[Mapping[str, str]]:
        """Return what INFO says at each primary; nothing without the right to ask."""
        try:
            found = await self._connections.everywhere([("INFO", section)])
        except ResponseError:
            return []
        return [_named(text) for (text,) in found]


def _named(text: bytes) -> Mapping[str, str]:
    """Return what a reply to INFO says, by name."""
    lines = [line.partition(":") for line in bytes(text).decode(errors="replace").splitlines()]
    return {name: value for name, colon, value in lines if colon}


def _share(told: Mapping[str, str]) -> float | None:
    figures = {name: int(value) for name, value in told.items() if value.isdecimal()}
    limit = figures.get("maxmemory", 0)
    if not limit:
        return None
    return (figures.get("used_memory", 0) - figures.get("mem_not_counted_for_evict", 0)) / limit
