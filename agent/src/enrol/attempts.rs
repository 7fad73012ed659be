//! How this host's enrolments ended, counted in a small file: `haidang-agent enrol` is another process than the agent
//! that shows the counts. A count that cannot be written is told in the log and otherwise forgone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::EnrolError;
use crate::files;

/// Counts by outcome.
pub(crate) fn read(state_dir: &Path) -> BTreeMap<String, u64> {
    let text = fs::read_to_string(path(state_dir)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

pub(super) fn note(state_dir: &Path, ended: &Result<(), EnrolError>) {
    let Some(outcome) = outcome(ended) else { return };
    let mut counts = read(state_dir);
    *counts.entry(outcome.to_owned()).or_default() += 1;
    let path = path(state_dir);
    let written = serde_json::to_vec(&counts).map_err(std::io::Error::from).and_then(|bytes| {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        files::replace(&path, &bytes, 0o600)
    });
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), %error, "an enrolment was not counted");
    }
}

/// `None` for what was never tried.
fn outcome(ended: &Result<(), EnrolError>) -> Option<&'static str> {
    Some(match ended {
        Ok(()) => "enrolled",
        Err(EnrolError::Token(_) | EnrolError::AlreadyHere { .. }) => return None,
        Err(EnrolError::OtherCollector { .. }) => "other_authority",
        Err(EnrolError::Clock { .. }) => "clock",
        Err(EnrolError::Refused { .. }) => "refused_token",
        Err(EnrolError::HostEnrolled { .. }) => "host_enrolled",
        Err(EnrolError::Unable { .. }) => "unable",
        Err(EnrolError::NoAnswer { .. } | EnrolError::Link(_)) => "no_answer",
        Err(EnrolError::Answer { .. } | EnrolError::Identity(_)) => "failed",
    })
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("enrolments")
}
