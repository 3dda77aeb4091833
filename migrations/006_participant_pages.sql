-- A participant's events across sessions, page by page, in the order of the index.

-- migrate:up

-- Writers of the trail wait while it is built; the service does not: events stay in the outbox.
CREATE INDEX idx_sync_events_participant_time ON sync_events (participant_id, "timestamp", id)
    WHERE participant_id IS NOT NULL;

DROP INDEX idx_sync_events_participant;

-- migrate:down

CREATE INDEX idx_sync_events_participant ON sync_events (participant_id) WHERE participant_id IS NOT NULL;

DROP INDEX idx_sync_events_participant_time;
