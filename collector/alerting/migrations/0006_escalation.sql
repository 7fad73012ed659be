-- Format version 6: since when a group for an escalation waits for somebody to take each alert.
ALTER TABLE alert_groups ADD COLUMN waits TEXT NOT NULL DEFAULT '{}';
