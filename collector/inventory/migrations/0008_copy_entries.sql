-- What a copy holds: the moment of its data, the oldest copy, and the newest copies one by one.
ALTER TABLE backup_copies ADD COLUMN consistent_ms BIGINT;
ALTER TABLE backup_copies ADD COLUMN oldest_ms BIGINT;

-- 0 is the newest.
CREATE TABLE backup_copy_entries (
    host TEXT NOT NULL,
    job TEXT NOT NULL,
    location TEXT NOT NULL,
    depth BIGINT NOT NULL,
    position BIGINT NOT NULL,
    content_id TEXT NOT NULL,
    consistent_ms BIGINT,
    bytes BIGINT,
    PRIMARY KEY (host, job, location, depth, position)
);
