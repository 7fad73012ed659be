//! People's data in SQL: hosts, identities, backups, probes, gaps, services, drills, users, audit.
//!
//! Promises: everything a batch of reports brings is stored in one transaction with its journal position, so a
//! crash neither loses nor repeats any of it; a file of a newer format is refused, an older one is upgraded.
//! Leaves to others: certificates and password hashing, decoding of reports, JSON. Time is always an argument.

mod apply;
mod backups;
mod error;
mod gaps;
mod hosts;
mod identities;
mod ledger;
mod open;
mod probes;
mod schemas;
mod stored_ledger;
mod tokens;
mod values;

pub use apply::{Applied, AppliedReport, FACTS_PER_HOST_MAX};
pub use backups::{BackupJob, StoredBackupCopy};
pub use error::InventoryError;
pub use gaps::HostGap;
pub use hosts::{HostDetail, HostFact, HostState, HostSummary};
pub use identities::{HostIdentity, Identity, Revocation};
pub use ledger::{Conflict, EPOCHS_MAX, Ledger, Verdict};
pub use open::{FORMAT, Inventory, Retention};
pub use probes::HostProbe;
pub use schemas::StoredSchema;
pub use tokens::{Token, TokenError};
