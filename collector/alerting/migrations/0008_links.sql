-- Format version 8: links by which a message's alerts are taken.
-- One row: what signs them.
CREATE TABLE link_key (
    id BIGINT PRIMARY KEY,
    link_key BYTEA NOT NULL
);
-- When the link of a message was used, and as whom; NULL while it was not.
ALTER TABLE outbox ADD COLUMN link_used_ms BIGINT;
ALTER TABLE outbox ADD COLUMN link_used_by TEXT;
