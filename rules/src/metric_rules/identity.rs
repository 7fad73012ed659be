//! A rule's identity: the same rule in the same place keeps it over restarts, so that what is stored about its
//! alerts stays true; a changed rule is another rule.

use std::fmt;

use sha2::{Digest, Sha256};

/// The first 16 bytes of a SHA-256 over file name, group, rule name, expression and labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub [u8; 16]);

impl RuleId {
    /// Another identity, for a rule that is the same as one before it in its group.
    pub(super) fn next(self) -> Self {
        Self::of([self.to_string().as_str()])
    }

    /// The parts in order, each with its length, so that no two lists of parts run together.
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for RuleId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}
