"""Where everything lies in Redis: the only place that spells a key.

All that one transaction touches carries one hash tag, so that keys laid out on one Redis fit a Redis Cluster.
"""

from functools import lru_cache
from itertools import count
from typing import Final, NamedTuple
from zlib import crc32

from redis.crc import key_slot

from synckairos.domain.tenancy import DEFAULT_TENANT, bare_id, name_of

PARTITIONS: Final = 64
SLOTS: Final = 16_384


def _tag(partition: int) -> str:
    """Return the partition's hash tag: the first of `i`, `i.1`, `i.2`, … that lies in the partition's share of slots.

    Plain `0` … `63` would load the fullest of twelve cluster masters 1.7 times the average.
    """
    tags = (f"{partition}.{attempt}" if attempt else str(partition) for attempt in count())
    return next(tag for tag in tags if key_slot(tag.encode()) // (SLOTS // PARTITIONS) == partition)


TAGS: Final = tuple(_tag(partition) for partition in range(PARTITIONS))


def partition_of(session_id: str) -> int:
    """Return the partition a session lives in; its tenant does not count."""
    return crc32(bare_id(session_id).encode()) % PARTITIONS


class SessionKeys(NamedTuple):
    """The keys and the channel of one session, and its tenant."""

    partition: int
    session: str
    events: str
    updates: str
    deadlines: str
    outbox: str
    live: str
    request_prefix: str
    tenants: str
    tenant: str


class Keys:
    """The key space under a prefix (`sk` unless a test wants its own)."""

    def __init__(self, prefix: str = "sk") -> None:
        self.prefix = prefix
        self.meta = f"{prefix}:meta"
        self.of = lru_cache(maxsize=65_536)(self._of)

    def _of(self, session_id: str) -> SessionKeys:
        partition, tenant = partition_of(session_id), name_of(session_id).tenant
        base = f"{self.prefix}:{{{TAGS[partition]}}}"
        return SessionKeys(
            partition,
            session=f"{base}:session:{session_id}",
            events=f"{base}:events:{session_id}",
            updates=f"{base}:updates:{session_id}",
            deadlines=f"{base}:deadlines",
            outbox=f"{base}:outbox",
            live=self.live(partition, tenant),
            request_prefix=f"{base}:request:{session_id}:",
            tenants=f"{base}:tenants",
            tenant=tenant,
        )

    def partitioned(self, partition: int, name: str) -> str:
        """Return a partition's own key: `deadlines`, `outbox`, `live` or `tenants`."""
        return f"{self.prefix}:{{{TAGS[partition]}}}:{name}"

    def live(self, partition: int, tenant: str = DEFAULT_TENANT) -> str:
        """Return the key of a tenant's live index in a partition."""
        return self.partitioned(partition, "live" if tenant == DEFAULT_TENANT else f"live:{tenant}")

    def session_of_channel(self, channel: str) -> str:
        """Return the qualified id of the session a channel is about."""
        return channel.rsplit(":", 1)[1]
