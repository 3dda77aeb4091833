"""Takes one person's data out of a tenant's trail: what a participant's metadata say, who acted on it, and from where.

The events stay, and so do the participant's id and times: without them the rest of the session would tell something
else than what happened. Detached months are part of the trail here; exports and backups are out of reach.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from synckairos.adapters.postgres.trail.operator_actions import RECORD, values_of
from synckairos.application.trail.audit import OperatorAction
from synckairos.domain.tenancy import DEFAULT_TENANT, qualify

if TYPE_CHECKING:
    from asyncpg import Connection

ERASED: Final = "erased"
"""The actor of an event whose actor was erased."""

_SESSIONS: Final = """
SELECT session_id, deleted_at IS NULL AND final_status IN ('pending', 'running', 'paused')
FROM sync_sessions
WHERE tenant = $2 AND session_id IN (
    SELECT session_id FROM sync_participants WHERE tenant = $2 AND participant_id = $1::uuid
)
ORDER BY session_id
FOR UPDATE
"""
_TABLES: Final = r"""
SELECT c.oid::regclass::text, ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0)
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
_SNAPSHOTS: Final = f"UPDATE {{table}} SET {_WITHOUT_METADATA} WHERE {{tenant}} = $2 AND {_IS_IN}"  # noqa: S608 - our own
_EVENTS: Final = """
UPDATE {table} SET reason = '', peer = '', request_id = ''{emptied},
    actor = CASE
        WHEN actor = ANY ($2::text[]) OR (cause = 'call' AND participant_id = $1::uuid) THEN $3 ELSE actor
    END
WHERE {tenant} = $4 AND (participant_id = $1::uuid OR ARRAY[actor{more}] && $2::text[])
"""
_PARTICIPANTS: Final = "UPDATE sync_participants SET metadata = '{}' WHERE participant_id = $1::uuid AND tenant = $2"
_DISCARDS: Final = """
UPDATE sync_operator_actions SET details = details - 'fields'
WHERE action = 'discard' AND tenant = $2 AND details ->> 'session_id' = ANY ($1::text[])
"""


class Erasure(NamedTuple):
    """How many rows were changed, or why none was: the sessions that have not ended."""

    snapshots: int
    events: int
    unfinished: list[str]


async def erase_participant(
    connection: "Connection", participant_id: str, actors: Sequence[str], action: OperatorAction
) -> Erasure:
    """Erase a participant of the action's tenant, and the given actors wherever they acted there, with its record.

    All of that is one transaction. Changes nothing while a session of the participant has not ended: its next event
    would bring everything back.
    """
    tenant = action.tenant
    async with connection.transaction():
        sessions = await connection.fetch(_SESSIONS, participant_id, tenant)
        unfinished = [qualify(tenant, str(session_id)) for session_id, is_unfinished in sessions if is_unfinished]
        if unfinished:
            return Erasure(0, 0, unfinished)
        sql = _SNAPSHOTS.format(table="sync_sessions", tenant="tenant")
        snapshots = _count(await connection.execute(sql, participant_id, tenant))
        events = 0
        for table, names in await connection.fetch(_TABLES):
            in_snapshots, in_events = _statements(table, names)
            snapshots += _count(await connection.execute(in_snapshots, participant_id, tenant))
            events += _count(await connection.execute(in_events, participant_id, list(actors), ERASED, tenant))
        await connection.execute(_PARTICIPANTS, participant_id, tenant)
        await connection.execute(_DISCARDS, [str(session_id) for session_id, _ in sessions], tenant)
        found = {"sessions": len(sessions), "snapshots": snapshots, "events": events}
        await connection.execute(RECORD.sql, *values_of(action._replace(details={**action.details, **found})))
        return Erasure(snapshots, events, [])


def _statements(table: str, names: Sequence[str]) -> tuple[str, str]:
    """Return what erases from a table of events, which may have been detached before it had all columns of today."""
    tenant = "tenant" if "tenant" in names else f"'{DEFAULT_TENANT}'"
    emptied = "".join(f", {name} = ''" for name in ("call_id", "on_behalf_of") if name in names)
    more = ", on_behalf_of" if "on_behalf_of" in names else ""
    in_events = _EVENTS.format(table=table, tenant=tenant, emptied=emptied, more=more)
    return _SNAPSHOTS.format(table=table, tenant=tenant), in_events


def _count(status: str) -> int:
    """Return the number of rows in what the server says it has done, as in `UPDATE 7`."""
    return int(status.rsplit(" ", 1)[-1])
