"""Whether a Redis can do what a durability needs.

With `appendfsync everysec` some servers answer WAITAOF as soon as the log is written, long before it is synced (Valkey
9.1.2 does): what that says is worth nothing. They are known by how soon they answer.
"""

import time
from typing import Final

from redis.exceptions import ResponseError

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.keys import Keys
from synckairos.domain.model import Durability, DurabilityLevel

LOOKS: Final = 3
"""The first may find a sync that is about to begin; right after one, the next is most of a second away."""
TOO_SOON_S: Final = 0.5
PATIENCE_MS: Final = 5_000


class DurabilityLackingError(Exception):
    """The store can never reach the durability that is asked for."""


class RedisDurability:
    """Asks what the server, or every primary of a cluster, can do."""

    def __init__(self, connections: RedisConnections, keys: Keys) -> None:
        self._connections = connections
        self._key = f"{keys.prefix}:synced"
        self._is_truthful: bool | None = None
        """Whether it answers WAITAOF after its sync with everysec; None before that has been looked at."""

    async def lacks(self, durability: Durability) -> str:
        """Return why it can never be reached, nothing if it can; raises StoreUnavailable."""
        if durability.level is not DurabilityLevel.FSYNC:
            return ""
        try:
            # On a connection that has written nothing it waits for nothing.
            answers = await self._connections.everywhere([("WAITAOF", 1, 0, 1), ("CONFIG", "GET", "appendfsync")])
        except ResponseError as error:
            return f"FSYNC cannot be had: {_problem(str(error))}"
        policies = {bytes(configured[1]).decode() for _, configured in answers}
        if "no" in policies:
            return "FSYNC cannot be had: appendfsync is no"
        if "everysec" in policies and not await self._tells_the_truth():
            return (
                "FSYNC cannot be had: this server answers WAITAOF before its log is synced; it needs appendfsync always"
            )
        return ""

    async def require(self, durability: Durability) -> None:
        """Raise DurabilityLackingError if it can never be reached; StoreUnavailable."""
        if problem := await self.lacks(durability):
            raise DurabilityLackingError(f"SYNCKAIROS_DURABILITY: {problem}")

    async def _tells_the_truth(self) -> bool:
        if self._is_truthful is None:
            self._is_truthful = min([await self._synced_within_s() for _ in range(LOOKS)][1:]) >= TOO_SOON_S
        return self._is_truthful

    async def _synced_within_s(self) -> float:
        """Return how long it takes to answer that a write is synced."""
        began = time.monotonic()
        async with self._connections.lease([("EXISTS", self._key)]) as (lease, _):
            write, wait = ("SET", self._key, b"", "PX", PATIENCE_MS), ("WAITAOF", 1, 0, PATIENCE_MS)
            _, rest = await lease.exchange_then([write], [wait], PATIENCE_MS / 1_000)
            await rest
        return time.monotonic() - began


def _problem(text: str) -> str:
    if "unknown command" in text.lower():
        return "the store needs Redis 7.2 or newer, or Valkey"
    if "appendonly" in text:
        return "the store keeps no log (appendonly is no)"
    return f"Redis says {text}"
