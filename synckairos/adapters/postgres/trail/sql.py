"""The statements that write the audit trail.

Rows come as one array a column: the text of a statement is the same for every batch, however many rows it has.
Instants arrive in ms and become seconds as floats, which PostgreSQL rounds to microseconds.
"""

from typing import Final

from synckairos.adapters.postgres.database import Statement

_SESSION_FACTS: Final = """\
        sync_mode, total_time_ms, time_per_cycle_ms, increment_ms, max_time_ms,
        created_at, started_at, completed_at, deleted_at,
        final_status, total_cycles, total_participants, epoch, version, change_id,
        state_snapshot, labels, metadata, last_updated_at
"""
_SESSION_VALUES: Final = """\
        b.sync_mode::sync_mode, b.total_time_ms, b.time_per_cycle_ms, b.increment_ms, b.max_time_ms,
        to_timestamp(b.created_ms / 1000.0::float8), to_timestamp(b.started_ms / 1000.0::float8),
        to_timestamp(b.completed_ms / 1000.0::float8), to_timestamp(b.deleted_ms / 1000.0::float8),
        b.final_status::sync_status, b.total_cycles, b.total_participants, b.epoch, b.version, b.change_id,
        b.state_snapshot::jsonb, b.labels::jsonb, b.metadata::jsonb, to_timestamp(b.updated_ms / 1000.0::float8)
"""
_SESSION_ROWS: Final = """\
    FROM unnest(
        $1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
        $12::text[], $13::bigint[], $14::integer[], $15::bigint[], $16::bigint[], $17::uuid[],
        $18::text[], $19::text[], $20::text[], $21::bigint[]
    ) AS b (
        tenant, session_id, sync_mode, total_time_ms, time_per_cycle_ms, increment_ms, max_time_ms,
        created_ms, started_ms, completed_ms, deleted_ms,
        final_status, total_cycles, total_participants, epoch, version, change_id,
        state_snapshot, labels, metadata, updated_ms
    )
"""

LOCK_SESSIONS: Final = Statement(
    "audit: lock sessions",
    """
    SELECT
        s.tenant, s.session_id::text,
        s.epoch, s.version, round(extract(epoch FROM s.last_updated_at) * 1000)::bigint, s.change_id::text
    FROM sync_sessions AS s
    JOIN unnest($1::text[], $2::uuid[]) AS b (tenant, session_id) USING (tenant, session_id)
    ORDER BY s.tenant, s.session_id
    FOR NO KEY UPDATE OF s
    """,
)

ADD_SESSIONS: Final = Statement(
    "audit: add sessions",
    f"""
    INSERT INTO sync_sessions (tenant, session_id,
{_SESSION_FACTS}    )
    SELECT b.tenant, b.session_id,
{_SESSION_VALUES}{_SESSION_ROWS}    ORDER BY b.tenant COLLATE "C", b.session_id
    ON CONFLICT (tenant, session_id) DO NOTHING
    RETURNING 1
    """,
)

UPDATE_SESSIONS: Final = Statement(
    "audit: move sessions",
    f"""
    UPDATE sync_sessions AS s SET recorded_at = now(), (
{_SESSION_FACTS}    ) = ROW (
{_SESSION_VALUES}    )
{_SESSION_ROWS}    WHERE s.tenant = b.tenant AND s.session_id = b.session_id
    """,  # noqa: S608 - our own columns
)

ADD_EVENTS: Final = Statement(
    "audit: add events",
    """
    INSERT INTO sync_events (
        id, tenant, session_id, epoch, version, event_type, cause, actor, reason, request_id, peer,
        participant_id, group_id, time_remaining_ms, time_elapsed_ms, cycle_number,
        "timestamp", due_at, fired_at, lateness_ms, changed_fields, state_snapshot, call_id, on_behalf_of, metadata
    )
    SELECT
        b.id, b.tenant, b.session_id, b.epoch, b.version,
        b.event_type, b.cause, b.actor, b.reason, b.request_id, b.peer,
        b.participant_id, b.group_id, b.time_remaining_ms, b.time_elapsed_ms, b.cycle_number,
        to_timestamp(b.at_ms / 1000.0::float8),
        CASE WHEN b.fired_ms IS NOT NULL THEN to_timestamp(b.at_ms / 1000.0::float8) END,
        to_timestamp(b.fired_ms / 1000.0::float8), b.fired_ms - b.at_ms,
        string_to_array(b.changed, ','), b.state_snapshot::jsonb, b.call_id, b.on_behalf_of, b.metadata::jsonb
    FROM unnest(
        $1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::uuid[], $13::uuid[], $14::bigint[], $15::bigint[], $16::bigint[],
        $17::bigint[], $18::bigint[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[]
    ) AS b (
        id, tenant, session_id, epoch, version, event_type, cause, actor, reason,
        request_id, peer, participant_id, group_id, time_remaining_ms, time_elapsed_ms, cycle_number,
        at_ms, fired_ms, changed, state_snapshot, call_id, on_behalf_of, metadata
    )
    ON CONFLICT DO NOTHING
    RETURNING tenant, session_id::text, epoch, version
    """,
)

FLAG_FORKS: Final = Statement(
    "audit: flag forks",
    """
    WITH forks AS (
        SELECT e.tenant, e.session_id, e.epoch, e.version
        FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[]) AS b (tenant, session_id, epoch, version)
        JOIN sync_events AS e USING (tenant, session_id, epoch, version)
        GROUP BY e.tenant, e.session_id, e.epoch, e.version
        HAVING count(*) > 1
    ),
    flagged AS (
        UPDATE sync_events AS e SET is_fork = true
        FROM forks AS f
        WHERE (e.tenant, e.session_id, e.epoch, e.version) = (f.tenant, f.session_id, f.epoch, f.version)
            AND NOT e.is_fork
    )
    SELECT tenant, session_id::text, epoch, version FROM forks
    """,
)

PUT_PARTICIPANTS: Final = Statement(
    "audit: put participants",
    # What a version says goes forward with the version, a removal by its own; first and last just widen. A removal
    # counts while no later version has the participant.
    """
    INSERT INTO sync_participants AS p (
        tenant, session_id, participant_id, total_time_ms, group_id, total_cycles, total_time_active_ms,
        added_at, removed_at, first_active_at, last_active_at,
        epoch, version, change_id, last_updated_at, removed_epoch, removed_version, metadata
    )
    SELECT
        b.tenant, b.session_id, b.participant_id, b.total_time_ms, b.group_id, b.total_cycles, b.total_time_active_ms,
        to_timestamp(b.added_ms / 1000.0::float8), to_timestamp(b.removed_ms / 1000.0::float8),
        to_timestamp(b.first_ms / 1000.0::float8), to_timestamp(b.last_ms / 1000.0::float8),
        b.epoch, b.version, b.change_id, to_timestamp(b.updated_ms / 1000.0::float8),
        b.removed_epoch, b.removed_version, b.metadata::jsonb
    FROM unnest(
        $1::text[], $2::uuid[], $3::uuid[], $4::bigint[], $5::uuid[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
        $12::bigint[], $13::bigint[], $14::uuid[], $15::bigint[], $16::bigint[], $17::bigint[], $18::text[]
    ) AS b (
        tenant, session_id, participant_id, total_time_ms, group_id, total_cycles, total_time_active_ms,
        added_ms, removed_ms, first_ms, last_ms,
        epoch, version, change_id, updated_ms, removed_epoch, removed_version, metadata
    )
    ON CONFLICT ON CONSTRAINT unique_session_participant DO UPDATE SET
        (epoch, version, last_updated_at, change_id,
         total_time_ms, group_id, total_cycles, total_time_active_ms, metadata) = (
            SELECT later.*
            FROM (
                VALUES
                    (p.epoch, p.version, p.last_updated_at, p.change_id,
                     p.total_time_ms, p.group_id, p.total_cycles, p.total_time_active_ms, p.metadata),
                    (excluded.epoch, excluded.version, excluded.last_updated_at, excluded.change_id,
                     excluded.total_time_ms, excluded.group_id, excluded.total_cycles,
                     excluded.total_time_active_ms, excluded.metadata)
            ) AS later (epoch, version, at, change_id, a, b, c, d, e)
            ORDER BY later.epoch DESC, later.version DESC, later.at DESC NULLS LAST, later.change_id DESC NULLS LAST
            LIMIT 1
        ),
        (removed_epoch, removed_version, removed_at) = (
            SELECT
                later.epoch,
                later.version,
                CASE
                    WHEN (later.epoch, later.version) >= (p.epoch, p.version)
                        AND (later.epoch, later.version) >= (excluded.epoch, excluded.version)
                    THEN later.at
                END
            FROM (
                VALUES
                    (p.removed_epoch, p.removed_version, p.removed_at),
                    (excluded.removed_epoch, excluded.removed_version, excluded.removed_at)
            ) AS later (epoch, version, at)
            ORDER BY later.epoch DESC, later.version DESC, later.at DESC NULLS LAST
            LIMIT 1
        ),
        added_at = least(p.added_at, excluded.added_at),
        first_active_at = least(p.first_active_at, excluded.first_active_at),
        last_active_at = greatest(p.last_active_at, excluded.last_active_at)
    """,
)
