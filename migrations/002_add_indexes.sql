-- Indexes of the audit trail. The events of a session in their order are read by the primary key of sync_events; those
-- of a partitioned table are made in every partition, also in those that come later.

-- migrate:up

-- Lists sessions newest first, page by page.
CREATE INDEX idx_sync_sessions_created ON sync_sessions (created_at DESC, session_id DESC);
-- The same for one status, such as the few that are paused.
CREATE INDEX idx_sync_sessions_status ON sync_sessions (final_status, created_at DESC, session_id DESC);
-- The same for one mode.
CREATE INDEX idx_sync_sessions_mode ON sync_sessions (sync_mode, created_at DESC, session_id DESC);
-- Walks through what recovery has to bring back; most sessions have ended and are not in it.
CREATE INDEX idx_sync_sessions_unfinished ON sync_sessions (session_id)
    WHERE deleted_at IS NULL AND final_status IN ('pending', 'running', 'paused');

-- A session's events in a span of time.
CREATE INDEX idx_sync_events_session ON sync_events (session_id, "timestamp" DESC);
-- Analysis by type of event.
CREATE INDEX idx_sync_events_type ON sync_events (event_type);
-- What happened lately, in all sessions.
CREATE INDEX idx_sync_events_timestamp ON sync_events ("timestamp" DESC);
-- What a participant did, in all sessions.
CREATE INDEX idx_sync_events_participant ON sync_events (participant_id) WHERE participant_id IS NOT NULL;
-- Forks are rare: finding them must not cost a look at everything else.
CREATE INDEX idx_sync_events_fork ON sync_events (session_id, epoch, version) WHERE is_fork;

-- A session's participants.
CREATE INDEX idx_sync_participants_session ON sync_participants (session_id);
-- The members of a group.
CREATE INDEX idx_sync_participants_group ON sync_participants (group_id) WHERE group_id IS NOT NULL;

-- migrate:down

-- No data are lost: what the indexes held is in the tables.
DROP INDEX idx_sync_participants_group;
DROP INDEX idx_sync_participants_session;
DROP INDEX idx_sync_events_fork;
DROP INDEX idx_sync_events_participant;
DROP INDEX idx_sync_events_timestamp;
DROP INDEX idx_sync_events_type;
DROP INDEX idx_sync_events_session;
DROP INDEX idx_sync_sessions_unfinished;
DROP INDEX idx_sync_sessions_mode;
DROP INDEX idx_sync_sessions_status;
DROP INDEX idx_sync_sessions_created;
