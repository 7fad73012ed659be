-- Format version 4.
-- One row: when writing was last proved before a sign of life went out.
CREATE TABLE beats (
    id BIGINT PRIMARY KEY,
    at_ms BIGINT NOT NULL
);
