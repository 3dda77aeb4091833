"""Takes one person's data out of the trail: what a participant's metadata say, and who acted on it, and from where.

The events stay, and so do the participant's id and times: without them the rest of the session would tell something
else than what happened. Detached months are part of the trail here; exports and backups are out of reach.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from synckairos.adapters.postgres.trail.operator_actions import RECORD, values_of
from synckairos.application.trail.audit import OperatorAction

if TYPE_CHECKING:
    from asyncpg import Connection

ERASED: Final = "erased"
"""The actor of an event whose actor was erased."""

_SESSIONS: Final = """
SELECT session_id, deleted_at IS NULL AND final_status IN ('pending', 'running', 'paused')
FROM sync_sessions
WHERE session_id IN (SELECT session_id FROM sync_participants WHERE participant_id = $1::uuid)
ORDER BY session_id
FOR UPDATE
"""
_TABLES: Final = r"""
SELECT c.oid::regclass::text
FROM pg_class AS c
WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema())) AND (
    c.relname = 'sync_events' OR (c.relkind = 'r' AND c.relname ~ '^sync_events_\d{4}_\d{2}_detached(_\d+)?$')
)
"""
_IS_IN: Final = "state_snapshot -> 'participants' @> jsonb_build_array(jsonb_build_object('participant_id', $1::text))"
_WITHOUT_METADATA: Final = """
state_snapshot = jsonb_set(state_snapshot, '{{participants}}', (
    SELECT jsonb_agg(
        CASE WHEN one ->> 'participant_id' = $1::text THEN one - 'metadata_base64' ELSE one END ORDER BY place
    )
    FROM jsonb_array_elements(state_snapshot -> 'participants') WITH ORDINALITY AS listed (one, place)
))
"""
_SNAPSHOTS: Final = f"UPDATE {{}} SET {_WITHOUT_METADATA} WHERE {_IS_IN}"  # noqa: S608 - our own conditions
_EVENTS: Final = """
UPDATE {} SET actor = CASE WHEN cause = 'call' OR actor = ANY ($2::text[]) THEN $3 ELSE actor END,
    reason = '', peer = '', request_id = '', call_id = ''
WHERE participant_id = $1::uuid OR actor = ANY ($2::text[])
"""
_OLD_EVENTS: Final = _EVENTS.replace(", call_id = ''", "")
"""Of a month that was detached before the events had that column."""
_PARTICIPANTS: Final = "UPDATE sync_participants SET metadata = '{}' WHERE participant_id = $1::uuid"
_DISCARDS: Final = """
UPDATE sync_operator_actions SET details = details - 'fields'
WHERE action = 'discard' AND details ->> 'session_id' = ANY ($1::text[])
"""


class Erasure(NamedTuple):
    """How many rows were changed, or why none was: the sessions that have not ended."""

    snapshots: int
    events: int
    unfinished: list[str]


async def erase_participant(
    connection: "Connection", participant_id: str, actors: Sequence[str], action: OperatorAction
) -> Erasure:
    """Erase a participant, and the given actors wherever they acted, in one transaction together with its record.

    Changes nothing while a session of the participant has not ended: its next event would bring everything back.
    """
    async with connection.transaction():
        sessions = await connection.fetch(_SESSIONS, participant_id)
        unfinished = [str(session_id) for session_id, is_unfinished in sessions if is_unfinished]
        if unfinished:
            return Erasure(0, 0, unfinished)
        snapshots = _count(await connection.execute(_SNAPSHOTS.format("sync_sessions"), participant_id))
        events = 0
        for (table,) in await connection.fetch(_TABLES):
            snapshots += _count(await connection.execute(_SNAPSHOTS.format(table), participant_id))
            has_call_id = await connection.fetchval(
                "SELECT 1 FROM pg_attribute WHERE attrelid = $1::text::regclass AND attname = 'call_id'", table
            )
            sql = (_EVENTS if has_call_id else _OLD_EVENTS).format(table)
            events += _count(await connection.execute(sql, participant_id, list(actors), ERASED))
        await connection.execute(_PARTICIPANTS, participant_id)
        await connection.execute(_DISCARDS, [str(session_id) for session_id, _ in sessions])
        found = {"sessions": len(sessions), "snapshots": snapshots, "events": events}
        await connection.execute(RECORD.sql, *values_of(action._replace(details={**action.details, **found})))
        return Erasure(snapshots, events, [])


def _count(status: str) -> int:
    """Return the number of rows in what the server says it has done, as in `UPDATE 7`."""
    return int(status.rsplit(" ", 1)[-1])
