-- Format version 5: who handles an alert, and for how long an acknowledgement holds.
ALTER TABLE alerts ADD COLUMN acknowledged_until_ms BIGINT;
ALTER TABLE alerts ADD COLUMN assignee TEXT;
ALTER TABLE alerts ADD COLUMN comments BIGINT NOT NULL DEFAULT 0;
