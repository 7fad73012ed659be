//! Whether the audit log is what it was: no entry changed, none missing between the oldest kept and the newest.

use futures_util::TryStreamExt;

use super::{Link, Row, seal, start};
use crate::error::sql;
use crate::values::from_sql;
use crate::{Inventory, InventoryError};

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditVerified {
    /// Entries that were read, the oldest and newest of them by `first` and `last`; all 0 in an empty log.
    pub entries: u64,
    pub first: u64,
    pub last: u64,
    /// The newest seal, to be noted elsewhere. Of an empty log that of the entry before, or nothing.
    pub seal: String,
    /// The first place where the chain does not hold.
    pub broken: Option<AuditBreak>,
    /// How the entry compares whose number and seal somebody had noted.
    pub noted: Option<Noted>,
}

/// Why the chain does not hold at an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditBreak {
    /// This entry, or the one before, is not the one that was sealed.
    Changed { number: u64 },
    /// Entries before this one are gone.
    Missing { number: u64 },
}

/// What became of an entry whose seal was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    Same,
    /// The log was written anew from this entry or one before it.
    Different,
    /// It went with its retention, or its number never was: nothing can be said.
    Absent,
}

impl AuditVerified {
    /// What broke since somebody noted the entry with which this was compared: entries were taken from the log's end, or it
    /// was written anew. The chain itself holds in either case.
    pub fn broken_since(&self, noted: u64) -> Option<AuditBreak> {
        match self.noted {
            Some(Noted::Different) => Some(AuditBreak::Changed { number: noted }),
            Some(Noted::Absent) if noted > self.last => Some(AuditBreak::Missing { number: noted }),
            _ => None,
        }
    }
}

impl Inventory {
    /// Reads the whole log, as of one moment. `noted` is a number and the seal that the entry had.
    pub async fn verify_audit(
        &self,
        noted: Option<(u64, &str)>,
    ) -> Result<AuditVerified, InventoryError> {
        let failed = || sql("verify the audit log");
        let mut transaction = self.readers.begin().await.map_err(failed())?;
        let mut link = start(&mut transaction).await?;
        let mut found = AuditVerified {
            entries: 0,
            first: 0,
            last: 0,
            seal: String::new(),
            broken: None,
            noted: noted.map(|(number, seal)| link.compared(number, seal).unwrap_or(Noted::Absent)),
        };
        let mut rows = sqlx::query_as::<_, Row>("SELECT * FROM audit ORDER BY number")
            .fetch(&mut *transaction);
        while let Some(row) = rows.try_next().await.map_err(failed())? {
            let number = from_sql(row.number);
            if found.broken.is_none() {
                found.broken = link.broken_by(&row);
            }
            link = Link { number: row.number, seal: row.seal };
            if let Some((noted, seal)) = noted
                && let Some(compared) = link.compared(noted, seal)
            {
                found.noted = Some(compared);
            }
            found.first = if found.entries == 0 { number } else { found.first };
            found.last = number;
            found.entries += 1;
        }
        found.seal = link.seal;
        Ok(found)
    }
}

impl Link {
    fn broken_by(&self, row: &Row) -> Option<AuditBreak> {
        let number = from_sql(row.number);
        if row.number != self.number.saturating_add(1) {
            return Some(AuditBreak::Missing { number });
        }
        let sealed = seal::of(&self.seal, row.number, &row.entry) == row.seal;
        (!sealed).then_some(AuditBreak::Changed { number })
    }

    fn compared(&self, number: u64, seal: &str) -> Option<Noted> {
        if number == 0 || from_sql(self.number) != number {
            return None;
        }
        let same = self.seal.eq_ignore_ascii_case(seal);
        Some(if same { Noted::Same } else { Noted::Different })
    }
}
