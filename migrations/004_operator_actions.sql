-- What operators did to the trail itself: entries they discarded, data they erased. The rows stay when what they are about
-- is gone.

-- migrate:up

CREATE TABLE sync_operator_actions (
    id       UUID PRIMARY KEY,
    action   VARCHAR(50) NOT NULL,
    operator TEXT NOT NULL,
    reason   TEXT NOT NULL,
    done_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    details  JSONB NOT NULL DEFAULT '{}',
    CONSTRAINT sync_operator_actions_what CHECK (action <> '' AND operator <> '' AND reason <> ''),
    CONSTRAINT sync_operator_actions_details CHECK (jsonb_typeof(details) = 'object')
);

COMMENT ON TABLE sync_operator_actions IS 'What operators did to the audit trail itself, one row an action.';
COMMENT ON COLUMN sync_operator_actions.id IS 'The action; the same one done twice has one row.';
COMMENT ON COLUMN sync_operator_actions.action IS 'What was done: discard (a dead entry), erase (a participant''s data).';
COMMENT ON COLUMN sync_operator_actions.operator IS 'Who did it: the account, and the machine.';
COMMENT ON COLUMN sync_operator_actions.reason IS 'Why, as the operator said.';
COMMENT ON COLUMN sync_operator_actions.done_at IS 'When it was done.';
COMMENT ON COLUMN sync_operator_actions.details IS 'What it was done to; of a discarded entry all its bytes, in hexadecimal digits.';

-- Lists actions, the latest first.
CREATE INDEX idx_sync_operator_actions_done ON sync_operator_actions (done_at DESC, id);

-- migrate:down

-- Drops the record of what operators did, with all its rows.
DROP TABLE sync_operator_actions;
