-- The audit trail: what every session was, version by version, and what became of it.
--
-- Redis decides what is true; nothing in here is read on the way of a call that changes a session. Names are
-- unqualified: everything lies in the first schema of the search path. Durations are milliseconds in BIGINT, since an
-- INTEGER of them ends after 24.8 days. Nothing defaults to the database's own clock but `recorded_at`: when something
-- happened is for the writer to say.

-- migrate:up

CREATE TYPE sync_mode AS ENUM ('per_participant', 'per_cycle', 'per_group', 'global', 'count_up');
CREATE TYPE sync_status AS ENUM ('pending', 'running', 'paused', 'expired', 'completed', 'cancelled');

CREATE TABLE sync_sessions (
    session_id         UUID PRIMARY KEY,
    sync_mode          sync_mode NOT NULL,
    total_time_ms      BIGINT,
    time_per_cycle_ms  BIGINT,
    increment_ms       BIGINT NOT NULL DEFAULT 0,
    max_time_ms        BIGINT,
    created_at         TIMESTAMPTZ NOT NULL,
    started_at         TIMESTAMPTZ,
    completed_at       TIMESTAMPTZ,
    deleted_at         TIMESTAMPTZ,
    final_status       sync_status NOT NULL,
    total_cycles       BIGINT NOT NULL DEFAULT 0,
    total_participants INTEGER NOT NULL DEFAULT 0,
    epoch              BIGINT NOT NULL,
    version            BIGINT NOT NULL,
    change_id          UUID NOT NULL,
    state_snapshot     JSONB NOT NULL,
    labels             JSONB NOT NULL DEFAULT '{}',
    metadata           JSONB NOT NULL DEFAULT '{}',
    last_updated_at    TIMESTAMPTZ NOT NULL,
    recorded_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT sync_sessions_durations CHECK (
        total_time_ms >= 0 AND time_per_cycle_ms >= 0 AND increment_ms >= 0 AND max_time_ms >= 0
    ),
    CONSTRAINT sync_sessions_totals CHECK (total_cycles >= 0 AND total_participants >= 0),
    CONSTRAINT sync_sessions_position CHECK (epoch >= 0 AND version >= 1),
    CONSTRAINT sync_sessions_snapshot CHECK (jsonb_typeof(state_snapshot) = 'object'),
    CONSTRAINT sync_sessions_labels CHECK (jsonb_typeof(labels) = 'object'),
    CONSTRAINT sync_sessions_metadata CHECK (jsonb_typeof(metadata) = 'object')
) WITH (fillfactor = 70); -- a row is rewritten with every batch its session is in: room for it on the same page

COMMENT ON TABLE sync_sessions IS 'Audit trail: one row a session, as its latest version left it. Redis is the truth.';
COMMENT ON COLUMN sync_sessions.session_id IS 'The session.';
COMMENT ON COLUMN sync_sessions.sync_mode IS 'Whose clock runs.';
COMMENT ON COLUMN sync_sessions.total_time_ms IS 'Budget of the whole session, in ms; NULL if the mode has none.';
COMMENT ON COLUMN sync_sessions.time_per_cycle_ms IS 'Budget of every cycle, in ms; NULL if the mode has none.';
COMMENT ON COLUMN sync_sessions.increment_ms IS 'Granted after a completed turn, in ms.';
COMMENT ON COLUMN sync_sessions.max_time_ms IS 'Cap of grants, or the limit of a clock that counts up, in ms; NULL for none.';
COMMENT ON COLUMN sync_sessions.created_at IS 'When the session was created.';
COMMENT ON COLUMN sync_sessions.started_at IS 'When it was started; NULL if it was not.';
COMMENT ON COLUMN sync_sessions.completed_at IS 'When it ended, in whichever way; NULL if it has not.';
COMMENT ON COLUMN sync_sessions.deleted_at IS 'When it was deleted; the row stays. NULL if it was not.';
COMMENT ON COLUMN sync_sessions.final_status IS 'Its status after the latest version; final once completed_at is set.';
COMMENT ON COLUMN sync_sessions.total_cycles IS 'Cycles begun: the cycle number of the latest version.';
COMMENT ON COLUMN sync_sessions.total_participants IS 'Participants in the latest version; those removed are not counted.';
COMMENT ON COLUMN sync_sessions.epoch IS 'Which life of the session: the instant of its creation or recovery, in microseconds since 1970.';
COMMENT ON COLUMN sync_sessions.version IS 'Latest version of the latest epoch. The row only moves forward by (epoch, version).';
COMMENT ON COLUMN sync_sessions.change_id IS 'The change that made this version; of forks the later one, then the greater id.';
COMMENT ON COLUMN sync_sessions.state_snapshot IS 'All facts of the latest version, without loss: what recovery reads.';
COMMENT ON COLUMN sync_sessions.labels IS 'The session''s labels, as an object.';
COMMENT ON COLUMN sync_sessions.metadata IS 'The session''s metadata, to be read and searched; the exact bytes are in state_snapshot.';
COMMENT ON COLUMN sync_sessions.last_updated_at IS 'When the latest version took effect.';
COMMENT ON COLUMN sync_sessions.recorded_at IS 'When the latest version was written here.';

-- No foreign key from events to sessions, on purpose: events arrive in any order and outlive a session's row, a
-- partition of them is detached as a whole, and a look-up for every row would be paid by the busiest insert there is.
CREATE TABLE sync_events (
    id                UUID NOT NULL,
    session_id        UUID NOT NULL,
    epoch             BIGINT NOT NULL,
    version           BIGINT NOT NULL,
    event_type        VARCHAR(50) NOT NULL,
    cause             VARCHAR(50) NOT NULL,
    actor             TEXT NOT NULL,
    reason            TEXT NOT NULL DEFAULT '',
    request_id        TEXT NOT NULL DEFAULT '',
    peer              TEXT NOT NULL DEFAULT '',
    participant_id    UUID,
    group_id          UUID,
    time_remaining_ms BIGINT,
    time_elapsed_ms   BIGINT NOT NULL,
    cycle_number      BIGINT NOT NULL,
    "timestamp"       TIMESTAMPTZ NOT NULL,
    due_at            TIMESTAMPTZ,
    fired_at          TIMESTAMPTZ,
    lateness_ms       BIGINT,
    changed_fields    TEXT[] NOT NULL DEFAULT '{}',
    is_fork           BOOLEAN NOT NULL DEFAULT false,
    state_snapshot    JSONB NOT NULL,
    metadata          JSONB NOT NULL DEFAULT '{}',
    recorded_at       TIMESTAMPTZ NOT NULL DEFAULT now(),
    change_id         UUID GENERATED ALWAYS AS (id) STORED,
    -- The instant belongs to the key only because a partitioned table asks for it: a change has exactly one.
    CONSTRAINT sync_events_identity PRIMARY KEY (session_id, epoch, version, id, "timestamp"),
    CONSTRAINT sync_events_position CHECK (epoch >= 0 AND version >= 1),
    CONSTRAINT sync_events_what CHECK (event_type <> '' AND cause <> ''),
    CONSTRAINT sync_events_clock CHECK (time_remaining_ms >= 0 AND time_elapsed_ms >= 0 AND cycle_number >= 0),
    CONSTRAINT sync_events_due CHECK (num_nulls(due_at, fired_at, lateness_ms) IN (0, 3)),
    CONSTRAINT sync_events_snapshot CHECK (jsonb_typeof(state_snapshot) = 'object'),
    CONSTRAINT sync_events_metadata CHECK (jsonb_typeof(metadata) = 'object')
) PARTITION BY RANGE ("timestamp");

-- Takes whatever no partition of its own was made for: a missing partition never refuses an event.
CREATE TABLE sync_events_default PARTITION OF sync_events DEFAULT;

COMMENT ON TABLE sync_events IS 'Audit trail: one row a version of a session: what happened, who did it, and the session after it. Partitioned by time. No foreign key: events come in any order and outlive the row of their session.';
COMMENT ON TABLE sync_events_default IS 'Events that no partition was made for in advance.';
COMMENT ON COLUMN sync_events.id IS 'The change id. With session, epoch and version it identifies the event, however often it is written.';
COMMENT ON COLUMN sync_events.session_id IS 'The session; its row may be written later, or be gone.';
COMMENT ON COLUMN sync_events.epoch IS 'Which life of the session: the instant of its creation or recovery, in microseconds since 1970.';
COMMENT ON COLUMN sync_events.version IS 'The version this event led to: 1 at the creation, then one more each.';
COMMENT ON COLUMN sync_events.event_type IS 'What happened: session_created, session_started, cycle_switched, session_paused, session_completed, ...';
COMMENT ON COLUMN sync_events.cause IS 'Why: call, deadline, idle, max_age, recovery.';
COMMENT ON COLUMN sync_events.actor IS 'Who did it, as the caller said; system for what fell due.';
COMMENT ON COLUMN sync_events.reason IS 'The reason that was given; empty if none was.';
COMMENT ON COLUMN sync_events.request_id IS 'The request id of the call; empty if it had none.';
COMMENT ON COLUMN sync_events.peer IS 'Where the call came from; empty if it was none.';
COMMENT ON COLUMN sync_events.participant_id IS 'The participant it is about; NULL if it is about nobody.';
COMMENT ON COLUMN sync_events.group_id IS 'The group of that participant, or the group it is about; NULL if there is none.';
COMMENT ON COLUMN sync_events.time_remaining_ms IS 'What was left on the clock concerned, in ms; 0 is nothing left, NULL is a clock without a budget.';
COMMENT ON COLUMN sync_events.time_elapsed_ms IS 'What had run of the cycle (or session, where that is what runs), in ms.';
COMMENT ON COLUMN sync_events.cycle_number IS 'The cycle the session was in after it; 0 before the start.';
COMMENT ON COLUMN sync_events."timestamp" IS 'When it took effect: for what fell due, the instant it was due.';
COMMENT ON COLUMN sync_events.due_at IS 'When it fell due; NULL for what a call did.';
COMMENT ON COLUMN sync_events.fired_at IS 'When a server acted on what had fallen due; NULL for what a call did.';
COMMENT ON COLUMN sync_events.lateness_ms IS 'From due_at to fired_at, in ms; NULL for what a call did.';
COMMENT ON COLUMN sync_events.changed_fields IS 'Names of the session''s fields that it changed.';
COMMENT ON COLUMN sync_events.is_fork IS 'Whether the trail holds another change of the same version: a store had lost its last moments.';
COMMENT ON COLUMN sync_events.state_snapshot IS 'All facts of the session right after it, without loss.';
COMMENT ON COLUMN sync_events.metadata IS 'Room for what has no column of its own.';
COMMENT ON COLUMN sync_events.recorded_at IS 'When it was written here.';
COMMENT ON COLUMN sync_events.change_id IS 'The same as id, under the name it has everywhere else.';

CREATE TABLE sync_participants (
    id                   UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    session_id           UUID NOT NULL REFERENCES sync_sessions (session_id) ON DELETE CASCADE,
    participant_id       UUID NOT NULL,
    total_time_ms        BIGINT,
    group_id             UUID,
    total_cycles         BIGINT NOT NULL DEFAULT 0,
    total_time_active_ms BIGINT NOT NULL DEFAULT 0,
    added_at             TIMESTAMPTZ NOT NULL,
    removed_at           TIMESTAMPTZ,
    first_active_at      TIMESTAMPTZ,
    last_active_at       TIMESTAMPTZ,
    epoch                BIGINT NOT NULL DEFAULT 0,
    version              BIGINT NOT NULL DEFAULT 0,
    change_id            UUID,
    last_updated_at      TIMESTAMPTZ,
    removed_epoch        BIGINT NOT NULL DEFAULT 0,
    removed_version      BIGINT NOT NULL DEFAULT 0,
    metadata             JSONB NOT NULL DEFAULT '{}',
    CONSTRAINT unique_session_participant UNIQUE (session_id, participant_id),
    CONSTRAINT sync_participants_statistics CHECK (
        total_time_ms >= 0 AND total_cycles >= 0 AND total_time_active_ms >= 0
    ),
    CONSTRAINT sync_participants_position CHECK (
        epoch >= 0 AND version >= 0 AND removed_epoch >= 0 AND removed_version >= 0
    ),
    CONSTRAINT sync_participants_metadata CHECK (jsonb_typeof(metadata) = 'object')
) WITH (fillfactor = 70); -- rewritten as often as the session's row

COMMENT ON TABLE sync_participants IS 'Audit trail: one row a participant of a session, also after it was removed.';
COMMENT ON COLUMN sync_participants.id IS 'Of this row; nothing refers to it.';
COMMENT ON COLUMN sync_participants.session_id IS 'The session.';
COMMENT ON COLUMN sync_participants.participant_id IS 'The participant.';
COMMENT ON COLUMN sync_participants.total_time_ms IS 'The budget it got, in ms; NULL where participants hold none.';
COMMENT ON COLUMN sync_participants.group_id IS 'Its group; NULL for none.';
COMMENT ON COLUMN sync_participants.total_cycles IS 'Turns it completed, as of (epoch, version).';
COMMENT ON COLUMN sync_participants.total_time_active_ms IS 'Time of its turns, overtime included, in ms, as of (epoch, version); a turn counts once it is charged.';
COMMENT ON COLUMN sync_participants.added_at IS 'When it joined.';
COMMENT ON COLUMN sync_participants.removed_at IS 'When it was removed; NULL if it was not, or has come back.';
COMMENT ON COLUMN sync_participants.first_active_at IS 'When its first turn began; NULL if it had none.';
COMMENT ON COLUMN sync_participants.last_active_at IS 'The last instant known at which it had the turn; NULL if it had none.';
COMMENT ON COLUMN sync_participants.epoch IS 'Epoch of the version the statistics are of; 0 if only the removal is known.';
COMMENT ON COLUMN sync_participants.version IS 'The version the statistics are of: the latest one with this participant in it.';
COMMENT ON COLUMN sync_participants.change_id IS 'The change that made that version; NULL if only the removal is known.';
COMMENT ON COLUMN sync_participants.last_updated_at IS 'When that version took effect; NULL if only the removal is known.';
COMMENT ON COLUMN sync_participants.removed_epoch IS 'Epoch of the latest removal; 0 for none.';
COMMENT ON COLUMN sync_participants.removed_version IS 'Version of the latest removal; 0 for none.';
COMMENT ON COLUMN sync_participants.metadata IS 'The participant''s metadata, to be read and searched; the exact bytes are in the snapshots.';

-- migrate:down

-- Drops the audit trail: the three tables with all their rows, partitions attached to sync_events included. Detached
-- partitions stay.
DROP TABLE sync_participants;
DROP TABLE sync_sessions;
DROP TABLE sync_events;
DROP TYPE sync_status;
DROP TYPE sync_mode;
