//! Model values as SQL holds them and back: signed integers, hex text, numbered names.

use agent_model::{BackupOutcome, GapReason, HostId, ProbeKind, Stream, VerificationDepth};
use sha2::{Digest, Sha256};

use crate::InventoryError;
use crate::error::damaged;

/// SQL integers are signed; what does not fit is not a real count of bytes or files.
pub(crate) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Secrets are looked up by their hash; the secret itself is never stored.
pub(crate) fn secret_hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

pub(crate) fn host_from_sql(host: &str) -> Result<HostId, InventoryError> {
    HostId::new(host).map_err(|_| damaged("a host id", host))
}

pub(crate) fn stream_from_sql(stream: i64) -> Result<Stream, InventoryError> {
    named(&Stream::ALL, |known| *known as i64 == stream, "a stream", stream)
}

pub(crate) fn outcome_from_sql(outcome: i64) -> Result<BackupOutcome, InventoryError> {
    named(&BackupOutcome::ALL, |known| *known as i64 == outcome, "a backup outcome", outcome)
}

pub(crate) fn depth_from_sql(depth: i64) -> Result<VerificationDepth, InventoryError> {
    named(&VerificationDepth::ALL, |known| *known as i64 == depth, "a verification depth", depth)
}

pub(crate) fn kind_from_sql(kind: i64) -> Result<ProbeKind, InventoryError> {
    named(&ProbeKind::ALL, |known| *known as i64 == kind, "a probe kind", kind)
}

pub(crate) fn reason_from_sql(reason: i64) -> Result<GapReason, InventoryError> {
    named(&GapReason::ALL, |known| *known as i64 == reason, "a gap reason", reason)
}

fn named<T: Copy>(
    all: &[T],
    is: impl Fn(&T) -> bool,
    what: &'static str,
    stored: i64,
) -> Result<T, InventoryError> {
    all.iter().copied().find(is).ok_or_else(|| damaged(what, stored))
}
