-- Format version 10: the lives of alerts, one row each, and which notification told of which alert. Kept as long as the history.
CREATE TABLE lives (
    fingerprint TEXT NOT NULL,
    fired_ms BIGINT NOT NULL,
    labels TEXT NOT NULL,
    -- since when its condition held
    active_since_ms BIGINT NOT NULL,
    -- when a person first did something about it, and when one first took it
    handled_ms BIGINT,
    acknowledged_ms BIGINT,
    resolved_ms BIGINT,
    PRIMARY KEY (fingerprint, fired_ms)
);
CREATE INDEX lives_fired ON lives (fired_ms, fingerprint);
CREATE UNIQUE INDEX lives_open ON lives (fingerprint) WHERE resolved_ms IS NULL;

-- What is told of an alert; what came of it stands in the outbox. The row is its key: in SQLite that is half the size.
CREATE TABLE tellings (
    fingerprint TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    notification_id TEXT NOT NULL,
    -- 1 when its end was told
    is_end BIGINT NOT NULL,
    PRIMARY KEY (fingerprint, created_ms, notification_id)
) WITHOUT ROWID;

-- Lists of notifications show those whose words are still kept.
CREATE INDEX outbox_created ON outbox (created_ms, sequence) WHERE content <> '';

-- What the history knows already. What was firing when it began is left out: how long it took is not known.
INSERT INTO lives
    (fingerprint, fired_ms, labels, active_since_ms, handled_ms, acknowledged_ms, resolved_ms)
SELECT f.fingerprint, f.at_ms, COALESCE(a.labels, '{}'), f.at_ms,
    (SELECT MIN(d.at_ms) FROM transitions d WHERE d.fingerprint = f.fingerprint AND d.at_ms >= f.at_ms
        AND d.at_ms <= f.until_ms AND d.state IN ('acknowledged', 'given_back', 'assigned', 'commented')),
    (SELECT MIN(d.at_ms) FROM transitions d WHERE d.fingerprint = f.fingerprint AND d.at_ms >= f.at_ms
        AND d.at_ms <= f.until_ms AND d.state = 'acknowledged'),
    NULLIF(f.until_ms, 9223372036854775807)
FROM (
    SELECT fingerprint, at_ms, state,
        LAG(state) OVER (PARTITION BY fingerprint ORDER BY at_ms) AS last_state,
        COALESCE((SELECT MIN(r.at_ms) FROM transitions r WHERE r.fingerprint = t.fingerprint
            AND r.at_ms >= t.at_ms AND r.state = 'resolved'), 9223372036854775807) AS until_ms
    FROM transitions t WHERE state IN ('firing', 'resolved')
) f
LEFT JOIN alerts a ON a.fingerprint = f.fingerprint
WHERE f.state = 'firing' AND (f.last_state IS NULL OR f.last_state = 'resolved')
ON CONFLICT DO NOTHING;

-- And what the outbox knows.
INSERT INTO tellings (fingerprint, created_ms, notification_id, is_end)
SELECT a.fingerprint, o.created_ms, o.id,
    CASE WHEN json_extract(told.value, '$.resolved_ms') IS NULL THEN 0 ELSE 1 END
FROM outbox o, json_each(o.content, '$.alerts') told, alerts a
WHERE a.labels = json_extract(told.value, '$.labels')
ON CONFLICT DO NOTHING;
