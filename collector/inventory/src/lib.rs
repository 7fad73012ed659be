//! People's data in SQL: hosts, identities, backups, probes, gaps, services, drills, users, audit.
//!
//! Promises: everything a batch of reports brings is stored in one transaction with its journal position, so a
//! crash neither loses nor repeats any of it; a file of a newer format is refused, an older one is upgraded.
//! Leaves to others: certificates and password hashing, decoding of reports, JSON. Time is always an argument.

mod api_tokens;
mod apply;
mod audit;
mod backups;
pub mod config;
mod drills;
mod error;
mod gaps;
mod hosts;
mod identities;
mod ledger;
mod metadata;
mod open;
mod probes;
mod schemas;
mod scrape_targets;
mod sessions;
mod stored_ledger;
mod tokens;
mod users;
mod values;

pub use api_tokens::{Access, ApiToken, NewApiToken};
pub use apply::{Applied, AppliedReport, FACTS_PER_HOST_MAX};
pub use audit::{AuditBreak, AuditEntry, AuditVerified, Noted, NumberedAuditEntry};
pub use backups::{BackupJob, StoredBackupCopy};
pub use config::InventoryConfig;
pub use drills::{Drill, DrillEntry};
pub use error::InventoryError;
pub use gaps::HostGap;
pub use hosts::{HostDetail, HostFact, HostState, HostSummary};
pub use identities::{Grant, HostIdentity, Identity, Revocation};
pub use ledger::{Conflict, EPOCHS_MAX, Ledger, Verdict};
pub use metadata::{DESCRIBED_MAX, DESCRIPTIONS_MAX, Described, Describer, TargetMetric};
pub use open::{FORMAT, Inventory, Retention};
pub use probes::HostProbe;
pub use schemas::StoredSchema;
pub use scrape_targets::{HostTarget, SCRAPE_TARGETS_MAX, SaidTargets};
pub use sessions::{SESSIONS_PER_USER_MAX, Session};
pub use tokens::{Token, TokenError};
pub use users::{NewUser, User, UserChange, UserChanged};
