"""The share of its memory that Redis uses."""

from redis.exceptions import ResponseError

from synckairos.adapters.redis.connections.pool import RedisConnections


class RedisMemory:
    """Reads how much memory Redis uses."""

    def __init__(self, connections: RedisConnections) -> None:
        self._connections = connections

    async def share(self) -> float | None:
        """Return the used share of maxmemory (0 to 1), None without a maxmemory or without the right to ask.

        Of a cluster, that of its fullest node. Raises StoreUnavailable.
        """
        try:
            found = await self._connections.everywhere([("INFO", "memory")])
        except ResponseError:
            return None
        shares = [share for (text,) in found if (share := _share(bytes(text))) is not None]
        return max(shares, default=None)


def _share(text: bytes) -> float | None:
    lines = [line.partition(":") for line in text.decode(errors="replace").splitlines()]
    figures = {name: int(value) for name, _, value in lines if value.isdecimal()}
    limit = figures.get("maxmemory", 0)
    if not limit:
        return None
    return (figures.get("used_memory", 0) - figures.get("mem_not_counted_for_evict", 0)) / limit
