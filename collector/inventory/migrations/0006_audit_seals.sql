-- The audit log is a chain: each entry's seal is a hash over it and the seal before. What retention took away leaves its
-- last number and seal, so that the rest can still be verified.

ALTER TABLE audit ADD COLUMN seal TEXT NOT NULL DEFAULT '';

CREATE TABLE audit_start (
    number BIGINT NOT NULL,
    seal TEXT NOT NULL
);
INSERT INTO audit_start (number, seal) VALUES (0, '');
