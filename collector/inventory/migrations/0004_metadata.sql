-- What metrics are: each description once, by a hash of its content, and who gives it: a target of a host, or who pushes.

CREATE TABLE metric_descriptions (
    description BIGINT PRIMARY KEY,
    metric TEXT NOT NULL,
    kind BIGINT NOT NULL,
    help TEXT NOT NULL,
    unit TEXT NOT NULL
);
CREATE INDEX metric_descriptions_by_metric ON metric_descriptions (metric);

CREATE TABLE metric_describers (
    describer BIGINT PRIMARY KEY,
    -- Of somebody who pushes; empty for a target of a host.
    owner TEXT NOT NULL,
    host TEXT NOT NULL,
    job TEXT NOT NULL,
    instance TEXT NOT NULL
);
CREATE INDEX metric_describers_by_host ON metric_describers (host);

CREATE TABLE metrics_described (
    describer BIGINT NOT NULL,
    description BIGINT NOT NULL,
    said_ms BIGINT NOT NULL,
    PRIMARY KEY (describer, description)
);
CREATE INDEX metrics_described_by_description ON metrics_described (description);
