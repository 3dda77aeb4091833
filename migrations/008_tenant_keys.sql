-- Sessions and participants go by their tenant and their id.

-- migrate:up

-- Readers and writers of the trail wait while the indexes are built; the service does not: events stay in the outbox.
-- Workers of the version before write nothing any more: replace them now.
ALTER TABLE sync_operator_actions VALIDATE CONSTRAINT sync_operator_actions_tenant;
ALTER TABLE sync_sessions VALIDATE CONSTRAINT sync_sessions_tenant;
ALTER TABLE sync_participants VALIDATE CONSTRAINT sync_participants_tenant;

ALTER TABLE sync_participants
    DROP CONSTRAINT sync_participants_session_id_fkey,
    DROP CONSTRAINT unique_session_participant;
ALTER TABLE sync_sessions
    DROP CONSTRAINT sync_sessions_pkey,
    ADD CONSTRAINT sync_sessions_pkey PRIMARY KEY (tenant, session_id);
ALTER TABLE sync_participants
    ADD CONSTRAINT unique_session_participant UNIQUE (tenant, session_id, participant_id),
    ADD CONSTRAINT sync_participants_session_id_fkey FOREIGN KEY (tenant, session_id)
        REFERENCES sync_sessions (tenant, session_id) ON DELETE CASCADE;

DROP INDEX idx_sync_sessions_created;
DROP INDEX idx_sync_sessions_status;
DROP INDEX idx_sync_sessions_mode;
DROP INDEX idx_sync_sessions_unfinished;

-- Lists a tenant's sessions newest first, page by page.
CREATE INDEX idx_sync_sessions_created ON sync_sessions (tenant, created_at DESC, session_id DESC);
-- The same for one status or one mode. Not one index with the status in it: PostgreSQL compares enums only after it has
-- applied a policy to the row, so that with row security no index would be searched for them. A row is in one of each.
CREATE INDEX idx_sync_sessions_status ON sync_sessions (tenant, created_at DESC, session_id DESC)
    WHERE final_status IN ('pending', 'running', 'paused');
CREATE INDEX idx_sync_sessions_expired ON sync_sessions (tenant, created_at DESC, session_id DESC)
    WHERE final_status = 'expired';
CREATE INDEX idx_sync_sessions_completed ON sync_sessions (tenant, created_at DESC, session_id DESC)
    WHERE final_status = 'completed';
CREATE INDEX idx_sync_sessions_cancelled ON sync_sessions (tenant, created_at DESC, session_id DESC)
    WHERE final_status = 'cancelled';
CREATE INDEX idx_sync_sessions_mode ON sync_sessions (tenant, created_at DESC, session_id DESC)
    WHERE sync_mode = 'per_participant';
CREATE INDEX idx_sync_sessions_per_cycle ON sync_sessions (tenant, created_at DESC, session_id DESC)
    WHERE sync_mode = 'per_cycle';
CREATE INDEX idx_sync_sessions_per_group ON sync_sessions (tenant, created_at DESC, session_id DESC)
    WHERE sync_mode = 'per_group';
CREATE INDEX idx_sync_sessions_global ON sync_sessions (tenant, created_at DESC, session_id DESC)
    WHERE sync_mode = 'global';
CREATE INDEX idx_sync_sessions_count_up ON sync_sessions (tenant, created_at DESC, session_id DESC)
    WHERE sync_mode = 'count_up';
-- Walks through what recovery has to bring back, of all tenants; most sessions have ended and are not in it.
CREATE INDEX idx_sync_sessions_unfinished ON sync_sessions (tenant, session_id)
    WHERE deleted_at IS NULL AND final_status IN ('pending', 'running', 'paused');

-- migrate:down

-- No data are lost. It cannot be gone while two tenants use one session id.
DROP INDEX idx_sync_sessions_unfinished;
DROP INDEX idx_sync_sessions_count_up;
DROP INDEX idx_sync_sessions_global;
DROP INDEX idx_sync_sessions_per_group;
DROP INDEX idx_sync_sessions_per_cycle;
DROP INDEX idx_sync_sessions_mode;
DROP INDEX idx_sync_sessions_cancelled;
DROP INDEX idx_sync_sessions_completed;
DROP INDEX idx_sync_sessions_expired;
DROP INDEX idx_sync_sessions_status;
DROP INDEX idx_sync_sessions_created;

CREATE INDEX idx_sync_sessions_created ON sync_sessions (created_at DESC, session_id DESC);
CREATE INDEX idx_sync_sessions_status ON sync_sessions (final_status, created_at DESC, session_id DESC);
CREATE INDEX idx_sync_sessions_mode ON sync_sessions (sync_mode, created_at DESC, session_id DESC);
CREATE INDEX idx_sync_sessions_unfinished ON sync_sessions (session_id)
    WHERE deleted_at IS NULL AND final_status IN ('pending', 'running', 'paused');

ALTER TABLE sync_participants
    DROP CONSTRAINT sync_participants_session_id_fkey,
    DROP CONSTRAINT unique_session_participant;
ALTER TABLE sync_sessions
    DROP CONSTRAINT sync_sessions_pkey,
    ADD CONSTRAINT sync_sessions_pkey PRIMARY KEY (session_id);
ALTER TABLE sync_participants
    ADD CONSTRAINT unique_session_participant UNIQUE (session_id, participant_id),
    ADD CONSTRAINT sync_participants_session_id_fkey FOREIGN KEY (session_id)
        REFERENCES sync_sessions (session_id) ON DELETE CASCADE;
