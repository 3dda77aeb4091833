"""What all servers share of the tenants' limits: buckets of calls, and what is open where."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.keys import Keys
from synckairos.application.admission.budgets import Lease

if TYPE_CHECKING:
    from synckairos.adapters.redis.connections.wire import RedisCommand

FORGOTTEN_S: Final = 15
"""What a server holds is forgotten when it has not said anything for so long."""
LEASE: Final = """
local found = redis.call('HMGET', KEYS[1], 'left', 'at')
local rate, most, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = tonumber(found[2]) or now
local left = math.min(most, (tonumber(found[1]) or most) + math.max(0, now - at) * rate / 1000)
local granted = math.min(wanted, math.floor(left))
left = left - granted
redis.call('HSET', KEYS[1], 'left', string.format('%.6f', left), 'at', string.format('%.0f', math.max(now, at)))
redis.call('PEXPIRE', KEYS[1], math.ceil(most / rate * 1000) + 1000)
return {granted, left >= 1 and 0 or math.ceil((1 - left) / rate * 1000)}
"""
"""A token bucket: a script, since servers would otherwise have to fight for it."""


class RedisBudgets:
    """The buckets, by Redis' own clock; one that nobody has taken from until it was full again is not kept."""

    def __init__(self, connections: RedisConnections, keys: Keys) -> None:
        self._connections = connections
        self._prefix = f"{keys.prefix}:budget:"

    async def lease(self, tenant: str, rate: float, most: float, wanted: int) -> Lease:
        """Take up to `wanted` calls of a bucket that fills at `rate` a second up to `most`; raises StoreUnavailable."""
        command: RedisCommand = ("EVAL", LEASE, 1, self._prefix + tenant, repr(rate), repr(most), wanted)
        ((granted, wait_ms),) = await self._connections.run([command])
        return Lease(granted, wait_ms / 1_000)


class RedisHoldings:
    """What each server holds, in a hash of its own that goes by itself when the server does."""

    def __init__(self, connections: RedisConnections, keys: Keys, server: str) -> None:
        """`server` names this server: no other has the same name."""
        self._connections = connections
        self._servers = f"{keys.prefix}:holders"
        self._prefix = f"{keys.prefix}:held:"
        self._server = server

    async def hold(self, name: str, count: int) -> int:
        """Say what this server holds under a name, and return what the others do; raises StoreUnavailable."""
        own = self._prefix + self._server
        *_, servers = await self._connections.run(
            [
                ("SADD", self._servers, self._server),
                ("HSET", own, name, count),
                ("EXPIRE", own, FORGOTTEN_S),
                ("SMEMBERS", self._servers),
            ]
        )
        others = [other for one in servers if (other := bytes(one).decode()) != self._server]
        if not others:
            return 0
        found = await self._connections.run([("HGET", self._prefix + other, name) for other in others])
        return sum(int(one) for one in found if one is not None)

    async def say(self, counts: Mapping[str, int]) -> None:
        """Say all that this server holds, and forget the servers that say nothing; raises StoreUnavailable."""
        own = self._prefix + self._server
        held = [part for name, count in counts.items() for part in (name, count)]
        said: list[RedisCommand] = [("HSET", own, *held), ("EXPIRE", own, FORGOTTEN_S)] if held else []
        await self._connections.run([("MULTI",), ("DEL", own), *said, ("EXEC",)])
        (servers,) = await self._connections.run([("SMEMBERS", self._servers)])
        names = [bytes(one).decode() for one in servers]
        exist = await self._connections.run([("EXISTS", self._prefix + name) for name in names]) if names else []
        gone = [name for name, exists in zip(names, exist, strict=True) if not exists]
        if gone:
            await self._connections.run([("SREM", self._servers, *gone)])
