-- Who may only read the trail reads the rows of one tenant: the one that its transaction names by
-- set_config('synckairos.tenant', …, true). Who may write it, as its owner and the workers may, has all rows.
--
-- A policy asks for what an account may do, not for its name: it holds for accounts that come later, and after a restore
-- into another server. The tables are named by their oids: a search path changes nothing.

-- migrate:up

CREATE POLICY sync_sessions_of_tenant ON sync_sessions FOR SELECT
    USING (tenant = current_setting('synckairos.tenant', true));
CREATE POLICY sync_sessions_of_all ON sync_sessions
    USING ((SELECT has_table_privilege('sync_sessions'::regclass, 'INSERT')));
CREATE POLICY sync_participants_of_tenant ON sync_participants FOR SELECT
    USING (tenant = current_setting('synckairos.tenant', true));
CREATE POLICY sync_participants_of_all ON sync_participants
    USING ((SELECT has_table_privilege('sync_participants'::regclass, 'INSERT')));
CREATE POLICY sync_events_of_tenant ON sync_events FOR SELECT
    USING (tenant = current_setting('synckairos.tenant', true));
CREATE POLICY sync_events_of_all ON sync_events
    USING ((SELECT has_table_privilege('sync_events'::regclass, 'INSERT')));
CREATE POLICY sync_operator_actions_of_tenant ON sync_operator_actions FOR SELECT
    USING (tenant = current_setting('synckairos.tenant', true));
CREATE POLICY sync_operator_actions_of_all ON sync_operator_actions
    USING ((SELECT has_table_privilege('sync_operator_actions'::regclass, 'INSERT')));

ALTER TABLE sync_sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sync_participants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sync_events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sync_operator_actions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- migrate:down

-- No data are lost; whoever may read a table reads all of it again.
ALTER TABLE sync_operator_actions NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
ALTER TABLE sync_events NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
ALTER TABLE sync_participants NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
ALTER TABLE sync_sessions NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;

DROP POLICY sync_operator_actions_of_all ON sync_operator_actions;
DROP POLICY sync_operator_actions_of_tenant ON sync_operator_actions;
DROP POLICY sync_events_of_all ON sync_events;
DROP POLICY sync_events_of_tenant ON sync_events;
DROP POLICY sync_participants_of_all ON sync_participants;
DROP POLICY sync_participants_of_tenant ON sync_participants;
DROP POLICY sync_sessions_of_all ON sync_sessions;
DROP POLICY sync_sessions_of_tenant ON sync_sessions;
