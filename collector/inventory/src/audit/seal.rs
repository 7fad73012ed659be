//! The seal of an entry: SHA-256 over the seal before, the number and every field, each text behind its length, so that no two
//! entries read the same. In hexadecimal. Part of the inventory's format: another way needs a migration.

use sha2::{Digest, Sha256};

use super::AuditEntry;

pub(super) fn of(previous: &str, number: i64, entry: &AuditEntry) -> String {
    let AuditEntry { time_ms, who, action, object, outcome } = entry;
    let mut hash = Sha256::new();
    hash.update(number.to_le_bytes());
    hash.update(time_ms.to_le_bytes());
    for text in [previous, who, action, object, outcome] {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hex::encode(hash.finalize())
}
