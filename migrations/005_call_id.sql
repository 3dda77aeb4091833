-- Which call an event comes from, as the caller's own logs name it.

-- migrate:up

-- A constant default: no row is rewritten.
ALTER TABLE sync_events ADD COLUMN call_id TEXT NOT NULL DEFAULT '';

COMMENT ON COLUMN sync_events.call_id IS 'The x-request-id that the caller sent with the call; empty if it sent none.';

-- migrate:down

-- Drops the ids of the calls; the events stay.
ALTER TABLE sync_events DROP COLUMN call_id;
