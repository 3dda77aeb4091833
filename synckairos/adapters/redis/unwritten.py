"""The sessions with changes that have not reached the audit trail: those named by outboxes and dead entries."""

from collections.abc import Iterable, Sequence
from typing import Final

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.keys import PARTITIONS, Keys, partition_of
from synckairos.application.errors import AuditUnavailable

PAGE: Final = 1_000
MOST: Final = 20_000
"""The most entries looked through while a caller waits; beyond that the trail has to catch up first."""
SESSION_FIELD: Final = b"s"


class RedisUnwritten:
    """Looks through the outboxes and the dead entries."""

    def __init__(self, connections: RedisConnections, keys: Keys) -> None:
        self._connections = connections
        self._keys = keys

    async def among(self, session_ids: Sequence[str]) -> set[str]:
        """Return which sessions of the same partitions have such changes; raises StoreUnavailable, AuditUnavailable."""
        streams = self._streams({partition_of(session_id) for session_id in session_ids})
        lengths = await self._connections.run([("XLEN", stream) for stream in streams])
        if sum(lengths) > MOST:
            text = f"{sum(lengths)} changes have not reached the audit trail yet: try again when they have"
            raise AuditUnavailable(text, waiting=sum(lengths))
        return await self._named(streams)

    async def everywhere(self) -> set[str]:
        """Return all sessions that have such changes; raises StoreUnavailable."""
        return await self._named(self._streams(range(PARTITIONS)))

    def _streams(self, partitions: Iterable[int]) -> list[str]:
        return [self._keys.partitioned(one, name) for one in sorted(partitions) for name in ("outbox", "dead")]

    async def _named(self, streams: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for stream in streams:
            start = "-"
            while True:
                (entries,) = await self._connections.run([("XRANGE", stream, start, "+", "COUNT", PAGE)])
                found.update(session_id for _, flat in entries if (session_id := _session_of(flat)))
                if len(entries) < PAGE:
                    break
                start = f"({bytes(entries[-1][0]).decode()}"
        return found


def _session_of(flat: Sequence[bytes]) -> str:
    """Return the session an entry names; empty if it names none."""
    fields = dict(zip(flat[::2], flat[1::2], strict=False))
    return fields.get(SESSION_FIELD, b"").decode(errors="replace")
