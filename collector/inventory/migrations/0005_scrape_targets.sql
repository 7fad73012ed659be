-- Exporters that agents scrape, as the agents say.

CREATE TABLE scrape_targets (
    host TEXT NOT NULL,
    job TEXT NOT NULL,
    instance TEXT NOT NULL,
    url TEXT NOT NULL,
    interval_ms BIGINT NOT NULL,
    timeout_ms BIGINT NOT NULL,
    last_error TEXT NOT NULL,
    said_ms BIGINT NOT NULL,
    PRIMARY KEY (host, job, instance)
);
