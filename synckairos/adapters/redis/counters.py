"""The counters of the drains, in one hash that any server can read.

They only tell: whatever stands in the hash, no drain fails for it, and what is no count reads as none.
"""

import time
from collections.abc import Sequence
from typing import Final

import structlog
from redis.exceptions import ResponseError

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.connections.wire import RedisCommand
from synckairos.adapters.redis.keys import Keys
from synckairos.application.pipeline.status import DrainTotals
from synckairos.application.trail.audit import Written

MAX_PROBLEM: Final = 500
MAX_DIGITS: Final = 18
"""Of a count; more would not be an int64."""
BROKEN: Final = "the counters of the drains hold what is no count"

_log = structlog.get_logger(__name__)


class RedisDrainCounters:
    """Counts the work of the drains; instants are those of the counting process."""

    def __init__(self, connections: RedisConnections, keys: Keys) -> None:
        self._connections = connections
        self._key = f"{keys.prefix}:audit"

    async def wrote(self, written: Written) -> None:
        """Count a batch; raises StoreUnavailable."""
        counts = {"batches": 1, "written": written.new, "known": written.known, "forks": written.forks}
        commands = [self._add(name, number) for name, number in counts.items() if number]
        await self._count([*commands, self._set("last_written_at", _now_ms())])

    async def buried(self, reason: str) -> None:
        """Count a buried entry; its reason is the last error now."""
        await self._count([self._add("buried", 1), *self._error(reason)])

    async def completed(self) -> None:
        """Count a message done."""
        await self._count([self._add("completed", 1)])

    async def failed(self, problem: str, *, is_last: bool) -> None:
        """Count an attempt that failed, or (`is_last`) a message given up; the problem is the last error now."""
        await self._count([self._add("exhausted" if is_last else "failed", 1), *self._error(problem)])

    async def totals(self) -> DrainTotals:
        """Return the counts; raises StoreUnavailable."""
        try:
            (values,) = await self._connections.run([("HMGET", self._key, *DrainTotals._fields)])
        except ResponseError:
            return DrainTotals(last_error=BROKEN)
        found = {name: bytes(value) for name, value in zip(DrainTotals._fields, values, strict=True) if value}
        error = found.pop("last_error", b"").decode(errors="replace")
        counts = {name: int(value) for name, value in found.items() if value.isdigit() and len(value) <= MAX_DIGITS}
        return DrainTotals(last_error=error if len(counts) == len(found) else BROKEN, **counts)

    async def _count(self, commands: Sequence[RedisCommand]) -> None:
        try:
            await self._connections.run(commands)
        except ResponseError as error:
            _log.warning("drain_not_counted", problem=str(error))

    def _add(self, name: str, number: int) -> RedisCommand:
        return ("HINCRBY", self._key, name, number)

    def _set(self, name: str, value: str | int) -> RedisCommand:
        return ("HSET", self._key, name, value)

    def _error(self, text: str) -> list[RedisCommand]:
        return [self._set("last_error", text[:MAX_PROBLEM]), self._set("last_error_at", _now_ms())]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
