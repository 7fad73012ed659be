-- Format version 12: of how many alerts a notification tells stands beside its words, so that lists need not read these.
ALTER TABLE outbox ADD COLUMN alerts_firing BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN alerts_resolved BIGINT NOT NULL DEFAULT 0;

UPDATE outbox SET
    alerts_firing = (SELECT COUNT(*) FROM json_each(outbox.content, '$.alerts') told
        WHERE json_extract(told.value, '$.resolved_ms') IS NULL),
    alerts_resolved = (SELECT COUNT(*) FROM json_each(outbox.content, '$.alerts') told
        WHERE json_extract(told.value, '$.resolved_ms') IS NOT NULL)
WHERE content <> '';
