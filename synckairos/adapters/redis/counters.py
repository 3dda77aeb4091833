"""The counters of the drains, in one hash that any server can read."""

import time
from typing import Final

from synckairos.adapters.redis.connections import RedisConnections
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.wire import RedisCommand
from synckairos.application.audit import Written
from synckairos.application.pipeline_status import DrainTotals

MAX_PROBLEM: Final = 500


class RedisDrainCounters:
    """Counts the work of the drains; instants are those of the counting process."""

    def __init__(self, connections: RedisConnections, keys: Keys) -> None:
        self._connections = connections
        self._key = f"{keys.prefix}:audit"

    async def wrote(self, written: Written) -> None:
        """Count a batch; raises StoreUnavailable."""
        counts = {"batches": 1, "written": written.new, "known": written.known, "forks": written.forks}
        commands = [self._add(name, number) for name, number in counts.items() if number]
        await self._connections.run([*commands, self._set("last_written_at", _now_ms())])

    async def buried(self, reason: str) -> None:
        """Count a buried entry; its reason is the last error now."""
        await self._connections.run([self._add("buried", 1), *self._error(reason)])

    async def completed(self) -> None:
        """Count a message done."""
        await self._connections.run([self._add("completed", 1)])

    async def failed(self, problem: str, *, is_last: bool) -> None:
        """Count an attempt that failed, or (`is_last`) a message given up; the problem is the last error now."""
        await self._connections.run([self._add("exhausted" if is_last else "failed", 1), *self._error(problem)])

    async def totals(self) -> DrainTotals:
        """Return the counts; raises StoreUnavailable."""
        (flat,) = await self._connections.run([("HGETALL", self._key)])
        found = {bytes(name).decode(): bytes(value).decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}
        known = {name: value for name, value in found.items() if name in DrainTotals._fields}
        return DrainTotals(**{name: value if name == "last_error" else int(value) for name, value in known.items()})  # type: ignore[arg-type] # every other field is a number

    def _add(self, name: str, number: int) -> RedisCommand:
        return ("HINCRBY", self._key, name, number)

    def _set(self, name: str, value: str | int) -> RedisCommand:
        return ("HSET", self._key, name, value)

    def _error(self, text: str) -> list[RedisCommand]:
        return [self._set("last_error", text[:MAX_PROBLEM]), self._set("last_error_at", _now_ms())]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
