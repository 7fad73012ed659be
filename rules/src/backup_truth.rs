//! What the copies of a backup are worth: at each place, for each site, and against the rule of copies.
//!
//! Pure: looks and policy in, judgement out. Promises: nothing is rounded up: a copy counts as verified only by a look that
//! read it, damage and other data are named and never counted, and what was not looked at lately is not known.
//! Leaves to others: looking (the agents), storing looks (the inventory) and alerting (ordinary rules over `metrics`).

use agent_model::{BackupCopy, HostId, Millis, VerificationDepth};

use crate::backup_policy::{BackupPolicy, PlannedBackup};

mod copies_rule;
mod metrics;
mod parity;
mod place;
mod sizes;

pub use copies_rule::Digit;
pub use parity::CopyState;
pub use place::{PlaceTruth, Verified};
pub use sizes::Sizes;

/// The newest look at one location at one depth, as one host made it.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    pub host: &'a HostId,
    /// Where the host stands, by `inventory.yml`.
    pub site: Option<&'a str>,
    /// What the last look without an error saw; `observed_ms` is 0 when there was none.
    pub copy: &'a BackupCopy,
    /// When a later look failed.
    pub error_ms: Option<Millis>,
}

/// What is known of one backup.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupTruth {
    /// In the order of the policy's places, then by location.
    pub places: Vec<PlaceTruth>,
    pub sites: Vec<SiteExposure>,
    /// The digits of 3-2-1-1-0 that are not kept; `None` when the policy asks for none.
    pub broken: Option<Vec<Digit>>,
    /// Depths whose newest look is older than the policy allows at some place that can be looked at.
    pub overdue: Vec<(String, VerificationDepth)>,
}

/// How much would be lost if only the copies at one site were left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteExposure {
    pub site: String,
    /// The newest moment whose data a copy there holds, as it was listed.
    pub listed_ms: Option<Millis>,
    /// The same of copies that were read after they were made.
    pub verified_ms: Option<Millis>,
}

/// Judges one backup by the looks at its copies (`PlannedBackup::is_told_by`); `home` is the site of its data.
pub fn judge(
    policy: &BackupPolicy,
    planned: &PlannedBackup,
    home: Option<&str>,
    looks: &[Look<'_>],
    now_ms: Millis,
) -> BackupTruth {
    let mut places = place::gather(policy, looks, now_ms);
    parity::compare(&mut places, home, planned.copy_lag_ms);
    for place in places.iter_mut().filter(|place| !place.state.holds_the_data()) {
        // What was read there is no longer there, or was other data.
        place.verified.clear();
    }
    BackupTruth {
        sites: exposures(&places),
        broken: planned.rule.map(|rule| copies_rule::broken(rule, planned, home, &places, now_ms)),
        overdue: overdue(planned, &places, now_ms),
        places,
    }
}

fn exposures(places: &[PlaceTruth]) -> Vec<SiteExposure> {
    let mut sites: Vec<SiteExposure> = Vec::new();
    for place in places {
        let Some(site) = &place.site else { continue };
        let at = sites.iter().position(|one| one.site == *site).unwrap_or_else(|| {
            sites.push(SiteExposure { site: site.clone(), listed_ms: None, verified_ms: None });
            sites.len() - 1
        });
        if place.state.holds_the_data() {
            sites[at].listed_ms = sites[at].listed_ms.max(place.consistent_ms());
            sites[at].verified_ms = sites[at].verified_ms.max(place.verified_consistent_ms());
        }
    }
    sites
}

fn overdue(
    planned: &PlannedBackup,
    places: &[PlaceTruth],
    now_ms: Millis,
) -> Vec<(String, VerificationDepth)> {
    let mut overdue = Vec::new();
    // A place that is fetched once a week is looked at then; the others are asked for every depth.
    let asked = |place: &&PlaceTruth| !place.offline && place.state.holds_the_data();
    for place in places.iter().filter(asked) {
        for (depth, age_ms) in &planned.verify {
            let passed = place.verified.iter().filter(|one| one.depth >= *depth);
            let newest_ms = passed.map(|one| one.at_ms).max();
            if newest_ms.is_none_or(|at_ms| now_ms.saturating_sub(at_ms) > *age_ms) {
                overdue.push((place.place.clone(), *depth));
            }
        }
    }
    overdue
}

#[cfg(test)]
mod tests;
