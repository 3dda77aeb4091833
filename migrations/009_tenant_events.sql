-- Events go by their tenant, too. It stands behind the ids: they tell nearly all rows apart, and comparing them is cheaper.

-- migrate:up

ALTER TABLE sync_events VALIDATE CONSTRAINT sync_events_tenant;

-- Writers of the trail wait from here on, readers from the next statement on, until the indexes are built; the service
-- does not: events stay in the outbox.
CREATE INDEX idx_sync_events_participant_tenant ON sync_events (participant_id, tenant, "timestamp", id)
    WHERE participant_id IS NOT NULL;

DROP INDEX idx_sync_events_participant_time;

ALTER INDEX idx_sync_events_participant_tenant RENAME TO idx_sync_events_participant_time;

ALTER TABLE sync_events
    DROP CONSTRAINT sync_events_identity,
    ADD CONSTRAINT sync_events_identity PRIMARY KEY (session_id, tenant, epoch, version, id, "timestamp");

-- migrate:down

-- No data are lost.
ALTER TABLE sync_events
    DROP CONSTRAINT sync_events_identity,
    ADD CONSTRAINT sync_events_identity PRIMARY KEY (session_id, epoch, version, id, "timestamp");

DROP INDEX idx_sync_events_participant_time;

CREATE INDEX idx_sync_events_participant_time ON sync_events (participant_id, "timestamp", id)
    WHERE participant_id IS NOT NULL;
