//! 3-2-1-1-0, and which digit is not kept.

use std::collections::BTreeSet;

use agent_model::Millis;

use super::parity::CopyState;
use super::place::PlaceTruth;
use crate::backup_policy::{CopiesRule, Medium, PlannedBackup};

/// One digit of the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Digit {
    /// Copies, the data itself among them.
    Copies,
    /// Kinds of media, the data's disk among them.
    Media,
    /// Copies outside of the data's site.
    Offsite,
    /// Copies that nobody can change over the network.
    Offline,
    /// No copy that is damaged or was never read.
    Errors,
}

impl Digit {
    pub const ALL: [Self; 5] =
        [Self::Copies, Self::Media, Self::Offsite, Self::Offline, Self::Errors];

    pub fn name(self) -> &'static str {
        match self {
            Self::Copies => "copies",
            Self::Media => "media",
            Self::Offsite => "offsite",
            Self::Offline => "offline",
            Self::Errors => "errors",
        }
    }
}

/// The digits that are not kept. A copy counts while it is of this data, whole, and not too old for its place.
pub(super) fn broken(
    rule: CopiesRule,
    planned: &PlannedBackup,
    home: Option<&str>,
    places: &[PlaceTruth],
    now_ms: Millis,
) -> Vec<Digit> {
    let counted: Vec<&PlaceTruth> =
        places.iter().filter(|place| counts(place, planned, now_ms)).collect();
    let media: BTreeSet<Medium> =
        counted.iter().map(|place| place.medium).chain([Medium::Disk]).collect();
    // Where nobody says where the data is, nobody can say what is elsewhere.
    let elsewhere = |place: &&&PlaceTruth| {
        home.is_some() && place.site.is_some() && place.site.as_deref() != home
    };
    let kept = |digit| match digit {
        Digit::Copies => counted.len() + 1 >= size(rule.copies),
        Digit::Media => media.len() >= size(rule.media),
        Digit::Offsite => counted.iter().filter(elsewhere).count() >= size(rule.offsite),
        Digit::Offline => {
            let out_of_reach = counted.iter().filter(|place| place.offline || place.immutable);
            out_of_reach.count() >= size(rule.offline)
        }
        Digit::Errors => {
            let good = |place: &PlaceTruth| {
                place.state != CopyState::Damaged
                    && (place.offline || place.verified_consistent_ms().is_some())
            };
            !places.is_empty() && places.iter().all(good)
        }
    };
    Digit::ALL.into_iter().filter(|digit| !kept(*digit)).collect()
}

fn counts(place: &PlaceTruth, planned: &PlannedBackup, now_ms: Millis) -> bool {
    let age_ms_max = place.max_age_ms.unwrap_or(planned.rpo_ms).max(planned.rpo_ms);
    let fresh = |at_ms: Millis| now_ms.saturating_sub(at_ms) <= age_ms_max;
    let seen = place.state != CopyState::Unseen;
    seen && place.state.holds_the_data() && place.consistent_ms().is_some_and(fresh)
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
