-- Tells listeners (`LISTEN sync_events`) that events have been written: one notification an INSERT statement, however
-- many rows it has. It is a hint to look, not a delivery; PostgreSQL sends it with the commit.
--
-- Commits that notify wait for one another, in the whole server. Where that hurts:
-- ALTER TABLE sync_events DISABLE TRIGGER sync_events_notify.

-- migrate:up

CREATE FUNCTION sync_events_notify() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- A queue nobody empties would one day make the commit itself fail, out of reach of the handler below.
    IF pg_notification_queue_usage() < 0.5 THEN
        -- A notification is at most 7 999 bytes: a hundred ids take less than 4 100.
        PERFORM pg_notify(
            'sync_events',
            json_build_object(
                'schema', TG_TABLE_SCHEMA,
                'events', written.events,
                'sessions', written.sessions,
                'first_at', written.first_at,
                'last_at', written.last_at,
                'session_ids', written.session_ids[1:100]
            )::text
        )
        FROM (
            SELECT
                sum(per_session.events) AS events,
                count(*) AS sessions,
                min(per_session.first_at) AS first_at,
                max(per_session.last_at) AS last_at,
                array_agg(per_session.session_id) AS session_ids
            FROM (
                SELECT session_id, count(*) AS events, min("timestamp") AS first_at, max("timestamp") AS last_at
                FROM new_events
                GROUP BY session_id
            ) AS per_session
        ) AS written
        WHERE written.events > 0;
    END IF;
    RETURN NULL;
EXCEPTION
    -- To be told about a write must never be the reason that it fails.
    WHEN OTHERS THEN
        RAISE WARNING 'sync_events: no notification: %', SQLERRM;
        RETURN NULL;
END;
$$;

COMMENT ON FUNCTION sync_events_notify() IS 'Notifies the channel sync_events of a statement''s new events; never fails the statement.';

CREATE TRIGGER sync_events_notify
    AFTER INSERT ON sync_events
    REFERENCING NEW TABLE AS new_events
    FOR EACH STATEMENT
    EXECUTE FUNCTION sync_events_notify();

-- migrate:down

-- No data are lost; listeners hear nothing any more.
DROP TRIGGER sync_events_notify ON sync_events;
DROP FUNCTION sync_events_notify();
