-- An answer that is lost on the line is given again: what a certificate was granted for, to whose key, and the certificate.

ALTER TABLE identities ADD COLUMN granted_for TEXT NOT NULL DEFAULT '';
ALTER TABLE identities ADD COLUMN public_key TEXT NOT NULL DEFAULT '';
ALTER TABLE identities ADD COLUMN certificate_pem TEXT NOT NULL DEFAULT '';
CREATE INDEX identities_by_grant ON identities (granted_for);
