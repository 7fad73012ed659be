-- Format version 7: who stands in for whoever's turn it is.
CREATE TABLE swaps (
    id TEXT PRIMARY KEY,
    roster TEXT NOT NULL,
    person TEXT NOT NULL,
    from_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    made_by TEXT NOT NULL,
    made_ms BIGINT NOT NULL,
    note TEXT NOT NULL
);
