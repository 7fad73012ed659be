-- Format version 3: dead letters, and what is known of each channel.
-- How long a notification, or one that it took the place of, has been tried in vain; time in which nobody tried does
-- not count.
ALTER TABLE outbox ADD COLUMN tried_ms BIGINT NOT NULL DEFAULT 0;
-- When it, or one that it took the place of, was tried last; NULL before the first attempt.
ALTER TABLE outbox ADD COLUMN tried_at_ms BIGINT;
-- `outbox.state` may also be dead (given up, waits for a person) or dismissed (a person has seen that it never arrived).

CREATE TABLE channels (
    receiver TEXT NOT NULL,
    integration TEXT NOT NULL,
    last_attempt_ms BIGINT NOT NULL,
    last_success_ms BIGINT,
    -- NULL while the last attempt went well
    failing_since_ms BIGINT,
    last_error TEXT NOT NULL,
    -- when it was tested last, by hand or daily
    tested_ms BIGINT,
    PRIMARY KEY (receiver, integration)
);
