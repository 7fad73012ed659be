-- Lasting tokens of programs: one reads as a role, or writes series that all carry its labels.

CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    -- Empty for a token that writes.
    role TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_ms BIGINT NOT NULL,
    revoked_ms BIGINT,
    last_used_ms BIGINT
);
CREATE UNIQUE INDEX api_tokens_by_name ON api_tokens (name) WHERE revoked_ms IS NULL;

CREATE TABLE api_token_labels (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (id, name)
);
