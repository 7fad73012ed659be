-- Format version 2: alerts that other programs post.
-- Where one comes from; NULL for an alert of a rule or a detection, empty when its sender did not say.
ALTER TABLE alerts ADD COLUMN generator_url TEXT;
-- 1 when its end is only the time by which it must be posted again.
ALTER TABLE alerts ADD COLUMN ends_by_timeout BIGINT NOT NULL DEFAULT 0;
