-- The first format: hosts and identities, the ledger of reports, what reports bring, people, drills.
-- Times are milliseconds since the Unix epoch, UTC; hashes are hex text. SQLite and PostgreSQL both take it.

CREATE TABLE progress (
    name TEXT PRIMARY KEY,
    position BIGINT NOT NULL
);

CREATE TABLE hosts (
    host TEXT PRIMARY KEY,
    first_report_ms BIGINT,
    last_report_ms BIGINT,
    agent_version TEXT NOT NULL DEFAULT '',
    clock_offset_ms BIGINT NOT NULL DEFAULT 0,
    epoch BIGINT NOT NULL DEFAULT 0,
    epoch_forgotten BIGINT NOT NULL DEFAULT 0,
    revoked BOOLEAN NOT NULL DEFAULT FALSE
);

CREATE TABLE facts (
    host TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (host, name)
);

CREATE TABLE identities (
    serial TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    host TEXT NOT NULL,
    not_before_ms BIGINT NOT NULL,
    not_after_ms BIGINT NOT NULL,
    revoked_ms BIGINT,
    revoked_reason TEXT
);
CREATE INDEX identities_by_host ON identities (host);

CREATE TABLE tokens (
    hash TEXT PRIMARY KEY,
    host TEXT,
    created_ms BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_ms BIGINT NOT NULL,
    used_ms BIGINT,
    used_by TEXT
);

CREATE TABLE ledger (
    host TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    stream BIGINT NOT NULL,
    watermark BIGINT NOT NULL,
    watermark_created_ms BIGINT NOT NULL,
    ranges TEXT NOT NULL,
    recent TEXT NOT NULL,
    PRIMARY KEY (host, epoch, stream)
);

CREATE TABLE schemas (
    host TEXT NOT NULL,
    schema_id TEXT NOT NULL,
    bytes BYTEA NOT NULL,
    last_used_ms BIGINT NOT NULL,
    PRIMARY KEY (host, schema_id)
);

CREATE TABLE backup_runs (
    host TEXT NOT NULL,
    job TEXT NOT NULL,
    tool TEXT NOT NULL,
    started_ms BIGINT NOT NULL,
    finished_ms BIGINT NOT NULL,
    outcome BIGINT NOT NULL,
    exit_code BIGINT,
    bytes BIGINT,
    files BIGINT,
    content_id TEXT,
    detail TEXT NOT NULL,
    reported_by TEXT NOT NULL,
    received_ms BIGINT NOT NULL
);
CREATE INDEX backup_runs_by_job ON backup_runs (host, job, finished_ms);
CREATE INDEX backup_runs_by_time ON backup_runs (finished_ms);

-- The newest look of each depth at each place.
CREATE TABLE backup_copies (
    host TEXT NOT NULL,
    job TEXT NOT NULL,
    location TEXT NOT NULL,
    depth BIGINT NOT NULL,
    tool TEXT NOT NULL,
    observed_ms BIGINT NOT NULL,
    newest_ms BIGINT,
    bytes BIGINT,
    copies BIGINT NOT NULL,
    content_id TEXT,
    error TEXT,
    error_ms BIGINT,
    PRIMARY KEY (host, job, location, depth)
);

CREATE TABLE probe_results (
    host TEXT NOT NULL,
    probe TEXT NOT NULL,
    kind BIGINT NOT NULL,
    target TEXT NOT NULL,
    time_ms BIGINT NOT NULL,
    success BOOLEAN NOT NULL,
    duration_seconds DOUBLE PRECISION NOT NULL,
    http_status BIGINT,
    certificate_expiry_ms BIGINT,
    failure TEXT NOT NULL
);
CREATE INDEX probe_results_by_probe ON probe_results (host, probe, time_ms);
CREATE INDEX probe_results_by_time ON probe_results (time_ms);

CREATE TABLE gaps (
    host TEXT NOT NULL,
    stream BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    first_sequence BIGINT NOT NULL,
    last_sequence BIGINT NOT NULL,
    from_ms BIGINT NOT NULL,
    to_ms BIGINT NOT NULL,
    samples BIGINT NOT NULL,
    events BIGINT NOT NULL,
    reason BIGINT NOT NULL,
    recorded_ms BIGINT NOT NULL
);
CREATE INDEX gaps_by_time ON gaps (recorded_ms);

CREATE TABLE users (
    name TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled BOOLEAN NOT NULL DEFAULT FALSE,
    created_ms BIGINT NOT NULL,
    password_changed_ms BIGINT NOT NULL
);

CREATE TABLE sessions (
    token_hash TEXT PRIMARY KEY,
    user_name TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    last_seen_ms BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_name);

CREATE TABLE audit (
    number BIGINT PRIMARY KEY,
    time_ms BIGINT NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL
);

CREATE TABLE drills (
    drill BIGINT PRIMARY KEY,
    plan TEXT NOT NULL,
    plan_text TEXT NOT NULL,
    started_by TEXT NOT NULL,
    started_ms BIGINT NOT NULL,
    finished_ms BIGINT,
    state TEXT NOT NULL
);

CREATE TABLE drill_log (
    drill BIGINT NOT NULL,
    number BIGINT NOT NULL,
    step TEXT NOT NULL,
    time_ms BIGINT NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL,
    evidence TEXT NOT NULL,
    PRIMARY KEY (drill, number)
);
