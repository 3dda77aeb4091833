"""The contents of the stores once everything has come to rest."""

from collections.abc import Iterable

import asyncpg

from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.values import codec
from testing.harness.stores import connections_to
from testing.robustness.history import Row, Stored

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


async def read_stored(store_url: str, session_ids: Iterable[str]) -> list[Stored]:
    """Return the state of these sessions in Redis."""
    connections = connections_to(store_url, limit=1)
    try:
        return [one for session_id in session_ids if (one := await _stored(connections, session_id)) is not None]
    finally:
        await connections.close()


async def _stored(connections: RedisConnections, session_id: str) -> Stored | None:
    keys = Keys().of(session_id)
    encoded, entries = await connections.run([("GET", keys.session), ("XRANGE", keys.events, "-", "+")])
    if encoded is None:
        return None
    head = codec.decode_head(encoded)
    heads = [codec.decode_event(session_id, fields[1]).session for _, fields in entries]
    return Stored(session_id, head.epoch, head.version, head.change_id, [(one.version, one.change_id) for one in heads])
