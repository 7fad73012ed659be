-- Format version 1 of the alerting database. Plain SQL that PostgreSQL takes too: times are milliseconds UTC,
-- fingerprints are 16 hexadecimal digits, label sets and lists are JSON text.
CREATE TABLE alerts (
    fingerprint TEXT PRIMARY KEY,
    labels TEXT NOT NULL,
    annotations TEXT NOT NULL,
    -- the rule that owns it; NULL for a security detection
    rule TEXT,
    state TEXT NOT NULL,
    -- NULL for a value that is not a number
    value DOUBLE PRECISION,
    active_since_ms BIGINT NOT NULL,
    firing_since_ms BIGINT,
    last_true_ms BIGINT NOT NULL,
    absent_since_ms BIGINT,
    ends_ms BIGINT,
    resolved_ms BIGINT,
    acknowledged_ms BIGINT,
    acknowledged_by TEXT,
    acknowledged_note TEXT,
    -- 1 while somebody still has to be told something about it
    is_open BIGINT NOT NULL
);
CREATE INDEX alerts_open ON alerts (is_open);
CREATE INDEX alerts_resolved ON alerts (resolved_ms);

CREATE TABLE transitions (
    fingerprint TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX transitions_alert ON transitions (fingerprint, at_ms);
CREATE INDEX transitions_time ON transitions (at_ms);

CREATE TABLE detections (
    id TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    time_ms BIGINT NOT NULL,
    recorded_ms BIGINT NOT NULL,
    labels TEXT NOT NULL,
    annotations TEXT NOT NULL
);
CREATE INDEX detections_time ON detections (time_ms);

-- One row: how far the journal has been read for detections, and the correlations' state at that place.
CREATE TABLE detections_progress (
    id BIGINT PRIMARY KEY,
    journal_position BIGINT NOT NULL,
    correlation_state BYTEA
);

CREATE TABLE alert_groups (
    id TEXT PRIMARY KEY,
    group_key TEXT NOT NULL,
    labels TEXT NOT NULL,
    is_detection BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    last_flush_ms BIGINT,
    -- per integration: what it has been told, when, and the number of its last notification
    told TEXT NOT NULL
);

CREATE TABLE silences (
    id TEXT PRIMARY KEY,
    matchers TEXT NOT NULL,
    starts_ms BIGINT NOT NULL,
    ends_ms BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    comment TEXT NOT NULL,
    updated_ms BIGINT NOT NULL
);

CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    group_id TEXT NOT NULL,
    group_key TEXT NOT NULL,
    receiver TEXT NOT NULL,
    integration TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    content TEXT NOT NULL,
    -- waiting, sent, superseded or undeliverable
    state TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    next_attempt_ms BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    finished_ms BIGINT,
    last_error TEXT NOT NULL
);
CREATE INDEX outbox_state ON outbox (state, created_ms);

CREATE TABLE attempts (
    outbox_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    delivered BIGINT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (outbox_id, number)
);
