-- A wide silence waits until a second person confirms it. The name is empty for one that needed nobody.
ALTER TABLE silences ADD COLUMN awaits_confirmation BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE silences ADD COLUMN confirmed_by TEXT NOT NULL DEFAULT '';
