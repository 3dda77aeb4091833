"""What the stores hold once nothing moves any more."""

from collections.abc import Iterable, Iterator

import asyncpg
from redis.asyncio import Redis

from synckairos.adapters import redis_codec as codec
from synckairos.adapters.redis_keys import PARTITIONS, Keys
from tests.robustness.history import Row, Stored

_ROWS = """
SELECT session_id::text, epoch, version, id::text AS change_id, request_id, event_type AS type, cause, actor, reason,
    coalesce(participant_id::text, '') AS participant_id, coalesce(group_id::text, '') AS group_id,
    (extract(epoch FROM "timestamp") * 1000)::bigint AS occurred_ms,
    (extract(epoch FROM fired_at) * 1000)::bigint AS fired_ms, is_fork, state_snapshot::text AS snapshot
FROM sync_events ORDER BY session_id, epoch, version, id
"""


async def read_rows(database_url: str) -> list[Row]:
    """Return every event in PostgreSQL."""
    connection = await asyncpg.connect(database_url)
    try:
        return [Row(**dict(record)) for record in await connection.fetch(_ROWS)]
    finally:
        await connection.close()


async def read_stored(redis_url: str, session_ids: Iterable[str]) -> list[Stored]:
    """Return what Redis holds of these sessions."""
    async with Redis.from_url(redis_url) as redis:
        return [stored async for stored in _stored(redis, session_ids)]


async def _stored(redis: Redis, session_ids: Iterable[str]):  # type: ignore[no-untyped-def] # noqa: ANN202 - an async iterator
    for session_id in session_ids:
        keys = Keys().of(session_id)
        encoded = await redis.get(keys.session)
        if encoded is None:
            continue
        head = codec.decode_head(encoded)
        events = [(int(entry.split(b"-")[0]), _change_id(fields)) for entry, fields in await redis.xrange(keys.events)]
        yield Stored(session_id, head.epoch, head.version, head.change_id, events)


def _change_id(fields: dict[bytes, bytes]) -> str:
    return codec.event_head(fields[b"e"]).change_id


async def outbox_length(redis_url: str) -> int:
    """Return how many events wait for PostgreSQL."""
    async with Redis.from_url(redis_url) as redis, redis.pipeline(transaction=False) as pipeline:
        for key in _outboxes():
            pipeline.xlen(key)
        return sum(await pipeline.execute())


def _outboxes() -> Iterator[str]:
    keys = Keys()
    return (keys.partitioned(partition, "outbox") for partition in range(PARTITIONS))
