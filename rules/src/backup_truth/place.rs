//! The looks at one place put together: what is listed there, what was read, what failed.

use agent_model::{CopyEntry, Millis, VerificationDepth};

use super::Look;
use super::parity::CopyState;
use crate::backup_policy::{BackupPolicy, Medium, Place};

/// A look that is older than this tells nothing about now: agents look every few minutes.
const LOOK_AGE_MS_MAX: Millis = 3 * 3_600_000;

/// One place and what lies there.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaceTruth {
    /// The place's id in the policy, or the location as the agent tells it.
    pub place: String,
    pub location: String,
    pub tool: String,
    pub site: Option<String>,
    pub medium: Medium,
    pub offline: bool,
    pub immutable: bool,
    /// As the policy's place says.
    pub copied: bool,
    pub max_age_ms: Option<Millis>,
    pub state: CopyState,
    pub copies: u64,
    pub oldest_ms: Option<Millis>,
    /// The newest copies, the newest first.
    pub recent: Vec<CopyEntry>,
    /// What the newest look without an error of each depth beyond listing saw.
    pub verified: Vec<Verified>,
    /// Why the place cannot be looked at, or a copy did not pass.
    pub error: Option<String>,
    newest_ms: Option<Millis>,
}

/// Copies were read, and were good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    pub depth: VerificationDepth,
    pub at_ms: Millis,
    /// The newest moment whose data was read.
    pub consistent_ms: Option<Millis>,
}

impl PlaceTruth {
    /// The moment whose data the newest copy holds.
    pub fn consistent_ms(&self) -> Option<Millis> {
        self.newest_ms
    }

    /// The newest moment whose data lies here in a copy that was read and was good.
    pub fn verified_consistent_ms(&self) -> Option<Millis> {
        self.verified.iter().filter_map(|one| one.consistent_ms).max()
    }

    /// A place of which nothing is known yet.
    fn new(place: Option<&Place>, look: &Look<'_>) -> Self {
        let location = look.copy.location.clone();
        let site = place.and_then(|place| place.site.as_deref()).or(look.site);
        Self {
            place: place.map_or_else(|| location.clone(), |place| place.id.clone()),
            location,
            tool: look.copy.tool.clone(),
            site: site.map(str::to_owned),
            medium: place.map_or(Medium::Disk, |place| place.medium),
            offline: place.is_some_and(|place| place.offline),
            immutable: place.is_some_and(|place| place.immutable),
            copied: place.is_none_or(|place| place.copied),
            max_age_ms: place.and_then(|place| place.max_age_ms),
            state: CopyState::Unseen,
            copies: 0,
            oldest_ms: None,
            recent: Vec::new(),
            verified: Vec::new(),
            error: None,
            newest_ms: None,
        }
    }

    fn add(&mut self, look: &Look<'_>, now_ms: Millis) {
        let copy = look.copy;
        let seen = copy.observed_ms > 0;
        let consistent_ms = copy.consistent_ms.or(copy.newest_ms);
        if copy.depth == VerificationDepth::Listed {
            if seen {
                self.copies = copy.copies;
                self.oldest_ms = copy.oldest_ms;
                self.recent.clone_from(&copy.recent);
                self.newest_ms = consistent_ms;
            }
            let lately = now_ms.saturating_sub(copy.observed_ms) <= LOOK_AGE_MS_MAX;
            if !seen || look.error_ms.is_some() || !(lately || self.offline) {
                self.error.clone_from(&copy.error);
            } else if self.state == CopyState::Unseen {
                self.state = if copy.copies == 0 { CopyState::Missing } else { CopyState::Current };
            }
            return;
        }
        if look.error_ms.is_some() {
            // Copies that are gone, or that nobody can look at, are no longer those that did not pass.
            if self.state == CopyState::Current {
                self.state = CopyState::Damaged;
                self.error.clone_from(&copy.error);
            }
        } else if seen {
            let (depth, at_ms) = (copy.depth, copy.observed_ms);
            self.verified.push(Verified { depth, at_ms, consistent_ms });
        }
    }
}

/// One entry per place and location, in the policy's order.
pub(super) fn gather(policy: &BackupPolicy, looks: &[Look<'_>], now_ms: Millis) -> Vec<PlaceTruth> {
    let mut sorted: Vec<(usize, &Look<'_>)> = looks
        .iter()
        .map(|look| {
            let at = policy.places.iter().position(|place| place.holds(&look.copy.location));
            (at.unwrap_or(usize::MAX), look)
        })
        .collect();
    // Of two hosts that list the same location the newer look comes last and wins; deeper looks follow the listing.
    sorted.sort_by_key(|(at, look)| {
        (*at, &look.copy.location, look.copy.depth, look.copy.observed_ms)
    });
    let mut places: Vec<PlaceTruth> = Vec::new();
    for (at, look) in sorted {
        if places.last().is_none_or(|last| last.location != look.copy.location) {
            places.push(PlaceTruth::new(policy.places.get(at), look));
        }
        if let Some(last) = places.last_mut() {
            last.add(look, now_ms);
        }
    }
    places
}
