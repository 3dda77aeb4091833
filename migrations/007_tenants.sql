-- Whose each row is: a tenant's sessions, and what became of them, are nobody else's. What is here already is the tenant
-- default's. And on whose behalf an event's author acted.

-- migrate:up

-- Constant defaults: no row is rewritten. The checks are of the next rows only; the steps after this one look at the
-- others. They are not regular expressions: that cost a quarter of what it takes to insert an event.
ALTER TABLE sync_sessions
    ADD COLUMN tenant TEXT COLLATE "C" NOT NULL DEFAULT 'default',
    ADD CONSTRAINT sync_sessions_tenant CHECK (
        octet_length(tenant) BETWEEN 1 AND 64 AND translate(tenant, 'abcdefghijklmnopqrstuvwxyz0123456789_-', '') = ''
    ) NOT VALID;
ALTER TABLE sync_participants
    ADD COLUMN tenant TEXT COLLATE "C" NOT NULL DEFAULT 'default',
    ADD CONSTRAINT sync_participants_tenant CHECK (
        octet_length(tenant) BETWEEN 1 AND 64 AND translate(tenant, 'abcdefghijklmnopqrstuvwxyz0123456789_-', '') = ''
    ) NOT VALID;
ALTER TABLE sync_events
    ADD COLUMN tenant TEXT COLLATE "C" NOT NULL DEFAULT 'default',
    ADD COLUMN on_behalf_of TEXT NOT NULL DEFAULT '',
    ADD CONSTRAINT sync_events_tenant CHECK (
        octet_length(tenant) BETWEEN 1 AND 64 AND translate(tenant, 'abcdefghijklmnopqrstuvwxyz0123456789_-', '') = ''
    ) NOT VALID;
ALTER TABLE sync_operator_actions
    ADD COLUMN tenant TEXT COLLATE "C" NOT NULL DEFAULT 'default',
    ADD CONSTRAINT sync_operator_actions_tenant CHECK (
        octet_length(tenant) BETWEEN 1 AND 64 AND translate(tenant, 'abcdefghijklmnopqrstuvwxyz0123456789_-', '') = ''
    ) NOT VALID;

COMMENT ON COLUMN sync_sessions.tenant IS 'Whose session it is; two tenants may use one session id.';
COMMENT ON COLUMN sync_participants.tenant IS 'Whose session it is.';
COMMENT ON COLUMN sync_events.tenant IS 'Whose session it is.';
COMMENT ON COLUMN sync_events.on_behalf_of IS 'Whom the actor spoke for, as it said; empty for nobody.';
COMMENT ON COLUMN sync_operator_actions.tenant IS 'Whose data it was done to; default also where that could not be read.';

-- Who may listen need not be who may read: of other tenants than default, listeners hear that something was written, and
-- not to what.
CREATE OR REPLACE FUNCTION sync_events_notify() RETURNS trigger
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
                'session_ids', coalesce(written.session_ids[1:100], '{}')
            )::text
        )
        FROM (
            SELECT
                sum(per_session.events) AS events,
                count(*) AS sessions,
                min(per_session.first_at) AS first_at,
                max(per_session.last_at) AS last_at,
                array_agg(per_session.session_id) FILTER (WHERE per_session.tenant = 'default') AS session_ids
            FROM (
                SELECT tenant, session_id, count(*) AS events, min("timestamp") AS first_at, max("timestamp") AS last_at
                FROM new_events
                GROUP BY tenant, session_id
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

-- migrate:down

-- Drops whose rows they are, and on whose behalf authors acted; the rows stay.
CREATE OR REPLACE FUNCTION sync_events_notify() RETURNS trigger
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

ALTER TABLE sync_operator_actions DROP COLUMN tenant;
ALTER TABLE sync_events DROP COLUMN on_behalf_of, DROP COLUMN tenant;
ALTER TABLE sync_participants DROP COLUMN tenant;
ALTER TABLE sync_sessions DROP COLUMN tenant;
